//! Whom a rendered payload is for, read back from it when the push has ended without being delivered. Pure.

use std::borrow::Cow;

use serde::Deserialize;

use super::{SECONDS_LEFT, UNIX_END};
use crate::push::Addressee;

/// The members that say it; exactly one is there.
#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow, default)]
    token: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    topic: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    condition: Option<Cow<'a, str>>,
}

/// Returns whom the members that [`super::render`] wrote are for; `None` if it did not write them.
pub fn addressee(payload: &[u8]) -> Option<Addressee> {
    let marks = |byte: u8| matches!(byte, SECONDS_LEFT | UNIX_END);
    let mut json = Vec::with_capacity(payload.len() + 2);
    json.push(b'{');
    // Any character that may stand in a string does.
    json.extend(payload.iter().map(|byte| if marks(*byte) { b'0' } else { *byte }));
    json.push(b'}');
    let Members { token, topic, condition } = serde_json::from_slice(&json).ok()?;
    match (token, topic, condition) {
        (Some(token), ..) => Some(Addressee::Token(token.into())),
        (None, Some(topic), _) => Some(Addressee::Topic(topic.into())),
        (None, None, Some(condition)) => Some(Addressee::Condition(condition.into())),
        (None, None, None) => None,
    }
}
