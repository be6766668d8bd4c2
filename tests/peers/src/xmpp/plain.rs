//! The usual writing of a message: `<message id="…"><gcm xmlns="google:mobile:data">TEXT</gcm></message>`, read without a tree.
//!
//! The framer tries it before it looks for tags one by one, since nearly every stanza of a client is written so. Invariant: the general
//! way cuts the same stanza and finds the same id and text in it; every other writing is left to that.

use memchr::memchr;

/// The most bytes of an id that are looked at.
const ID_LIMIT: usize = 64;

const GCM: &[u8] = b"><gcm xmlns=\"google:mobile:data\">";

/// A message's parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plain<'a> {
    /// All of it.
    pub stanza: &'a [u8],
    /// Its id, which is ASCII; empty when it has none.
    pub id: &'a [u8],
    /// The text of its `gcm` element, references and all.
    pub text: &'a [u8],
}

impl<'a> Plain<'a> {
    /// Returns the message at the start of `bytes`; nothing for any other writing, and while its end is not there.
    #[must_use]
    #[inline]
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(b"<message")?;
        let (id, rest) = match rest.strip_prefix(b" id=\"") {
            None => (&b""[..], rest),
            Some(rest) => {
                let end = memchr(b'"', &rest[..rest.len().min(ID_LIMIT)])?;
                (Some(&rest[..end]).filter(|id| is_plain(id))?, &rest[end + 1..])
            }
        };
        let rest = rest.strip_prefix(GCM)?;
        let (text, rest) = rest.split_at(memchr(b'<', rest)?);
        let after = rest.strip_prefix(b"</gcm></message>")?;
        Some(Self { stanza: &bytes[..bytes.len() - after.len()], id, text })
    }
}

/// Returns whether an id stands for itself.
fn is_plain(id: &[u8]) -> bool {
    // One look at all of it, so that the compiler can take many bytes at once.
    id.iter().fold(true, |plain, b| plain & b.is_ascii_graphic() & !matches!(b, b'&' | b'<' | b'\''))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_writing_is_taken_apart_and_what_follows_it_left() {
        let usual = "<message id=\"1\"><gcm xmlns=\"google:mobile:data\">{&amp;}</gcm></message>";
        let plain = Plain { stanza: usual.as_bytes(), id: b"1", text: b"{&amp;}" };
        assert_eq!(Plain::read(format!("{usual}<message").as_bytes()), Some(plain));
        for end in 0..usual.len() {
            assert_eq!(Plain::read(&usual.as_bytes()[..end]), None, "{end}");
        }
        let bare = usual.replace(" id=\"1\"", "");
        assert_eq!(Plain::read(bare.as_bytes()).map(|plain| plain.id), Some(&b""[..]));
    }

    #[test]
    fn any_other_writing_is_left_to_the_general_way() {
        let long = format!(
            "<message id=\"{}\"><gcm xmlns=\"google:mobile:data\">{{}}</gcm></message>",
            "1".repeat(65)
        );
        for other in [
            "<message id='1'><gcm xmlns=\"google:mobile:data\">{}</gcm></message>",
            "<message id=\"1\" to=\"x\"><gcm xmlns=\"google:mobile:data\">{}</gcm></message>",
            "<message id=\"a&amp;b\"><gcm xmlns=\"google:mobile:data\">{}</gcm></message>",
            "<message id=\"é\"><gcm xmlns=\"google:mobile:data\">{}</gcm></message>",
            "<message><gcm xmlns=\"google:mobile:data\"><![CDATA[{}]]></gcm></message>",
            "<message><gcm xmlns=\"google:mobile:data\">{}</gcm><x/></message>",
            "<messages><gcm xmlns=\"google:mobile:data\">{}</gcm></message>",
            &long,
        ] {
            assert_eq!(Plain::read(other.as_bytes()), None, "{other}");
        }
    }
}
