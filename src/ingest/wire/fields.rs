//! The fields of a push as JSON has them. Pure; `check` turns them into a [`crate::push::PushRequest`].
//! What is refused here `diagnose` explains.

use std::borrow::Cow;

use crate::push::RawJson;
use crate::transport::json::{Reader, Seen};

/// Text that is borrowed from the body unless it holds escapes.
#[derive(Debug)]
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

/// A push.
#[derive(Debug, Default)]
pub(super) struct RawPush<'a> {
    pub(super) id: Option<Text<'a>>,
    pub(super) route: Option<Text<'a>>,
    pub(super) to: RawTarget<'a>,
    pub(super) priority: Option<Text<'a>>,
    pub(super) ttl: Option<u32>,
    pub(super) collapse_key: Option<Text<'a>>,
    pub(super) notification: Option<RawNotification<'a>>,
    pub(super) data: Option<RawJson<'a>>,
    pub(super) provider: Option<RawJson<'a>>,
}

/// Its `to`.
#[derive(Debug, Default)]
pub(super) struct RawTarget<'a> {
    pub(super) token: Option<Text<'a>>,
    pub(super) topic: Option<Text<'a>>,
    pub(super) condition: Option<Text<'a>>,
    pub(super) endpoint: Option<Text<'a>>,
    pub(super) p256dh: Option<Text<'a>>,
    pub(super) auth: Option<Text<'a>>,
    pub(super) channel: Option<Text<'a>>,
    pub(super) stored: Option<bool>,
}

/// Its `notification`.
#[derive(Debug, Default)]
pub(super) struct RawNotification<'a> {
    pub(super) title: Option<Text<'a>>,
    pub(super) body: Option<Text<'a>>,
    pub(super) image: Option<Text<'a>>,
    pub(super) sound: Option<Text<'a>>,
    pub(super) badge: Option<u32>,
}

/// The number of a push's `to`, which it must have.
const TO: u32 = 2;

/// An object that is being read, each member at most once.
struct Members<'r, 'a> {
    input: &'r mut Reader<'a>,
    seen: &'r mut Seen,
}

// === impl Members ===

impl<'a> Members<'_, 'a> {
    /// Reads the member with this number of ours; `null` is as if it were not there.
    #[inline]
    fn set<T>(
        self,
        number: u32,
        slot: &mut Option<T>,
        read: impl FnOnce(&mut Reader<'a>) -> Option<T>,
    ) -> Option<()> {
        self.seen.first(number)?;
        *slot = self.input.optional(read)?;
        Some(())
    }

    fn text(self, number: u32, slot: &mut Option<Text<'a>>) -> Option<()> {
        self.set(number, slot, |input| input.text().map(Text))
    }

    fn raw_object(self, number: u32, slot: &mut Option<RawJson<'a>>) -> Option<()> {
        self.set(number, slot, |input| {
            let value = input.value()?;
            value.starts_with('{').then_some(RawJson::of_read(value))
        })
    }
}

// === impl RawPush ===

impl<'a> RawPush<'a> {
    /// Reads a push fast, into an empty one.
    pub(super) fn read(&mut self, input: &mut Reader<'a>) -> Option<()> {
        let mut seen = Seen::default();
        input.object(|input, name| {
            let member = Members { input, seen: &mut seen };
            match name {
                "id" => member.text(0, &mut self.id),
                "route" => member.text(1, &mut self.route),
                "to" => {
                    member.seen.first(TO)?;
                    self.to.read(member.input)
                }
                "priority" => member.text(3, &mut self.priority),
                "ttl" => member.set(4, &mut self.ttl, Reader::number),
                "collapse_key" => member.text(5, &mut self.collapse_key),
                "notification" => member.set(6, &mut self.notification, RawNotification::read),
                "data" => member.raw_object(7, &mut self.data),
                "provider" => member.raw_object(8, &mut self.provider),
                _ => None,
            }
        })?;
        seen.has(TO).then_some(())
    }
}

// === impl RawTarget ===

impl<'a> RawTarget<'a> {
    fn read(&mut self, input: &mut Reader<'a>) -> Option<()> {
        let mut seen = Seen::default();
        input.object(|input, name| {
            let member = Members { input, seen: &mut seen };
            match name {
                "token" => member.text(0, &mut self.token),
                "topic" => member.text(1, &mut self.topic),
                "condition" => member.text(2, &mut self.condition),
                "endpoint" => member.text(3, &mut self.endpoint),
                "p256dh" => member.text(4, &mut self.p256dh),
                "auth" => member.text(5, &mut self.auth),
                "channel" => member.text(6, &mut self.channel),
                "stored" => member.set(7, &mut self.stored, Reader::flag),
                _ => None,
            }
        })
    }
}

// === impl RawNotification ===

impl<'a> RawNotification<'a> {
    fn read(input: &mut Reader<'a>) -> Option<Self> {
        let (mut shown, mut seen) = (Self::default(), Seen::default());
        input.object(|input, name| {
            let member = Members { input, seen: &mut seen };
            match name {
                "title" => member.text(0, &mut shown.title),
                "body" => member.text(1, &mut shown.body),
                "image" => member.text(2, &mut shown.image),
                "sound" => member.text(3, &mut shown.sound),
                "badge" => member.set(4, &mut shown.badge, Reader::number),
                _ => None,
            }
        })?;
        Some(shown)
    }
}

// === impl Text ===

impl Text<'_> {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}
