//! What the knobs of all doubles are made of: how one is changed while a double runs, and rates of refusals.

use clap::builder::Resettable;
use clap::{Args, Command};
use thiserror::Error;

use crate::units;

/// How often pushes are nacked, and with which code.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NackRates(Vec<(f64, String)>);

impl NackRates {
    /// Returns the rates written as `RATE[:ERROR]`, several separated by commas.
    ///
    /// # Errors
    /// When a rate is no share, their sum is above 1, or a code has other characters than `A-Z` and `_`.
    pub fn parse(text: &str) -> Result<Self, KnobError> {
        Self::parse_or(text, "SERVICE_UNAVAILABLE")
    }

    /// As [`NackRates::parse`], with another code where none is named.
    ///
    /// # Errors
    /// As [`NackRates::parse`].
    pub fn parse_or(text: &str, default: &str) -> Result<Self, KnobError> {
        let mut rates = Vec::new();
        for part in text.split(',') {
            let (rate, code) = part.split_once(':').unwrap_or((part, default));
            let rate = units::share(rate).map_err(|error| KnobError(error.to_string()))?;
            if code.is_empty() || !code.bytes().all(|b| b.is_ascii_uppercase() || b == b'_') {
                return Err(KnobError(format!(
                    "{code:?} is not an error code (hint: write SERVICE_UNAVAILABLE)"
                )));
            }
            if rate > 0.0 {
                rates.push((rate, code.to_owned()));
            }
        }
        if rates.iter().map(|(rate, _)| rate).sum::<f64>() > 1.0 {
            return Err(KnobError("the nack rates add up to more than 1".to_owned()));
        }
        Ok(Self(rates))
    }

    /// Returns the code for a push, given a number drawn evenly from 0 to 1, or nothing when it is to be acked.
    #[must_use]
    pub fn draw(&self, number: f64) -> Option<&str> {
        let mut left = number;
        for (rate, code) in &self.0 {
            if left < *rate {
                return Some(code);
            }
            left -= rate;
        }
        None
    }
}

/// A knob that does not exist or a value it does not take.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct KnobError(String);

/// Returns knobs as the command line has them when it says nothing.
///
/// # Panics
/// A knob has no default.
#[must_use]
pub fn defaults<K: Args>() -> K {
    let matches = K::augment_args(Command::new("knobs")).get_matches_from(["knobs"]);
    K::from_arg_matches(&matches).expect("every knob has a default")
}

/// Changes the named knobs of any double and leaves the others; nothing changes on an error.
///
/// # Errors
/// [`KnobError`] when a name or value is not known.
pub fn update<'a, K: Args + Clone>(
    knobs: &mut K,
    pairs: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<(), KnobError> {
    let command = K::augment_args_for_update(Command::new("set").no_binary_name(true))
        .disable_help_flag(true)
        .mut_args(|arg| arg.default_value(Resettable::Reset));
    let words = pairs.map(|(name, value)| format!("--{}={value}", name.replace('_', "-")));
    let fault = |error: clap::Error| {
        let text = error.render().to_string();
        KnobError(text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned())
    };
    let matches = command.try_get_matches_from(words).map_err(fault)?;
    let mut changed = knobs.clone();
    changed.update_from_arg_matches(&matches).map_err(fault)?;
    *knobs = changed;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nack_rates_are_drawn_in_proportion() {
        let rates = NackRates::parse("0.25:BAD_REGISTRATION,0.5").unwrap();
        assert_eq!(rates.draw(0.0), Some("BAD_REGISTRATION"));
        assert_eq!(rates.draw(0.25), Some("SERVICE_UNAVAILABLE"));
        assert_eq!(rates.draw(0.75), None);
        assert!(NackRates::parse("0.6,0.6").is_err());
        assert!(NackRates::parse("0.1:low").is_err());
        assert_eq!(NackRates::parse("0").unwrap(), NackRates::default());
    }
}
