//! The fields of a push as JSON has them. Pure; `check` turns them into a [`crate::push::PushRequest`].

use std::borrow::Cow;
use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// Text that is borrowed from the body unless it holds escapes. (serde would copy an `Option<Cow<str>>` always.)
#[derive(Debug, Clone)]
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

/// A push.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPush<'a> {
    #[serde(borrow, default)]
    pub(super) id: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) route: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) to: RawTarget<'a>,
    #[serde(borrow, default)]
    pub(super) priority: Option<Text<'a>>,
    #[serde(default)]
    pub(super) ttl: Option<u32>,
    #[serde(borrow, default)]
    pub(super) collapse_key: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) notification: Option<RawNotification<'a>>,
    #[serde(borrow, default)]
    pub(super) data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) provider: Option<&'a RawValue>,
}

/// Its `to`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTarget<'a> {
    #[serde(borrow, default)]
    pub(super) token: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) topic: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) condition: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) endpoint: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) p256dh: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) auth: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) channel: Option<Text<'a>>,
    #[serde(default)]
    pub(super) stored: Option<bool>,
}

/// Its `notification`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawNotification<'a> {
    #[serde(borrow, default)]
    pub(super) title: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) body: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) image: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) sound: Option<Text<'a>>,
    #[serde(default)]
    pub(super) badge: Option<u32>,
}

// === impl Text ===

impl Text<'_> {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_str(TextVisitor)
    }
}

struct TextVisitor;

// === impl TextVisitor ===

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Text(Cow::Owned(text.into())))
    }
}
