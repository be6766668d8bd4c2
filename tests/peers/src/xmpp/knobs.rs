//! The behaviour of the double that can be chosen by flags and changed while it runs.
//!
//! The command line parses them at start, `POST /set` through [`Knobs::set`]; both read the same definitions, so a knob's
//! flag, its control parameter and its help cannot differ. Sessions hold a copy and are told when it changes.

use std::time::Duration;

use clap::{ArgAction, Args, ValueEnum};

use crate::double::knobs::{KnobError, NackRates, defaults, update};
use crate::units;

/// Everything about the double that may change while it runs.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct Knobs {
    /// Time from a push's arrival to its answer.
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = units::duration)]
    pub latency: Duration,
    /// Random extra time per answer, spread evenly from nothing to this.
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = units::duration)]
    pub jitter: Duration,
    /// Order of answers: fifo never lets one overtake another, shuffled mixes those that are due together.
    #[arg(long, value_enum, default_value = "fifo")]
    pub order: Order,
    /// Share of pushes answered by a nack, and its code (SERVICE_UNAVAILABLE when none is named);
    /// several separated by commas, such as 0.01:SERVICE_UNAVAILABLE,0.001:DEVICE_UNREGISTERED.
    #[arg(long, value_name = "RATE[:ERROR]", default_value = "0", value_parser = NackRates::parse)]
    pub nack: NackRates,
    /// Share of acks that are never sent; the push counts as delivered and as answered.
    #[arg(long, value_name = "RATE", default_value = "0", value_parser = units::share)]
    pub lose_acks: f64,
    /// Share of acks sent twice.
    #[arg(long, value_name = "RATE", default_value = "0", value_parser = units::share)]
    pub duplicate_acks: f64,
    /// Share of acks followed by an ack for a message id nobody sent.
    #[arg(long, value_name = "RATE", default_value = "0", value_parser = units::share)]
    pub ack_unknown: f64,
    /// Ack pushes of the usual writing at once, without judging or remembering them: the report counts them as messages and acks and knows
    /// nothing else of them, and no other knob matters to them.
    #[arg(long, value_name = "BOOL", default_value = "false", num_args = 0..=1, default_missing_value = "true",
          action = ArgAction::Set)]
    pub trusting: bool,
    /// Write and flush every answer by itself, instead of all that are due in one write.
    #[arg(long, value_name = "BOOL", default_value = "false", num_args = 0..=1, default_missing_value = "true",
          action = ArgAction::Set)]
    pub flush_each: bool,
    /// Most un-acked pushes a connection may have.
    #[arg(long, value_name = "N", default_value = "100", value_parser = clap::value_parser!(u32).range(1..))]
    pub window: u32,
    /// What happens to the push beyond the window, besides being a violation.
    #[arg(long, value_enum, default_value = "count")]
    pub over_window: OverWindow,
    /// Announce CONNECTION_DRAINING on each connection after it carried N pushes (0: never).
    #[arg(long, value_name = "N", default_value = "0")]
    pub drain_after: u64,
    /// How draining is announced: by the control message, by nacks of later pushes only, or by both.
    #[arg(long, value_enum, default_value = "control")]
    pub drain_mode: DrainMode,
    /// Time from the announcement to the close.
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = units::duration)]
    pub drain_close: Duration,
    /// Close a drained connection without answering what is pending.
    #[arg(long, value_name = "BOOL", default_value = "false", num_args = 0..=1, default_missing_value = "true",
          action = ArgAction::Set)]
    pub drain_abandon: bool,
    /// Close each connection after it carried N pushes, leaving what is pending unanswered (0: never).
    #[arg(long, value_name = "N", default_value = "0")]
    pub close_after: u64,
    /// How --close-after and POST /close end a connection.
    #[arg(long, value_enum, default_value = "fin")]
    pub close_style: CloseStyle,
    /// Stop reading and answering each connection after N pushes, with the socket left open (0: never).
    #[arg(long, value_name = "N", default_value = "0")]
    pub stall_after: u64,
    /// Read at most this many bytes per second from each connection (0: no limit).
    #[arg(long, value_name = "BYTES/s", default_value = "0", value_parser = units::bytes)]
    pub slow_read: u64,
    /// Refuse connections beyond N with a stream error (0: no limit).
    #[arg(long, value_name = "N", default_value = "0")]
    pub max_connections: usize,
    /// Refuse connections beyond N in a minute with a stream error (0: no limit; the real limit was 400).
    #[arg(long, value_name = "N", default_value = "0")]
    pub connection_rate: u32,
    /// Nack pushes to one device beyond N in a minute with DEVICE_MESSAGE_RATE_EXCEEDED (0: no limit; the real limit
    /// was 240).
    #[arg(long, value_name = "N", default_value = "0")]
    pub device_rate: u32,
    /// Refuse every login.
    #[arg(long, value_name = "BOOL", default_value = "false", num_args = 0..=1, default_missing_value = "true",
          action = ArgAction::Set)]
    pub auth_fail: bool,
    /// Form of the gcm element in what the double sends.
    #[arg(long, value_enum, default_value = "gcm")]
    pub prefix: Prefix,
    /// Time between white-space keepalives (0: none but the one after bind).
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = units::duration)]
    pub whitespace: Duration,
    /// Time between XMPP pings sent to the client (0: none).
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = units::duration)]
    pub ping: Duration,
    /// Time after which an upstream message without ack is sent again.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = units::duration)]
    pub upstream_timeout: Duration,
}

