//! The short way against the full one.

use proptest::prelude::*;

use super::*;
use crate::xmpp::downstream::{Downstream, read as read_all};
use crate::xmpp::escape::{escape_into, unescape};

/// Returns what the full way makes of the text, if that is a push without fault.
fn full(text: &[u8]) -> Option<String> {
    match read_all(&unescape(text).ok()?) {
        Downstream::Push(push) if push.fault.is_none() => {
            let is_plain = true;
            Some(format!("{:?}", Push { is_plain, ..push }))
        }
        _ => None,
    }
}

fn short(text: &[u8]) -> Option<String> {
    read(text).map(|push| format!("{push:?}"))
}

#[test]
fn the_usual_push_goes_the_short_way() {
    let text = r#"{"message_id":"m-1","time_to_live":2419200,"to":"t","priority":"high","collapse_key":"a&amp;b",
        "notification":{"title":"Ana &amp; Bo &lt;3&gt;","body":"é😀"},"data":{"k":"v","e":""}}"#;
    let text = text.replace("\n        ", "");
    assert!(short(text.as_bytes()).is_some());
    assert_eq!(short(text.as_bytes()), full(text.as_bytes()));
    assert!(short(br#"{"to":"t","message_id":"m","data":{},"time_to_live":0}"#).is_some());
}

#[test]
fn what_is_faulty_or_unusual_goes_the_full_way() {
    let texts = [
        r#"{"to":"t"}"#,
        r#"{"message_id":"m"}"#,
        r#"{"message_id":"","to":"t"}"#,
        r#"{"message_id":"m","to":""}"#,
        r#"{"message_id":"m","to":"t","to":"u"}"#,
        r#"{"message_id":"m","to":"a&amp;b"}"#,
        r#"{"message_id":"m","to":"t","priority":"urgent"}"#,
        r#"{"message_id":"m","to":"t","time_to_live":2419201}"#,
        r#"{"message_id":"m","to":"t","time_to_live":01}"#,
        r#"{"message_id":"m","to":"t","time_to_live":1.0}"#,
        r#"{"message_id":"m","to":"t","time_to_live":}"#,
        r#"{"message_id":"m","to":"t","message_type":"ack"}"#,
        r#"{"message_id":"m","to":"t","data":{"from":"x"}}"#,
        r#"{"message_id":"m","to":"t","data":{"n":1}}"#,
        r#"{"message_id":"m","to":"t","data":{"k":"&quot;"}}"#,
        r#"{"message_id":"m","to":"t","data":{"k":"a & b"}}"#,
        r#"{"message_id":"m","to":"t","data":{"k":"]]>"}}"#,
        r#"{"message_id":"m","to":"t","data":{"k":"\n"}}"#,
        "{\"message_id\":\"m\",\"to\":\"t\",\"data\":{\"k\":\"\u{FFFE}\"}}",
        "{\"message_id\":\"m\",\"to\":\"t\",\"data\":{\"k\":\"\u{1}\"}}",
        r#"{"message_id":"m","to":"t"} "#,
        r#"{"message_id":"m","to":"t"}}"#,
        r#"{"message_id":"m","to":"t",}"#,
        r#"{"message_id":"m","to":"t"#,
        "",
    ];
    for text in texts {
        assert_eq!(short(text.as_bytes()), None, "{text}");
    }
    assert_eq!(short(b"{\"message_id\":\"m\",\"to\":\"\xFF\"}"), None);
}

#[test]
fn the_payload_s_limits_are_those_of_the_full_way() {
    for (to, limit) in [("t", DEVICE_LIMIT), ("/topics/t", TOPIC_LIMIT)] {
        let text = |size: usize| {
            let rest = "x".repeat(size - 6);
            format!(
                r#"{{"message_id":"m","to":"{to}","notification":{{"b":"&amp;"}},"data":{{"key":"&lt;{rest}"}}}}"#
            )
        };
        assert!(short(text(limit).as_bytes()).is_some() && full(text(limit).as_bytes()).is_some());
        assert_eq!((short(text(limit + 1).as_bytes()), full(text(limit + 1).as_bytes())), (None, None));
    }
}

#[test]
fn quotes_and_references_are_found_wherever_they_stand() {
    for at in 0..40 {
        for stop in [b'"', b'&'] {
            let mut bytes = [b'\'', b'#', b'%', b'$', 0x00, 0x21, 0xA2, 0xA6].repeat(6);
            assert_eq!(quote_or_reference(&bytes[..at]), None);
            bytes[at] = stop;
            bytes[at + 1] = b'"';
            assert_eq!(quote_or_reference(&bytes), Some(at));
            assert_eq!(quote_or_reference(&bytes[..=at]), Some(at));
        }
    }
}

/// A member as a client may write it, right or wrong.
fn member() -> impl Strategy<Value = String> {
    let text = || "[a-f &<>é😀]{0,12}".prop_map(|text| escaped(&text));
    let object = move || {
        let pair = ("[a-c]{1,3}|from|google|gcm|title", text())
            .prop_map(|(key, value)| format!(r#""{key}":"{value}""#));
        prop::collection::vec(pair, 0..4).prop_map(|pairs| format!("{{{}}}", pairs.join(",")))
    };
    prop_oneof![
        4 => "[a-z0-9-]{0,10}".prop_map(|id| format!(r#""message_id":"{id}""#)),
        4 => "(/topics/)?[a-z&;]{0,4}".prop_map(|to| format!(r#""to":"{to}""#)),
        1 => (0u64..3_000_000).prop_map(|ttl| format!(r#""time_to_live":{ttl}"#)),
        1 => "normal|high|low".prop_map(|word| format!(r#""priority":"{word}""#)),
        1 => text().prop_map(|key| format!(r#""collapse_key":"{key}""#)),
        2 => object().prop_map(|data| format!(r#""data":{data}"#)),
        2 => object().prop_map(|shown| format!(r#""notification":{shown}"#)),
        1 => "condition|dry_run|message_type|new".prop_map(|name| format!(r#""{name}":"x""#)),
    ]
}

fn escaped(text: &str) -> String {
    let mut out = Vec::new();
    escape_into(&mut out, text.as_bytes());
    String::from_utf8(out).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_goes_the_short_way_means_the_same_on_the_full_one(
        members in prop::collection::vec(member(), 0..5),
        damage in prop::collection::vec((any::<prop::sample::Index>(), 0u8..3, any::<prop::sample::Index>()), 0..3),
    ) {
        let mut text = br#"{"message_id":"m","to":"t","#.to_vec();
        if members.iter().any(|member| member.starts_with("\"to") || member.starts_with("\"message_id")) {
            text.truncate(1);
        }
        text.extend_from_slice(members.join(",").as_bytes());
        text.push(b'}');
        for (at, how, with) in damage {
            const BYTES: &[u8] = b"\"\"{}:,&;<>\\ \x01\xEF\xFFx0-]";
            let byte = BYTES[with.index(BYTES.len())];
            match (how, text.is_empty()) {
                (0, false) => { text.remove(at.index(text.len())); }
                (1, false) => { let at = at.index(text.len()); text[at] = byte; }
                _ => text.insert(at.index(text.len() + 1), byte),
            }
        }
        if let Some(push) = read(&text) {
            prop_assert!([push.id_json, push.target_json].iter().all(|json| escaped(json) == *json));
            prop_assert_eq!(short(&text), full(&text));
        }
    }

    #[test]
    fn every_right_push_of_plain_strings_goes_the_short_way(
        id in "[!#-%'-;=?-\\[^-~]{1,20}",
        data in prop::collection::btree_map("[a-e]{1,9}", "[ !#-\\[^-~é😀]{0,40}", 0..6),
        title in proptest::option::of("[ !#-\\[^-~é]{0,40}"),
        ttl in 0..=MAX_TTL,
    ) {
        let mut push = serde_json::json!({"message_id": id, "to": id, "time_to_live": ttl, "priority": "normal", "data": data});
        if let Some(title) = title {
            push["notification"] = serde_json::json!({"title": title});
        }
        let text = escaped(&push.to_string());
        prop_assert!(short(text.as_bytes()).is_some());
        prop_assert_eq!(short(text.as_bytes()), full(text.as_bytes()));
    }
}
