//! Whom a rendered payload is for, read back from it when the push has ended without being delivered. Pure.

use std::borrow::Cow;

use memchr::memchr3;
use serde::Deserialize;

use crate::push::Addressee;
use crate::transport::xmpp::text;

const TOPIC: &str = "/topics/";

/// The members that say it; exactly one is there.
#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow, default)]
    to: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    condition: Option<Cow<'a, str>>,
}

/// Returns whom the members that [`super::render`] wrote are for; `None` if it did not write them.
pub fn addressee(payload: &[u8]) -> Option<Addressee> {
    if let Some(to) = plain(payload) {
        return Some(to_one(to));
    }
    let text = std::str::from_utf8(payload).ok()?;
    let mut json = String::with_capacity(text.len() + 2);
    json.push('{');
    if !text::unescape(&mut json, text) {
        return None;
    }
    json.push('}');
    let members: Members<'_> = serde_json::from_str(&json).ok()?;
    match (members.to, members.condition) {
        (Some(to), _) => Some(to_one(&to)),
        (None, Some(condition)) => Some(Addressee::Condition(condition.into())),
        (None, None) => None,
    }
}

/// Nearly every payload begins with a `to` that has no escapes and no references.
fn plain(payload: &[u8]) -> Option<&str> {
    let rest = payload.strip_prefix(b"\"to\":\"")?;
    let end = memchr3(b'"', b'\\', b'&', rest)?;
    if rest[end] != b'"' {
        return None;
    }
    std::str::from_utf8(&rest[..end]).ok()
}

fn to_one(to: &str) -> Addressee {
    match to.strip_prefix(TOPIC) {
        Some(topic) => Addressee::Topic(topic.into()),
        None => Addressee::Token(to.into()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::push::{PushRequest, RawJson, Target};
    use crate::transport::probe;
    use crate::transport::xmpp::request::render;

    fn round_trip(to: Target<'_>, provider: Option<RawJson<'_>>) -> Option<Addressee> {
        let request = PushRequest { provider, ..probe::request(to) };
        let mut payload = Vec::new();
        render(&request, &mut payload).unwrap();
        addressee(&payload)
    }

    #[test]
    fn topics_and_conditions_come_back_as_the_sender_wrote_them() {
        assert_eq!(round_trip(Target::Topic("news".into()), None), Some(Addressee::Topic("news".into())));
        let condition = "'a' in topics && 'b' in topics";
        assert_eq!(
            round_trip(Target::Condition(condition.into()), None),
            Some(Addressee::Condition(condition.into()))
        );
    }

    #[test]
    fn raw_provider_fields_do_not_hide_the_token() {
        let provider = RawJson::of_read("{\"android_channel\":\"a&b\",\"zzz\":{\"to\":\"x\"}}");
        assert_eq!(round_trip(Target::Token("t".into()), Some(provider)), Some(Addressee::Token("t".into())));
    }

    proptest! {
        #[test]
        fn any_token_comes_back_in_full(token in "\\PC{1,60}") {
            prop_assume!(!token.starts_with(TOPIC));
            prop_assert_eq!(round_trip(Target::Token(token.as_str().into()), None), Some(Addressee::Token(token.into())));
        }

        #[test]
        fn no_payload_panics(payload: Vec<u8>) {
            let _ = addressee(&payload);
        }
    }
}
