//! Why senders' requests are refused: counted by reason, and told in the log for each reason and sender at most every ten seconds.
//!
//! `http` notes each refused request, `app` asks once a second for lines that are due. Requests of which every push is taken never come
//! here. Invariant: a line holds no payload and no token of a device or sender; see [`shown`].

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::push::SenderId;
use crate::units::Moment;

/// The time between two lines of a reason and a sender.
const PAUSE: Duration = Duration::from_secs(10);
/// Reasons and senders that are told apart; what is beyond is counted, and has no lines.
const KINDS: usize = 1_024;
/// Longest word of a detail, in characters: field paths are shorter, tokens are longer.
const WORD: usize = 40;
/// Longest detail, in characters.
const DETAIL: usize = 200;

/// The reasons there are: for a request as a whole, or for the first of its pushes that is refused.
pub const REASONS: [&str; 21] = [
    "invalid_push",
    "invalid_query",
    "body_broken",
    "body_too_slow",
    "body_too_large",
    "too_many_pushes",
    "unsupported_media_type",
    "token_missing",
    "token_wrong",
    "not_found",
    "method_not_allowed",
    "refused_invalid",
    "refused_too_large",
    "refused_unknown_route",
    "refused_draining",
    "refused_paused",
    "refused_route_down",
    "refused_duplicate",
    "refused_deadline",
    "refused_peer_limit",
    "shed_buffer_full",
];

/// Why a request, or a push of it, was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// One of [`REASONS`].
    pub reason: &'static str,
    /// What the sender is told, in words.
    pub detail: String,
}

/// Who sent a request: by its token, if it has a right one, and from where.
pub type From = (Option<SenderId>, Option<IpAddr>);

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    reason: &'static str,
    status: u16,
    count: u64,
    from: From,
    detail: String,
}

#[derive(Debug)]
struct Kind {
    told_at: Moment,
    /// The first since then, and how many there were.
    waiting: Option<Line>,
}

/// What was refused.
#[derive(Debug, Default)]
pub struct Refusals {
    counts: [AtomicU64; REASONS.len()],
    kinds: Mutex<HashMap<(&'static str, Option<SenderId>), Kind>>,
}

// === impl Refusals ===

impl Refusals {
    /// Counts a refused request, and returns the line about it if it is time for one.
    pub fn note(&self, refused: &Refused, status: u16, from: From, now: Moment) -> Option<Line> {
        let position = REASONS.iter().position(|reason| *reason == refused.reason);
        debug_assert!(position.is_some(), "{refused:?}");
        self.counts[position?].fetch_add(1, Ordering::Relaxed);
        let line = || {
            let detail = shown(&refused.detail);
            Line { reason: refused.reason, status, count: 1, from, detail }
        };
        let mut kinds = self.kinds.lock();
        let room = kinds.len() < KINDS;
        match kinds.get_mut(&(refused.reason, from.0)) {
            Some(Kind { waiting: Some(waiting), .. }) => waiting.count += 1,
            Some(kind) if now.since(kind.told_at) < PAUSE => kind.waiting = Some(line()),
            Some(kind) => {
                kind.told_at = now;
                return Some(line());
            }
            None if room => {
                kinds.insert((refused.reason, from.0), Kind { told_at: now, waiting: None });
                return Some(line());
            }
            None => {}
        }
        None
    }

    /// Returns the lines that are due; to be called about once a second.
    pub fn due(&self, now: Moment) -> Vec<Line> {
        let mut due = Vec::new();
        self.kinds.lock().retain(|_, kind| {
            if now.since(kind.told_at) < PAUSE {
                return true;
            }
            kind.told_at = now;
            let line = kind.waiting.take();
            let is_alive = line.is_some();
            due.extend(line);
            is_alive
        });
        due
    }

    /// Returns how many requests were refused for each reason.
    pub fn counts(&self) -> Vec<(&'static str, u64)> {
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed));
        REASONS.into_iter().zip(counts).collect()
    }
}

// === impl Line ===

impl Line {
    /// Writes it to the log.
    pub fn log(&self) {
        log::warn!("{self}");
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reason, status, count, from: (sender, from), detail } = self;
        write!(f, "senders' requests refused reason={reason} status={status} count={count}")?;
        match sender {
            Some(sender) => write!(f, " sender={}", sender.0)?,
            None => f.write_str(" sender=-")?,
        }
        if let Some(from) = from {
            write!(f, " from={from}")?;
        }
        write!(f, " first={detail:?}")
    }
}

