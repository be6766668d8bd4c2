//! What a sender learns of one push that has ended, and its JSON. Pure.

use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use crate::outcome::Outcome;
use crate::push::{Addressee, PushKey, SenderId};

/// How a push ended. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its identity in the gateway and towards the provider.
    pub key: PushKey,
    /// The sender's own id, if one was given.
    pub name: Option<Box<str>>,
    /// Who sent it; not in the JSON, which only that sender gets.
    pub sender: SenderId,
    /// Its route's name; empty if the route is not known.
    pub route: Box<str>,
    /// Whom it was for, in full.
    pub to: Option<Addressee>,
    /// How it ended.
    pub outcome: Outcome,
    /// The provider's code of the last answer, if it had one.
    pub code: Option<Box<str>>,
    /// The provider's text, if there was one.
    pub detail: Option<Box<str>>,
    /// Since when the token is dead, if the provider said so.
    pub since: Option<u64>,
    /// The token that the app uses now, if the provider named it.
    pub canonical: Option<Box<str>>,
    /// Attempts that the provider saw or may have seen.
    pub attempts: u8,
    /// Whether an attempt ended without an answer, so that it may have arrived all the same.
    pub maybe_delivered: bool,
    /// When it was accepted.
    pub accepted_at: u64,
    /// When it ended.
    pub ended_at: u64,
}

/// A record and its place in the ring, as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbered<'a>(pub u64, pub &'a Record);

/// The id under which the sender knows a push: its own, or ours.
struct Id<'a>(&'a Record);

// === impl Record ===

impl Record {
    /// Returns the bytes that it occupies.
    pub fn cost(&self) -> u64 {
        let length = |text: &Option<Box<str>>| text.as_ref().map_or(0, |text| text.len());
        let texts = [&self.name, &self.code, &self.detail, &self.canonical].map(length);
        let to = self.to.as_ref().map_or(0, |to| to.as_str().len());
        (size_of::<Self>() + texts.iter().sum::<usize>() + to + self.route.len()) as u64
    }

    /// Returns whether the sender should forget the token.
    pub const fn delete_token(&self) -> bool {
        matches!(self.outcome, Outcome::Unregistered)
    }

    /// Writes the members of the JSON.
    fn members<S: SerializeStruct>(&self, out: &mut S) -> Result<(), S::Error> {
        out.serialize_field("id", &Id(self))?;
        out.serialize_field("message_id", &Text(self.key))?;
        out.serialize_field("route", &self.route)?;
        out.serialize_field("to", &self.to)?;
        out.serialize_field("outcome", &self.outcome)?;
        out.serialize_field("code", &self.code)?;
        out.serialize_field("detail", &self.detail)?;
        out.serialize_field("delete_token", &self.delete_token())?;
        out.serialize_field("unregistered_at_ms", &self.since.filter(|_| self.delete_token()))?;
        out.serialize_field("canonical_token", &self.canonical)?;
        out.serialize_field("attempts", &self.attempts)?;
        out.serialize_field("maybe_delivered", &self.maybe_delivered)?;
        out.serialize_field("accepted_at_ms", &self.accepted_at)?;
        out.serialize_field("ended_at_ms", &self.ended_at)
    }
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut out = out.serialize_struct("Record", 14)?;
        self.members(&mut out)?;
        out.end()
    }
}

// === impl Numbered ===

impl Serialize for Numbered<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut out = out.serialize_struct("Record", 15)?;
        out.serialize_field("sequence", &self.0)?;
        self.1.members(&mut out)?;
        out.end()
    }
}

// === impl Id ===

impl Serialize for Id<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match &self.0.name {
            Some(name) => out.serialize_str(name),
            None => Text(self.0.key).serialize(out),
        }
    }
}

/// A key's text.
struct Text(PushKey);

// === impl Text ===

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(&self.0)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    /// A record with this number as its key.
    pub(crate) fn record(number: u128) -> Record {
        Record {
            key: PushKey::from_u128(number),
            name: None,
            sender: SenderId::default(),
            route: "android".into(),
            to: Some(Addressee::Token("token".into())),
            outcome: Outcome::Rejected,
            code: Some("INVALID_JSON".into()),
            detail: None,
            since: None,
            canonical: None,
            attempts: 1,
            maybe_delivered: false,
            accepted_at: 1_000,
            ended_at: 1_020,
        }
    }

    #[test]
    fn the_json_has_what_a_sender_needs_to_clean_up() {
        let dead = Record {
            name: Some("mine".into()),
            outcome: Outcome::Unregistered,
            code: Some("DEVICE_UNREGISTERED".into()),
            since: Some(900),
            ..record(1)
        };
        let expected = json!({
            "sequence": 7, "id": "mine", "message_id": "00000000-0000-0000-0000-000000000001",
            "route": "android", "to": {"token": "token"}, "outcome": "unregistered",
            "code": "DEVICE_UNREGISTERED", "detail": null, "delete_token": true, "unregistered_at_ms": 900,
            "canonical_token": null, "attempts": 1, "maybe_delivered": false,
            "accepted_at_ms": 1_000, "ended_at_ms": 1_020,
        });
        assert_eq!(serde_json::to_value(Numbered(7, &dead)).unwrap(), expected);
        assert_eq!(serde_json::to_value(record(2)).unwrap()["id"], "00000000-0000-0000-0000-000000000002");
    }
}