/// Order of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Order {
    /// In the order of the pushes.
    Fifo,
    /// Those due together in random order.
    Shuffled,
}

/// What a push beyond the window meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OverWindow {
    /// It is handled like any other.
    Count,
    /// The stream ends with `policy-violation`.
    Close,
    /// It is answered with `SERVICE_UNAVAILABLE`.
    Nack,
    /// The connection goes dead.
    Stall,
}

/// How draining is announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DrainMode {
    /// By the control message.
    Control,
    /// Only by answering later pushes with the nack `CONNECTION_DRAINING`.
    Nack,
    /// By the control message, and later pushes are nacked too.
    Both,
}

/// How a connection is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CloseStyle {
    /// TCP FIN without TLS close_notify.
    Fin,
    /// TCP RST.
    Rst,
    /// FIN in the middle of an ack.
    HalfStanza,
    /// Bytes that are no XML, then FIN.
    Garbage,
    /// A stream error, the end of the stream and close_notify.
    StreamError,
    /// The end of the stream and close_notify.
    Graceful,
}

/// Form of the `gcm` element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Prefix {
    /// `<gcm xmlns=…>`
    Gcm,
    /// `<data:gcm xmlns:data=…>`
    Data,
    /// One and the other in turn.
    Alternate,
}

impl Default for Knobs {
    fn default() -> Self {
        defaults()
    }
}

impl Knobs {
    /// Changes the named knobs and leaves the others; nothing changes on an error. Names may be written with `_` or `-`.
    ///
    /// # Errors
    /// [`KnobError`] when a name or value is not known.
    pub fn set<'a>(&mut self, pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Result<(), KnobError> {
        update(self, pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setting_one_knob_leaves_the_others() {
        let mut knobs = Knobs { jitter: Duration::from_millis(7), ..Knobs::default() };
        let expected = Knobs { latency: Duration::from_millis(5), lose_acks: 0.5, ..knobs.clone() };
        knobs.set([("latency", "5ms"), ("lose_acks", "0.5")].into_iter()).unwrap();
        assert_eq!(knobs, expected);
    }

    #[test]
    fn switches_can_be_turned_off_again() {
        let mut knobs = Knobs::default();
        knobs.set([("auth_fail", "true")].into_iter()).unwrap();
        assert!(knobs.auth_fail);
        knobs.set([("auth-fail", "false")].into_iter()).unwrap();
        assert_eq!(knobs, Knobs::default());
    }

    #[test]
    fn an_unknown_knob_or_value_changes_nothing_and_is_named() {
        let mut knobs = Knobs::default();
        let error = knobs.set([("latency", "5ms"), ("colour", "red")].into_iter()).unwrap_err();
        assert!(error.to_string().contains("--colour"), "{error}");
        let error = knobs.set([("window", "0")].into_iter()).unwrap_err();
        assert!(error.to_string().contains("--window"), "{error}");
        assert_eq!(knobs, Knobs::default());
    }
}
