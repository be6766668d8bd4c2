//! The table of device tokens that choose their own answer.
//!
//! The session looks a push's target up before it draws from the knobs. The table is part of the command's help, as
//! [`TOKEN_TABLE`].

use std::time::Duration;

/// The table as shown by `--help`.
pub const TOKEN_TABLE: &str = "\
Device tokens that choose their own answer (anything else follows the knobs):
  unregistered-…         nack DEVICE_UNREGISTERED
  bad-…                  nack BAD_REGISTRATION
  canonical-REST         ack with registration_id current-REST
  nack-CODE-…            nack with that code, each time (unknown codes too)
  nack-once-CODE-…       nack with that code the first time a message id is seen, then ack
  bare-CODE-…            nack with that code and without error_description
  lost-…                 no answer, ever; the push counts as delivered
  lost-once-…            no answer the first time a message id is seen, then ack
  twice-…                two acks
  slow-MILLIS-…          ack after that many milliseconds instead of --latency";

/// What a token asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Script<'a> {
    /// A nack.
    Nack {
        /// The code.
        code: &'a str,
        /// Only the first time a message id is seen.
        once: bool,
        /// Whether `error_description` is there.
        described: bool,
    },
    /// An ack with `registration_id`: `current-` and this.
    Canonical(&'a str),
    /// No answer.
    Lost {
        /// Only the first time a message id is seen.
        once: bool,
    },
    /// Two acks.
    Twice,
    /// An ack after a time of its own.
    Slow(Duration),
}

impl<'a> Script<'a> {
    /// Returns what the token asks for, or nothing for an ordinary token.
    #[must_use]
    pub fn of(token: &'a str) -> Option<Self> {
        let after = |head: &str| token.strip_prefix(head);
        let nack = |code, once, described| Some(Self::Nack { code, once, described });
        if after("unregistered-").is_some() {
            nack("DEVICE_UNREGISTERED", false, true)
        } else if after("bad-").is_some() {
            nack("BAD_REGISTRATION", false, true)
        } else if let Some(rest) = after("canonical-") {
            Some(Self::Canonical(rest))
        } else if let Some(rest) = after("nack-once-") {
            nack(code(rest)?, true, true)
        } else if let Some(rest) = after("nack-") {
            nack(code(rest)?, false, true)
        } else if let Some(rest) = after("bare-") {
            nack(code(rest)?, false, false)
        } else if let Some(rest) = after("lost-") {
            Some(Self::Lost { once: rest.starts_with("once-") })
        } else if after("twice-").is_some() {
            Some(Self::Twice)
        } else {
            let millis = after("slow-")?.split('-').next()?.parse().ok()?;
            Some(Self::Slow(Duration::from_millis(millis)))
        }
    }
}

fn code(rest: &str) -> Option<&str> {
    let code = rest.split('-').next()?;
    let plausible = !code.is_empty() && code.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    plausible.then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_choose_their_answer() {
        let nack = |code, once, described| Some(Script::Nack { code, once, described });
        let cases = [
            ("unregistered-1", nack("DEVICE_UNREGISTERED", false, true)),
            ("bad-", nack("BAD_REGISTRATION", false, true)),
            ("canonical-a-b", Some(Script::Canonical("a-b"))),
            ("nack-SERVICE_UNAVAILABLE-9", nack("SERVICE_UNAVAILABLE", false, true)),
            ("nack-once-INTERNAL_SERVER_ERROR-9", nack("INTERNAL_SERVER_ERROR", true, true)),
            ("bare-NEW_CODE", nack("NEW_CODE", false, false)),
            ("lost-1", Some(Script::Lost { once: false })),
            ("lost-once-1", Some(Script::Lost { once: true })),
            ("twice-1", Some(Script::Twice)),
            ("slow-250-x", Some(Script::Slow(Duration::from_millis(250)))),
        ];
        for (token, expected) in cases {
            assert_eq!(Script::of(token), expected, "{token}");
        }
    }

    #[test]
    fn ordinary_tokens_follow_the_knobs() {
        for token in ["", "device-1", "nack-lower-1", "nack--1", "slow-x", "unregistered", "APA91b-nack-X-1"]
        {
            assert_eq!(Script::of(token), None, "{token}");
        }
    }
}
