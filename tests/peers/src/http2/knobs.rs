//! The behaviour of the double that can be chosen by flags and changed while it runs.
//!
//! The command line parses them at start, `POST /set` through [`Knobs::set`].

use std::time::Duration;

use clap::{ArgAction, Args, Command, FromArgMatches, ValueEnum};

use crate::units;
use crate::xmpp::knobs::{KnobError, NackRates, update};

/// Everything about the double that may change while it runs.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct Knobs {
    /// Time from a push's arrival to its answer.
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = units::duration)]
    pub latency: Duration,
    /// Random extra time per answer, spread evenly from nothing to this.
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = units::duration)]
    pub jitter: Duration,
    /// Share of pushes answered by an error, and its code (UNAVAILABLE when none is named); several separated by commas.
    #[arg(long, value_name = "RATE[:ERROR]", default_value = "0", value_parser = rates)]
    pub nack: NackRates,
    /// Share of answers that are never sent; the push counts as delivered.
    #[arg(long, value_name = "RATE", default_value = "0", value_parser = units::share)]
    pub lose_acks: f64,
    /// Streams a connection may have open (SETTINGS_MAX_CONCURRENT_STREAMS); a change is announced to open connections.
    #[arg(long, value_name = "N", default_value = "100")]
    pub max_streams: u32,
    /// Announce the end of each connection (GOAWAY) after it carried N pushes (0: never).
    #[arg(long, value_name = "N", default_value = "0")]
    pub drain_after: u64,
    /// How the end is announced.
    #[arg(long, value_enum, default_value = "graceful")]
    pub drain_mode: DrainMode,
    /// Time from the announcement to the close, if the client does not close before.
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = units::duration)]
    pub drain_close: Duration,
    /// Close each connection after it carried N pushes, leaving what is pending unanswered (0: never).
    #[arg(long, value_name = "N", default_value = "0")]
    pub close_after: u64,
    /// Stop reading and answering each connection after N pushes, with the socket left open (0: never).
    #[arg(long, value_name = "N", default_value = "0")]
    pub stall_after: u64,
    /// Refuse pushes beyond N in a minute with QUOTA_EXCEEDED (0: no limit; the real limit is 600000).
    #[arg(long, value_name = "N", default_value = "0")]
    pub quota: u32,
    /// Refuse pushes to one device beyond N in a minute with QUOTA_EXCEEDED (0: no limit; the real limit is 240).
    #[arg(long, value_name = "N", default_value = "0")]
    pub device_rate: u32,
    /// Retry-After of refusals for want of quota or of capacity, in seconds (0: none).
    #[arg(long, value_name = "SECONDS", default_value = "0")]
    pub retry_after: u32,
    /// Time that access tokens are valid.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = units::duration)]
    pub token_lifetime: Duration,
    /// Refuse every request for an access token.
    #[arg(long, value_name = "BOOL", default_value = "false", num_args = 0..=1, default_missing_value = "true",
          action = ArgAction::Set)]
    pub auth_fail: bool,
}

/// How the end of a connection is announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DrainMode {
    /// Everything that is open is answered; the connection closes behind the last answer.
    Graceful,
    /// Only the older half of what is open is answered, the rest was not processed; the socket stays open.
    Cut,
    /// With an error: nothing that is open is answered.
    Error,
}

impl Default for Knobs {
    fn default() -> Self {
        let matches = Self::augment_args(Command::new("knobs")).get_matches_from(["knobs"]);
        Self::from_arg_matches(&matches).expect("every knob has a default")
    }
}

impl Knobs {
    /// Changes the named knobs and leaves the others; nothing changes on an error.
    ///
    /// # Errors
    /// [`KnobError`] when a name or value is not known.
    pub fn set<'a>(&mut self, pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Result<(), KnobError> {
        update(self, pairs)
    }
}

fn rates(text: &str) -> Result<NackRates, KnobError> {
    NackRates::parse_or(text, "UNAVAILABLE")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setting_one_knob_leaves_the_others() {
        let mut knobs = Knobs { latency: Duration::from_millis(7), ..Knobs::default() };
        knobs.set([("max_streams", "5"), ("nack", "0.5")].into_iter()).unwrap();
        assert_eq!((knobs.max_streams, knobs.latency.as_millis()), (5, 7));
        assert_eq!(knobs.nack.draw(0.4), Some("UNAVAILABLE"));
        assert!(knobs.set([("window", "5")].into_iter()).is_err());
    }
}
