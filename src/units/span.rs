//! Durations as people write them: `20ms`, `5s`, `10m`, `1h`, `7d`.

use std::time::Duration;

use super::amount::{AmountError, split};

/// Units of a duration in milliseconds, longest first.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads a duration: a whole number and `ms`, `s`, `m`, `h` or `d`.
///
/// # Errors
/// What is wrong with the text.
pub fn parse_duration(text: &str) -> Result<Duration, AmountError> {
    let (number, unit) = split(text)?;
    let factor = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
    let factor = factor.ok_or_else(|| AmountError::Unit { unit: unit.into(), known: "ms, s, m, h, d" })?;
    number.checked_mul(factor).map(Duration::from_millis).ok_or(AmountError::TooLarge)
}

/// Writes a duration, to the millisecond, in the largest unit that leaves no remainder.
pub fn format_duration(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if millis == 0 {
        return "0s".into();
    }
    let exact = UNITS.iter().find(|(_, factor)| millis.is_multiple_of(*factor));
    let (name, factor) = exact.unwrap_or(&UNITS[UNITS.len() - 1]);
    format!("{}{name}", millis / factor)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_read_in_every_unit() {
        assert_eq!(parse_duration("20ms"), Ok(Duration::from_millis(20)));
        assert_eq!(parse_duration("5s"), Ok(Duration::from_secs(5)));
        assert_eq!(parse_duration("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(parse_duration("1h"), Ok(Duration::from_secs(3_600)));
        assert_eq!(parse_duration("7d"), Ok(Duration::from_secs(604_800)));
        assert_eq!(parse_duration("s"), Err(AmountError::NoNumber));
        assert!(parse_duration("5 weeks").is_err());
        assert!(parse_duration("1.5s").is_err());
        assert_eq!(parse_duration("999999999999999999d"), Err(AmountError::TooLarge));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(millis: u64) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }

        #[test]
        fn no_text_panics(text in ".{0,20}") {
            let _ = parse_duration(&text);
        }
    }
}
