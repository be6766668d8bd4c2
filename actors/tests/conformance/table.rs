//! Which of GenStage's cases apply to our stages; every one of them must have a test that is named after it.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

/// The sources that hold the tests.
const SOURCES: [&str; 8] = [
    include_str!("buffer.rs"),
    include_str!("callbacks.rs"),
    include_str!("demand.rs"),
    include_str!("dispatcher.rs"),
    include_str!("extra.rs"),
    include_str!("extra_recovery.rs"),
    include_str!("protocol.rs"),
    include_str!("subscribing.rs"),
];

/// The numbers of `reference/genstage.md` part 2 that apply. Left out are broadcast and producer_consumer stages,
/// accumulate mode and notices in the event stream, which nothing here needs, and what exists in Elixir only.
const CASES: [RangeInclusive<u32>; 13] = [
    1..=4,
    23..=30,
    32..=34,
    36..=37,
    52..=58,
    60..=66,
    68..=71,
    74..=74,
    76..=76,
    79..=85,
    98..=102,
    103..=109,
    111..=111,
];

/// The extra cases X1 to X12 without X9, as there is no accumulate mode.
const EXTRA_CASES: [u32; 11] = [1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12];

/// The case a line belongs to, if it names a test: `fn case_12_…` is "12", `fn x3_…` is "x3".
fn case_of(line: &str) -> Option<String> {
    let name = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ")?;
    let number =
        |rest: &str| rest.split('_').next().filter(|text| text.parse::<u32>().is_ok()).map(String::from);
    match name.strip_prefix("case_") {
        Some(rest) => number(rest),
        None => number(name.strip_prefix('x')?).map(|number| format!("x{number}")),
    }
}

/// The cases played by functions that are marked as tests and not ignored.
fn played() -> BTreeSet<String> {
    let mut played = BTreeSet::new();
    for source in SOURCES {
        let lines: Vec<_> = source.lines().collect();
        for pair in lines.windows(2) {
            if matches!(pair[0], "#[test]" | "#[actix::test]") {
                played.extend(case_of(pair[1]));
            }
        }
    }
    played
}

fn listed() -> BTreeSet<String> {
    let numbered = CASES.into_iter().flatten().map(|number| number.to_string());
    numbered.chain(EXTRA_CASES.map(|number| format!("x{number}"))).collect()
}

#[test]
fn every_listed_case_has_a_test() {
    let missing: Vec<_> = listed().difference(&played()).cloned().collect();
    assert_eq!(missing, [""; 0], "these cases have no test");
}

#[test]
fn every_numbered_test_is_listed() {
    let unlisted: Vec<_> = played().difference(&listed()).cloned().collect();
    assert_eq!(unlisted, [""; 0], "these tests play cases that are not listed");
}

#[test]
fn the_table_reads_names_as_they_are_written() {
    assert_eq!(case_of("async fn case_12_says_so() {").as_deref(), Some("12"));
    assert_eq!(case_of("fn x3_says_so() {").as_deref(), Some("x3"));
    assert_eq!(case_of("fn a_case_12_without_number() {"), None);
    assert_eq!(case_of("    fn case_12_nested() {"), None);
}