/// Returns a detail as it may be logged: words that are long enough to be a token are left out, and so is quoted text of several words.
fn shown(detail: &str) -> String {
    let mut shown = String::with_capacity(detail.len());
    let mut rest = detail;
    while let Some((before, quoted)) = rest.split_once('"') {
        words(&mut shown, before);
        let mut is_escaped = false;
        let end = quoted.find(|letter| {
            let ends = letter == '"' && !is_escaped;
            is_escaped = letter == '\\' && !is_escaped;
            ends
        });
        let (text, behind) = quoted.split_at(end.unwrap_or(quoted.len()));
        shown.push('"');
        if text.contains(' ') {
            shown.push('…')
        } else {
            words(&mut shown, text)
        }
        shown += if end.is_some() { "\"" } else { "" };
        rest = behind.strip_prefix('"').unwrap_or_default();
    }
    words(&mut shown, rest);
    if let Some((end, _)) = shown.char_indices().nth(DETAIL) {
        shown.truncate(end);
        shown.push('…');
    }
    shown
}

fn words(shown: &mut String, text: &str) {
    for (index, word) in text.split(' ').enumerate() {
        shown.push_str(if index > 0 { " " } else { "" });
        shown.push_str(if word.chars().count() > WORD { "…" } else { word });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HERE: From = (Some(SenderId(2)), None);

    fn refused(detail: &str) -> Refused {
        Refused { reason: "invalid_push", detail: detail.to_owned() }
    }

    fn at(seconds: u64) -> Moment {
        Moment::default().after(Duration::from_secs(seconds))
    }

    #[test]
    fn a_reason_and_sender_is_told_at_once_and_then_every_ten_seconds_with_the_count() {
        let refusals = Refusals::default();
        let from = (Some(SenderId(2)), Some(IpAddr::from([10, 0, 0, 7])));
        let mut lines = Vec::new();
        for second in 0..25 {
            for number in 0..100 {
                lines.extend(refusals.note(&refused(&format!("number {number}")), 400, from, at(second)));
            }
            lines.extend(refusals.due(at(second)));
        }
        assert!(refusals.note(&refused("another"), 400, (None, None), at(24)).is_some(), "another sender");
        lines.extend(refusals.due(at(40)));
        assert_eq!(lines.iter().map(|line| line.count).collect::<Vec<_>>(), [1, 1_099, 1_000, 400]);
        let text = "senders' requests refused reason=invalid_push status=400 count=1 sender=2 from=10.0.0.7 first=\"number 0\"";
        assert_eq!(lines[0].to_string(), text);
        assert_eq!(refusals.counts()[0], ("invalid_push", 2_501));
        assert!(refusals.due(at(60)).is_empty() && refusals.kinds.lock().is_empty());
    }

    #[test]
    fn what_is_shown_of_a_detail_is_no_token_and_no_text() {
        let token = "dGhpcy1pcy1hLWRldmljZS10b2tlbi1vZi1zb21lYm9keQ";
        for (detail, expected) in [
            ("pushes[3].to.token: must not be empty (hint: x)", None),
            ("route: there is no route \"andriod\" (hint: there is android)", None),
            (&format!("to.{token}: is unknown"), Some("… is unknown")),
            (&format!("there is no route {token:?}"), Some("there is no route \"…\"")),
            (
                "invalid type: string \"Hello you there\", expected u32",
                Some("invalid type: string \"…\", expected u32"),
            ),
            ("a \"he said \\\"no way\\\" to me\" b", Some("a \"…\" b")),
            ("cut \"in the middle", Some("cut \"…")),
        ] {
            assert_eq!(shown(detail), expected.unwrap_or(detail));
        }
        assert_eq!(shown(&"word ".repeat(100)).chars().count(), DETAIL + 1);
    }

    proptest! {
        #[test]
        fn every_refusal_is_counted_and_told_once(steps in prop::collection::vec((0..21_usize, 0..4_u16, 0..9_000_u64), 1..200)) {
            let refusals = Refusals::default();
            let (mut now, mut told) = (Moment::default(), 0);
            for (reason, sender, pause) in &steps {
                now = now.after(Duration::from_millis(*pause));
                let refused = Refused { reason: REASONS[*reason], detail: String::new() };
                let line = refusals.note(&refused, 400, (Some(SenderId(*sender)), None), now);
                told += line.map_or(0, |line| line.count);
                told += refusals.due(now).iter().map(|line| line.count).sum::<u64>();
            }
            told += refusals.due(now.after(PAUSE)).iter().map(|line| line.count).sum::<u64>();
            prop_assert_eq!(told, steps.len() as u64);
            prop_assert_eq!(refusals.counts().iter().map(|(_, count)| count).sum::<u64>(), told);
        }

        #[test]
        fn any_detail_can_be_shown(detail in "[\"a-zé ]{0,300}") {
            prop_assert!(shown(&detail).chars().count() <= DETAIL + 1);
        }
    }

    #[test]
    fn senders_beyond_the_bound_are_counted() {
        let refusals = Refusals::default();
        for sender in 0..2_000 {
            refusals.note(&refused(""), 400, (Some(SenderId(sender)), None), at(0));
        }
        assert!(refusals.note(&refused(""), 400, HERE, at(11)).is_some());
        assert_eq!((refusals.kinds.lock().len(), refusals.counts()[0].1), (KINDS, 2_001));
    }
}
