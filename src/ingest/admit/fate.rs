//! What becomes of each push of a request. Pure.
//!
//! Admission decides it, the answer and the log of refusals tell it. Invariant: a push has one fate, and that of an accepted one is small, since
//! a request may have thousands.

use std::borrow::Cow;

use crate::outcome::Refusal;
use crate::push::PushKey;

/// What became of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ingest) enum Fate<'a> {
    /// It holds a place.
    Accepted(PushId<'a>),
    /// It does not. Apart, because nearly all do and there is one fate for each push.
    Failed(Box<Failure<'a>>),
}

/// Why a push holds no place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ingest) struct Failure<'a> {
    /// Its identity, if it got that far.
    pub(in crate::ingest) id: Option<PushId<'a>>,
    /// Why, as a word.
    pub(in crate::ingest) reason: Refusal,
    /// The field it is about; empty if none.
    pub(in crate::ingest) field: Cow<'static, str>,
    /// Why, in words.
    pub(in crate::ingest) message: Cow<'static, str>,
}

/// The id under which the sender knows a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ingest) enum PushId<'a> {
    /// The sender's own.
    Name(Cow<'a, str>),
    /// Ours.
    Key(PushKey),
}
