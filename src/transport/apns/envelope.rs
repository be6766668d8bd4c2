//! A rendered push: what its request's headers need, in a compact form, and the payload behind it. Pure.
//!
//! The renderer writes it, the session reads it. All but the payload's bytes is text that fits into a header.

use super::kind::PushType;

/// The bytes before the texts: type, priority, and three lengths.
const FIXED: usize = 7;

/// What stands before the payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// `apns-push-type`.
    pub kind: PushType,
    /// `apns-priority`.
    pub priority: u8,
    /// The device's token, as the sender wrote it.
    pub token: &'a str,
    /// `apns-topic`.
    pub topic: &'a str,
    /// `apns-collapse-id`; empty for none.
    pub collapse: &'a str,
}

// === impl Envelope ===

impl<'a> Envelope<'a> {
    /// Appends it. Texts that are too long to be counted are cut, which the renderer's limits keep from happening.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.kind.number(), self.priority]);
        let (token, topic) = (cut(self.token, u16::MAX.into()), cut(self.topic, u16::MAX.into()));
        let collapse = cut(self.collapse, u8::MAX.into());
        out.extend_from_slice(&u16::try_from(token.len()).unwrap_or_default().to_be_bytes());
        out.extend_from_slice(&u16::try_from(topic.len()).unwrap_or_default().to_be_bytes());
        out.push(u8::try_from(collapse.len()).unwrap_or_default());
        for text in [token, topic, collapse] {
            out.extend_from_slice(text.as_bytes());
        }
    }

    /// Returns it and where the payload begins; `None` if it is none.
    pub fn read(bytes: &'a [u8]) -> Option<(Self, usize)> {
        let (fixed, texts) = bytes.split_at_checked(FIXED)?;
        let [kind, priority, token_high, token_low, topic_high, topic_low, collapse] = *fixed else {
            return None;
        };
        let long = |high, low| usize::from(u16::from_be_bytes([high, low]));
        let (token, rest) = texts.split_at_checked(long(token_high, token_low))?;
        let (topic, rest) = rest.split_at_checked(long(topic_high, topic_low))?;
        let (collapse, payload) = rest.split_at_checked(collapse.into())?;
        let text = |bytes: &'a [u8]| std::str::from_utf8(bytes).ok();
        let envelope = Self {
            kind: PushType::with_number(kind)?,
            priority,
            token: text(token)?,
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
            kind in 0..11_u8, priority in 0..=10_u8,
            token in "[0-9a-f]{0,300}", topic in "[a-z.]{0,200}", collapse in "[!-~]{0,64}", payload: Vec<u8>,
        ) {
            let kind = PushType::with_number(kind).unwrap();
            let envelope = Envelope { kind, priority, token: &token, topic: &topic, collapse: &collapse };
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
