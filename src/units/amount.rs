//! A whole number with a unit: what sizes and durations have in common.

/// Why a text is not an amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// There are no digits at its start.
    #[error("must start with a whole number")]
    NoNumber,
    /// The unit is missing or unknown.
    #[error("has the unit `{unit}` (known: {known})")]
    Unit {
        /// What stood there.
        unit: String,
        /// What may stand there.
        known: &'static str,
    },
    /// It does not fit.
    #[error("is too large")]
    TooLarge,
}

/// Splits `12 KiB` into 12 and `KiB`.
pub(super) fn split(text: &str) -> Result<(u64, &str), AmountError> {
    let text = text.trim();
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err(AmountError::NoNumber);
    }
    // Digits only, so the one way to fail is to be too long.
    let number = number.parse().map_err(|_| AmountError::TooLarge)?;
    Ok((number, unit.trim_start()))
}
