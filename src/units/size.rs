//! Sizes as people write them: `64 KiB`, `256 MiB`.

use super::amount::{AmountError, split};

/// Units of a size, longest name first where one ends in another.
const UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// Reads a size in bytes: a whole number and `B`, `KiB`, `MiB` or `GiB`, with or without a space between.
///
/// # Errors
/// What is wrong with the text.
pub fn parse_size(text: &str) -> Result<u64, AmountError> {
    let (number, unit) = split(text)?;
    let factor = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
    let factor = factor.ok_or_else(|| AmountError::Unit { unit: unit.into(), known: "B, KiB, MiB, GiB" })?;
    number.checked_mul(factor).ok_or(AmountError::TooLarge)
}

/// Writes a size in the largest unit that leaves no remainder, so that [`parse_size`] reads it back.
pub fn format_size(bytes: u64) -> String {
    let exact = UNITS.iter().find(|(_, factor)| bytes != 0 && bytes.is_multiple_of(*factor));
    let (name, factor) = exact.unwrap_or(&UNITS[UNITS.len() - 1]);
    format!("{} {name}", bytes / factor)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_are_read_with_and_without_a_space() {
        assert_eq!(parse_size("64 KiB"), Ok(65_536));
        assert_eq!(parse_size("256MiB"), Ok(268_435_456));
        assert_eq!(parse_size(" 12 B "), Ok(12));
        assert!(parse_size("12").is_err());
        assert!(parse_size("12 MB").is_err());
        assert!(parse_size("-1 B").is_err());
        assert_eq!(parse_size("99999999999 GiB"), Err(AmountError::TooLarge));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(bytes: u64) {
            prop_assert_eq!(parse_size(&format_size(bytes)), Ok(bytes));
        }

        #[test]
        fn no_text_panics(text in ".{0,20}") {
            let _ = parse_size(&text);
        }
    }
}
