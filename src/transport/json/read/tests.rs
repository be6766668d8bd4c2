//! The reader beside `serde_json`.

use proptest::prelude::*;
use serde_json::Value;
use serde_json::value::RawValue;

use super::*;

/// Builds the value that the reader finds.
fn value(input: &mut Reader<'_>) -> Option<Value> {
    Some(match input.peek()? {
        b'{' => {
            let mut members = serde_json::Map::new();
            input.object(|input, name| {
                members.insert(name.to_owned(), value(input)?);
                Some(())
            })?;
            members.into()
        }
        b'[' => {
            let mut items = Vec::new();
            input.list(|input| {
                items.push(value(input)?);
                Some(())
            })?;
            items.into()
        }
        b'"' => input.text()?.into(),
        b't' | b'f' => input.flag()?.into(),
        b'n' => input.optional(|_| None::<Value>)?.into(),
        _ => serde_json::from_str(input.value()?).ok()?,
    })
}

fn whole<'a, T>(text: &'a str, read: impl FnOnce(&mut Reader<'a>) -> Option<T>) -> Option<T> {
    let mut input = Reader::new(text);
    let found = read(&mut input)?;
    input.is_at_end().then_some(found)
}

/// Both readers find the same, or both nothing; the same goes for passing over the text.
fn agree(text: &str) {
    assert_eq!(whole(text, value), serde_json::from_str(text).ok(), "{text}");
    let passed = whole(text, Reader::value);
    assert_eq!(passed, serde_json::from_str::<&RawValue>(text).ok().map(RawValue::get), "{text}");
}

#[test]
fn the_grammar_s_corners_are_read_as_by_the_library() {
    for text in [
        "",
        " ",
        "\"",
        "\"a",
        "\"a\"",
        "\"a\" \"",
        " \t\r\n[ ] ",
        "[,]",
        "[1,]",
        "[1 2]",
        "[",
        "]",
        "{}",
        "{,}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{\"a\" : 1 , \"b\":[{}]}",
        "{1:2}",
        "{\"a\":1",
        "{\"a\":1]",
        "[1}",
        "0",
        "-0",
        "00",
        "01",
        "-",
        "+1",
        "1.",
        ".1",
        "1.0",
        "-1.5e+07",
        "1e",
        "1e-",
        "1E5",
        "0x1",
        "true",
        "tru",
        "truee",
        "false",
        "null",
        "nul",
        "nan",
        "\u{feff}1",
        "\u{a0}1",
        "\"\u{7f}\u{e9}\u{20ac}\u{1f600}\"",
        "\"\n\"",
        "\"\u{0}\"",
        "\"\u{1f}\"",
        "\"\\\"",
        "\"\\\\\"",
        "\"\\q\"",
        "\"\\u00e9\"",
        "\"\\u00g9\"",
        "\"\\u00\"",
        "\"\\/\\b\\f\\n\\r\\t\"",
        "\"\\ud83d\\ude00\"",
        "[\"1234567\\\"\",\"12345678\\\\\"]",
        "{\"a\":{\"b\":{\"c\":[[[null]]]}}}",
        "1 1",
        "\u{c}1",
    ] {
        agree(text);
    }
}

#[test]
fn half_a_pair_of_surrogates_is_passed_over_but_no_text() {
    for text in [r#""\ud800""#, r#""\ud800\u0041""#, r#""\udc00 ""#] {
        assert_eq!(whole(text, Reader::value), Some(text));
        assert_eq!(whole(text, Reader::text), None);
    }
}

#[test]
fn strings_without_escapes_are_borrowed() {
    let text = r#"["plain \u0041"]"#;
    let mut found = Vec::new();
    whole(text, |input| input.list(|input| input.text().map(|text| found.push(text))));
    assert_eq!(found, ["plain A"]);
    assert!(matches!(whole("\"plain\"", Reader::text), Some(Cow::Borrowed("plain"))));
}

#[test]
fn nesting_ends_where_the_library_ends_it() {
    for levels in [127, 128, 100_000] {
        let text = "[".repeat(levels) + &"]".repeat(levels);
        let is_read = whole(&text, Reader::value).is_some();
        assert_eq!(is_read, serde_json::from_str::<Value>(&text).is_ok(), "{levels}");
    }
}

#[test]
fn numbers_are_of_the_type_that_was_asked_for() {
    for text in ["0", "4294967295", "4294967296", "-0", "-1", "1.0", "1e2", "007", "\"1\"", "true"] {
        assert_eq!(whole(text, Reader::number::<u32>), serde_json::from_str(text).ok(), "{text}");
    }
}

#[test]
fn a_member_is_first_once() {
    let mut seen = Seen::default();
    assert_eq!([0, 31, 0, 32].map(|number| seen.first(number).is_some()), [true, true, false, false]);
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..6)
                .prop_map(|members| members.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

proptest! {
    #[test]
    fn every_value_is_read_as_by_the_library(value in any_value(), pretty: bool) {
        agree(&if pretty { format!("{value:#}") } else { value.to_string() });
    }

    #[test]
    fn broken_text_is_judged_as_by_the_library(value in any_value(), at: prop::sample::Index, with in "[ -~\\n\u{e9}]{0,3}", cut in 0..3_usize) {
        let mut text: Vec<char> = value.to_string().chars().collect();
        let at = at.index(text.len() + 1);
        let end = (at + cut).min(text.len());
        text.splice(at..end, with.chars());
        agree(&text.into_iter().collect::<String>());
    }
}
