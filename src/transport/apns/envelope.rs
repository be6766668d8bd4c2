//! A rendered push: what its request's headers need, in a compact form, and the payload behind it. Pure.
//!
//! The renderer writes it, the session reads it. All but the payload's bytes is text that fits into a header.

use super::kind::PushType;

/// The bytes before the texts: type, priority, and three lengths.
const FIXED: usize = 7;

/// Beside the type's number: the push is for a channel, and stored.
const CHANNEL: u8 = 0x80;
const STORED: u8 = 0x40;

/// Whom a push is for, in the sender's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Address<'a> {
    /// A device's token.
    Device(&'a str),
    /// All who follow a channel.
    Channel {
        /// Its id.
        id: &'a str,
        /// Whether Apple keeps the push for those that cannot be reached now.
        is_stored: bool,
    },
}

/// What stands before the payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// `apns-push-type`.
    pub kind: PushType,
    /// `apns-priority`.
    pub priority: u8,
    /// Whom it is for.
    pub to: Address<'a>,
    /// `apns-topic`; of a broadcast, the bundle id.
    pub topic: &'a str,
    /// `apns-collapse-id`; empty for none.
    pub collapse: &'a str,
}

// === impl Envelope ===

impl<'a> Envelope<'a> {
    /// Appends it. Texts that are too long to be counted are cut, which the renderer's limits keep from happening.
    pub fn write(&self, out: &mut Vec<u8>) {
        let (text, flags) = match self.to {
            Address::Device(token) => (token, 0),
            Address::Channel { id, is_stored: false } => (id, CHANNEL),
            Address::Channel { id, is_stored: true } => (id, CHANNEL | STORED),
        };
        out.extend_from_slice(&[self.kind.number() | flags, self.priority]);
        let (text, topic) = (cut(text, u16::MAX.into()), cut(self.topic, u16::MAX.into()));
        let collapse = cut(self.collapse, u8::MAX.into());
        out.extend_from_slice(&u16::try_from(text.len()).unwrap_or_default().to_be_bytes());
        out.extend_from_slice(&u16::try_from(topic.len()).unwrap_or_default().to_be_bytes());
        out.push(u8::try_from(collapse.len()).unwrap_or_default());
        for text in [text, topic, collapse] {
            out.extend_from_slice(text.as_bytes());
        }
    }

    /// Returns it and where the payload begins; `None` if it is none.
    pub fn read(bytes: &'a [u8]) -> Option<(Self, usize)> {
        let (fixed, texts) = bytes.split_at_checked(FIXED)?;
        let [kind, priority, text_high, text_low, topic_high, topic_low, collapse] = *fixed else {
            return None;
        };
        let long = |high, low| usize::from(u16::from_be_bytes([high, low]));
        let (name, rest) = texts.split_at_checked(long(text_high, text_low))?;
        let (topic, rest) = rest.split_at_checked(long(topic_high, topic_low))?;
        let (collapse, payload) = rest.split_at_checked(collapse.into())?;
        let text = |bytes: &'a [u8]| std::str::from_utf8(bytes).ok();
        let envelope = Self {
            kind: PushType::with_number(kind & !(CHANNEL | STORED))?,
            priority,
            to: match kind & CHANNEL {
                0 => Address::Device(text(name)?),
                _ => Address::Channel { id: text(name)?, is_stored: kind & STORED != 0 },
            },
            topic: text(topic)?,
            collapse: text(collapse)?,
        };
        Some((envelope, bytes.len() - payload.len()))
    }
}

fn cut(text: &str, limit: usize) -> &str {
    text.get(..limit).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            kind in 0..11_u8, priority in 0..=10_u8, channel: Option<bool>,
            name in "[0-9a-f]{0,300}", topic in "[a-z.]{0,200}", collapse in "[!-~]{0,64}", payload: Vec<u8>,
        ) {
            let kind = PushType::with_number(kind).unwrap();
            let to = match channel {
                None => Address::Device(&name),
                Some(is_stored) => Address::Channel { id: &name, is_stored },
            };
            let envelope = Envelope { kind, priority, to, topic: &topic, collapse: &collapse };
            let mut bytes = Vec::new();
            envelope.write(&mut bytes);
            let start = bytes.len();
            bytes.extend(payload);
            prop_assert_eq!(Envelope::read(&bytes), Some((envelope, start)));
            prop_assert_eq!(Envelope::read(&bytes[..start.saturating_sub(1)]), None);
        }

        #[test]
        fn no_bytes_are_too_strange(bytes: Vec<u8>) {
            let _ = Envelope::read(&bytes);
        }
    }
}
