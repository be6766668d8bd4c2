//! Reads the durations, rates and byte counts that flags and control calls are written in.
//!
//! Used by every command line of the crate. All functions are pure and have the shape clap's `value_parser` wants.

use std::time::Duration;

use thiserror::Error;

/// What is wrong with a quantity.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UnitError {
    /// Not a duration.
    #[error("{0:?} is not a duration (hint: write 20ms, 1.5s, 2m or 1h)")]
    Duration(String),
    /// Not a share.
    #[error("{0:?} is not a share (hint: write a number from 0 to 1, such as 0.05)")]
    Share(String),
    /// Not a byte count.
    #[error("{0:?} is not a number of bytes (hint: write 4096, 64KiB or 1MiB)")]
    Bytes(String),
}

/// Returns the duration written as a number with unit `us`, `ms`, `s`, `m` or `h`; a bare `0` needs no unit.
///
/// # Errors
/// [`UnitError::Duration`] when the text is anything else, negative or too large.
pub fn duration(text: &str) -> Result<Duration, UnitError> {
    let fault = || UnitError::Duration(text.to_owned());
    let trimmed = text.trim();
    if trimmed == "0" {
        return Ok(Duration::ZERO);
    }
    let unit_at = trimmed.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(fault)?;
    let (number, unit) = trimmed.split_at(unit_at);
    let number: f64 = number.trim().parse().map_err(|_| fault())?;
    let scale = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(fault()),
    };
    Duration::try_from_secs_f64(number * scale).map_err(|_| fault())
}

/// Returns a share between 0 and 1.
///
/// # Errors
/// [`UnitError::Share`] when it is not a number in that range.
pub fn share(text: &str) -> Result<f64, UnitError> {
    let value: f64 = text.trim().parse().map_err(|_| UnitError::Share(text.to_owned()))?;
    if (0.0..=1.0).contains(&value) { Ok(value) } else { Err(UnitError::Share(text.to_owned())) }
}

/// Returns a byte count written with an optional `KiB` or `MiB`; a trailing `/s` is allowed.
///
/// # Errors
/// [`UnitError::Bytes`] when it is not a whole number.
pub fn bytes(text: &str) -> Result<u64, UnitError> {
    let fault = || UnitError::Bytes(text.to_owned());
    let trimmed = text.trim().trim_end_matches("/s");
    let (number, scale) = match trimmed {
        t if t.ends_with("KiB") => (t.trim_end_matches("KiB"), 1024),
        t if t.ends_with("MiB") => (t.trim_end_matches("MiB"), 1024 * 1024),
        t => (t, 1),
    };
    let number: u64 = number.trim().parse().map_err(|_| fault())?;
    number.checked_mul(scale).ok_or_else(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_their_unit() {
        assert_eq!(duration("20ms"), Ok(Duration::from_millis(20)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(duration("250 us"), Ok(Duration::from_micros(250)));
        assert_eq!(duration("0"), Ok(Duration::ZERO));
    }

    #[test]
    fn a_duration_without_a_unit_or_below_zero_is_refused() {
        for text in ["20", "-1s", "ms", "1day", "", "1e400s"] {
            assert_eq!(duration(text), Err(UnitError::Duration(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn shares_outside_zero_to_one_are_refused() {
        assert_eq!(share("0.25"), Ok(0.25));
        assert!(share("1.1").is_err());
        assert!(share("-0.1").is_err());
        assert!(share("NaN").is_err());
    }

    #[test]
    fn byte_counts_know_their_units() {
        assert_eq!(bytes("64KiB"), Ok(65_536));
        assert_eq!(bytes("1000/s"), Ok(1000));
        assert!(bytes("1.5KiB").is_err());
    }
}
