//! What senders post, through the ingest decoder: it never panics, and whatever it takes, serde_json reads in the same way.
//!
//! The first byte of the input chooses between JSON and lines; the rest is the body.

#![no_main]

use std::borrow::Cow;

use libfuzzer_sys::fuzz_target;
use pushweir::ingest::wire::{Format, Item, parse};
use pushweir::push::{PushRequest, RawJson, Target};
use serde_json::Value;

const LIMIT: usize = 8;

fuzz_target!(|input: &[u8]| {
    let Some((choice, body)) = input.split_first() else { return };
    let format = if choice % 2 == 0 { Format::Json } else { Format::Lines };
    let Ok(parsed) = parse(body, format, LIMIT) else { return };
    assert!((1..=LIMIT).contains(&parsed.items.len()));
    match format {
        Format::Lines => lines(body, &parsed.items),
        Format::Json => {
            let Some(whole) = read(body) else {
                // Only what is inside `data` and `provider` may be beyond serde_json's own values: lone surrogates and huge numbers.
                return;
            };
            match whole.get("pushes").and_then(Value::as_array) {
                Some(list) if !parsed.single => compare_all(list, &parsed.items),
                _ => compare_all(std::slice::from_ref(&whole), &parsed.items),
            }
        }
    }
});

fn read(text: &[u8]) -> Option<Value> {
    serde_json::from_slice(text).ok()
}

fn lines(body: &[u8], items: &[Item<'_>]) {
    let lines: Vec<_> =
        body.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).collect();
    assert_eq!(lines.len(), items.len());
    for (line, item) in lines.into_iter().zip(items) {
        if let (Some(value), Ok(push)) = (read(line), item) {
            compare(&value, push);
        }
    }
}

fn compare_all(values: &[Value], items: &[Item<'_>]) {
    assert_eq!(values.len(), items.len());
    for (value, item) in values.iter().zip(items) {
        if let Ok(push) = item {
            compare(value, push);
        }
    }
}

/// What was taken says the same as the value does.
fn compare(value: &Value, push: &PushRequest<'_>) {
    let same = |key: &str, taken: &Option<Cow<'_, str>>| {
        assert_eq!(value[key].as_str(), taken.as_deref(), "{key} of {value}");
    };
    same("id", &push.id);
    same("route", &push.route);
    same("collapse_key", &push.collapse_key);
    assert_eq!(value["ttl"].as_u64(), push.ttl.map(u64::from));
    let to = |key: &str| value["to"][key].as_str().map(str::to_owned);
    match &push.to {
        Target::Token(text) => assert_eq!(to("token").as_deref(), Some(&**text)),
        Target::Topic(text) => assert_eq!(to("topic").as_deref(), Some(&**text)),
        Target::Condition(text) => assert_eq!(to("condition").as_deref(), Some(&**text)),
        Target::WebPush { endpoint, p256dh, auth } => {
            let taken = [endpoint, p256dh, auth].map(|text| Some(text.to_string()));
            assert_eq!(["endpoint", "p256dh", "auth"].map(to), taken);
        }
        Target::Channel { id, is_stored } => {
            assert_eq!(to("channel").as_deref(), Some(&**id));
            assert_eq!(value["to"]["stored"].as_bool().unwrap_or_default(), *is_stored);
        }
    }
    if let Some(shown) = &push.notification {
        let wanted = &value["notification"];
        for (key, taken) in
            [("title", &shown.title), ("body", &shown.body), ("image", &shown.image), ("sound", &shown.sound)]
        {
            assert_eq!(wanted[key].as_str(), taken.as_deref());
        }
        assert_eq!(wanted["badge"].as_u64(), shown.badge.map(u64::from));
    }
    for (key, taken) in [("data", push.data), ("provider", push.provider)] {
        assert_eq!(value.get(key).filter(|value| !value.is_null()), taken.map(object).as_ref());
    }
}

fn object(raw: RawJson<'_>) -> Value {
    let value: Value = serde_json::from_str(raw.get()).expect("it was read as part of the whole");
    assert!(value.is_object());
    value
}
