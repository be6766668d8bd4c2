//! How one attempt went ([`Verdict`]), how a push ended ([`Outcome`]), and why one was never taken ([`Refusal`]).

use std::time::Duration;

use serde::Serialize;

/// The one way in which an accepted push ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The provider took it.
    Delivered,
    /// The provider refused it for good.
    Rejected,
    /// The provider says that the token is dead.
    Unregistered,
    /// Its deadline passed first.
    Expired,
    /// It used up its attempts.
    Exhausted,
    /// A newer push with the same route, target and collapse key made it needless.
    Coalesced,
    /// The full buffer's policy dropped it.
    Shed,
    /// An actor's crash destroyed it; the target is none, ever.
    Lost,
}

/// Why a push was never accepted (`refused_*`) or shed at the door (`shed_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// A field is missing, unknown or has a value that is not allowed.
    RefusedInvalid,
    /// The rendered payload is over the provider's limit.
    RefusedTooLarge,
    /// No route has that name.
    RefusedUnknownRoute,
    /// The service is draining.
    RefusedDraining,
    /// The route is paused by an operator.
    RefusedPaused,
    /// The route's supervisor gave up.
    RefusedRouteDown,
    /// A push with the same id is being admitted.
    RefusedDuplicate,
    /// What waits before it will take longer than it lives.
    RefusedDeadline,
    /// It is for one peer more than its route may have connections to.
    RefusedPeerLimit,
    /// The buffer is full and keeps what it has, or the bounded intake is full.
    ShedBufferFull,
}

/// What the provider said about a push, in its own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The provider's code, such as `DEVICE_UNREGISTERED`.
    pub code: Box<str>,
    /// The provider's free text, empty if there was none; bounded by the transport.
    pub detail: Box<str>,
    /// Since when it is so, if the provider says that: milliseconds since 1970.
    pub since: Option<u64>,
}

/// Whom a limit of the provider concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// One device or topic, whose own rate was exceeded.
    Target,
    /// Everything the route sends: a quota.
    Route,
    /// Everything the route sends, until an operator repairs its credentials or its project.
    Setup,
}

/// The result of one attempt. What follows from it is `feedback`'s decision alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Taken. The token the app uses now, if the provider named another.
    Delivered {
        /// The canonical token.
        canonical: Option<Box<str>>,
    },
    /// Refused for good.
    Rejected(Box<Answer>),
    /// The token is dead.
    Unregistered(Box<Answer>),
    /// Not now: the provider is in trouble; try again after a back-off, no sooner than `after`.
    Retry {
        /// The provider's words.
        answer: Box<Answer>,
        /// The least delay the provider asked for.
        after: Option<Duration>,
    },
    /// The provider broke the attempt off and may have taken the push all the same; try again as after [`Verdict::Retry`].
    BrokenOff {
        /// The provider's words.
        answer: Box<Answer>,
        /// The least delay the provider asked for.
        after: Option<Duration>,
    },
    /// Certainly not taken, by no fault of the push and though the provider is well: a limit or a refusal that holds for all pushes of
    /// `scope`, which are better not sent before `after` has passed.
    Limited {
        /// The provider's words.
        answer: Box<Answer>,
        /// How long it lasts.
        after: Duration,
        /// Whom it concerns.
        scope: Scope,
    },
    /// Certainly not processed, for the reason that the code names; send it at once elsewhere, and the attempt does not count.
    Elsewhere(&'static str),
    /// No answer will come: the connection ended or the answer is overdue; the provider may have it.
    Unanswered,
}

/// The most bytes of a provider's code and of its text that are kept.
const MAX_CODE: usize = 64;
const MAX_DETAIL: usize = 256;

// === impl Answer ===

impl Answer {
    /// Returns an answer in these words, which may be cut.
    pub fn new(code: &str, detail: &str) -> Self {
        Self { code: bounded(code, MAX_CODE), detail: bounded(detail, MAX_DETAIL), since: None }
    }
}

/// Returns at most `limit` bytes of `text`, cut between characters.
pub fn bounded(text: &str, limit: usize) -> Box<str> {
    let end = (0..=limit.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text[..end.unwrap_or_default()].into()
}

// === impl Verdict ===

impl Verdict {
    /// XMPP: the server closes the connection and takes nothing more on it.
    pub const CONNECTION_DRAINING: Self = Self::Elsewhere("CONNECTION_DRAINING");
    /// HTTP/2: the peer refused the stream before it looked at it (RFC 9113 section 8.7).
    pub const REFUSED_STREAM: Self = Self::Elsewhere("REFUSED_STREAM");
    /// HTTP/2: the peer is going away and has not looked at this stream (RFC 9113 section 6.8).
    pub const GOAWAY: Self = Self::Elsewhere("GOAWAY");
    /// The connection closed, paused or was full for too long, and none of the push was sent.
    pub const NOT_SENT: Self = Self::Elsewhere("NOT_SENT");
    /// The credentials that it was sent with are too old, and have been replaced.
    pub const CREDENTIALS_REPLACED: Self = Self::Elsewhere("CREDENTIALS_REPLACED");
}

// === impl Outcome ===

impl Outcome {
    /// All outcomes, in the ledger's order.
    pub const ALL: [Self; 8] = [
        Self::Delivered,
        Self::Rejected,
        Self::Unregistered,
        Self::Expired,
        Self::Exhausted,
        Self::Coalesced,
        Self::Shed,
        Self::Lost,
    ];

    /// Returns its name as in the JSON and the metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Rejected => "rejected",
            Self::Unregistered => "unregistered",
            Self::Expired => "expired",
            Self::Exhausted => "exhausted",
            Self::Coalesced => "coalesced",
            Self::Shed => "shed",
            Self::Lost => "lost",
        }
    }
}

// === impl Refusal ===

impl Refusal {
    /// Returns its name as in `failed[].reason`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RefusedInvalid => "refused_invalid",
            Self::RefusedTooLarge => "refused_too_large",
            Self::RefusedUnknownRoute => "refused_unknown_route",
            Self::RefusedDraining => "refused_draining",
            Self::RefusedPaused => "refused_paused",
            Self::RefusedRouteDown => "refused_route_down",
            Self::RefusedDuplicate => "refused_duplicate",
            Self::RefusedDeadline => "refused_deadline",
            Self::RefusedPeerLimit => "refused_peer_limit",
            Self::ShedBufferFull => "shed_buffer_full",
        }
    }
}
