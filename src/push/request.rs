//! A push as the sender wrote it, borrowed from the request body (`CONTRACT`: Ingest HTTP).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Lane;

/// What a sender asks for; checked by `ingest`, rendered by the route's transport.
#[derive(Debug, Clone)]
pub struct PushRequest<'a> {
    /// The sender's id, 1 to 128 visible ASCII characters.
    pub id: Option<Cow<'a, str>>,
    /// The route's name; may be missing when exactly one is configured.
    pub route: Option<Cow<'a, str>>,
    /// Whom it is for.
    pub to: Target<'a>,
    /// Its lane.
    pub priority: Lane,
    /// Seconds, 0 to 2,419,200.
    pub ttl: Option<u32>,
    /// Pushes with the same key replace each other on the device.
    pub collapse_key: Option<Cow<'a, str>>,
    /// What the device shows.
    pub notification: Option<Notification<'a>>,
    /// A JSON object for the app.
    pub data: Option<RawJson<'a>>,
    /// A JSON object of raw fields, merged last into the provider's payload.
    pub provider: Option<RawJson<'a>>,
}

/// A JSON value as it is written, borrowed; whoever makes one has read it as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawJson<'a>(&'a str);

/// Whom a push is for. Exactly one of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target<'a> {
    /// A device's registration token.
    Token(Cow<'a, str>),
    /// A topic's name (without `/topics/`).
    Topic(Cow<'a, str>),
    /// A condition over topics.
    Condition(Cow<'a, str>),
    /// A Web Push subscription.
    WebPush {
        /// The subscription's URL.
        endpoint: Cow<'a, str>,
        /// The client's public key, base64url.
        p256dh: Cow<'a, str>,
        /// The client's authentication secret, base64url.
        auth: Cow<'a, str>,
    },
    /// All devices that follow a channel of Live Activities.
    Channel {
        /// The channel's id.
        id: Cow<'a, str>,
        /// Whether devices that cannot be reached now are to get it later, which the channel must allow.
        is_stored: bool,
    },
}

/// Whom a push was for, in a result: the sender's words again, without what only encryption needs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Addressee {
    /// See [`Target::Token`].
    Token(Box<str>),
    /// See [`Target::Topic`].
    Topic(Box<str>),
    /// See [`Target::Condition`].
    Condition(Box<str>),
    /// The URL of [`Target::WebPush`].
    Endpoint(Box<str>),
    /// The id of [`Target::Channel`].
    Channel(Box<str>),
}

// === impl RawJson ===

impl<'a> RawJson<'a> {
    /// Takes text that is one JSON value and nothing else.
    pub const fn of_read(text: &'a str) -> Self {
        Self(text)
    }

    /// Returns the text.
    pub const fn get(self) -> &'a str {
        self.0
    }
}

impl<'a> From<&'a RawValue> for RawJson<'a> {
    fn from(value: &'a RawValue) -> Self {
        Self(value.get())
    }
}

// === impl Addressee ===

impl Addressee {
    /// Returns its text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Token(text)
            | Self::Topic(text)
            | Self::Condition(text)
            | Self::Endpoint(text)
            | Self::Channel(text) => text,
        }
    }
}

/// What the device shows; rendered into each provider's own fields.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notification<'a> {
    /// First line.
    #[serde(borrow, default)]
    pub title: Option<Cow<'a, str>>,
    /// Text.
    #[serde(borrow, default)]
    pub body: Option<Cow<'a, str>>,
    /// URL of a picture.
    #[serde(borrow, default)]
    pub image: Option<Cow<'a, str>>,
    /// Name of a sound.
    #[serde(borrow, default)]
    pub sound: Option<Cow<'a, str>>,
    /// Number on the app's icon.
    #[serde(default)]
    pub badge: Option<u32>,
}
