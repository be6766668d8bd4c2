//! The behaviour of all HTTP/2 doubles that can be chosen by flags and changed while they run.
//!
//! Each provider's knobs flatten them. The command line parses them at start, `POST /set` while a double runs.

use std::time::Duration;

use clap::{ArgAction, Args, ValueEnum};

use crate::double::knobs::{KnobError, NackRates, defaults};
use crate::units;

/// What may change while a double runs, whatever its provider.
#[derive(Debug, Clone, PartialEq, Args)]
#[group(skip)]
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
    /// Streams a connection may have open until it has carried a push that was accepted (0: as many as ever).
    #[arg(long, value_name = "N", default_value = "0")]
    pub first_streams: u32,
    /// After a refusal with a 4xx status (but 410), allow --first-streams again (at least 1), until a push is accepted.
    #[arg(long, value_name = "BOOL", default_value = "false", num_args = 0..=1, default_missing_value = "true",
          action = ArgAction::Set)]
    pub shrink_on_error: bool,
    /// Refuse streams above the limit that was announced last (REFUSED_STREAM), also where the client could not know it yet.
    #[arg(long, value_name = "BOOL", default_value = "false", num_args = 0..=1, default_missing_value = "true",
          action = ArgAction::Set)]
    pub refuse_racing: bool,
    /// Announce a changed limit only after this time, as if it were on its way; --refuse-racing has effect at once.
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = units::duration)]
    pub announce_after: Duration,
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
    /// Refuse pushes to one device beyond N in a minute, as the provider does (0: no limit).
    #[arg(long, value_name = "N", default_value = "0")]
    pub device_rate: u32,
    /// Retry-After of refusals that pass, in seconds (0: none).
    #[arg(long, value_name = "SECONDS", default_value = "0")]
    pub retry_after: u32,
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

impl AsRef<Self> for Knobs {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl Default for Knobs {
    fn default() -> Self {
        defaults()
    }
}

fn rates(text: &str) -> Result<NackRates, KnobError> {
    NackRates::parse_or(text, "UNAVAILABLE")
}
