//! W3C trace context: `traceparent` and `tracestate` (Level 1 sections 3.2 and 3.3). Pure.
//!
//! Whatever is wrong with a header makes it count as absent, never as an error.

use crate::push::trace::{SAMPLED, SpanName};

/// The length of a `traceparent` of version 00, and the part of those of later versions that is read.
pub const LENGTH: usize = 55;
/// Combined `tracestate` beyond this is dropped (section 3.3.1.5 asks for at least 512).
const LONGEST_STATE: usize = 512;

/// What a sender said about its own trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parent {
    /// Its span.
    pub name: SpanName,
    /// Whether it records.
    pub is_sampled: bool,
}

/// Returns whether a header would, if it is one at all, say that its trace is recorded; looks at one byte.
pub fn peek(header: &[u8]) -> bool {
    header.get(LENGTH - 1).and_then(|byte| digit(*byte)).is_some_and(|flags| flags & SAMPLED != 0)
}

/// Reads a header. Of a version that is not known yet, what version 00 has is read (section 4.3).
pub fn parse(header: &[u8]) -> Option<Parent> {
    let (known, rest) = header.split_at_checked(LENGTH)?;
    let version = number(&known[..2])?;
    let is_well_ended = match version {
        0xff => false,
        0 => rest.is_empty(),
        _ => rest.first().is_none_or(|byte| *byte == b'-'),
    };
    if !is_well_ended || [2, 35, 52].iter().any(|at| known[*at] != b'-') {
        return None;
    }
    let trace = number(&known[3..35])?;
    let span = u64::try_from(number(&known[36..52])?).ok()?;
    let flags = number(&known[53..55])?;
    let is_sampled = flags & u128::from(SAMPLED) != 0;
    (trace != 0 && span != 0).then_some(Parent { name: SpanName { trace, span }, is_sampled })
}

/// Writes the header of a span that is recorded.
pub fn write(name: SpanName) -> String {
    format!("00-{name}-{SAMPLED:02x}")
}

/// Returns `tracestate` headers combined, if they may be passed on.
pub fn state<'h>(headers: impl Iterator<Item = &'h [u8]>) -> Option<String> {
    let mut combined = String::new();
    for header in headers {
        let text = std::str::from_utf8(header).ok()?.trim();
        if text.is_empty() {
            continue;
        }
        if !combined.is_empty() {
            combined.push(',');
        }
        combined.push_str(text);
        if combined.len() > LONGEST_STATE {
            return None;
        }
    }
    let is_visible = combined.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    (!combined.is_empty() && is_visible).then_some(combined)
}

/// Hexadecimal, lower case only (section 3.2.2).
fn number(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number, byte| Some(number << 4 | u128::from(digit(*byte)?)))
}

const fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn tr_2_good_headers_are_read_and_bad_ones_count_as_absent() {
        let name = SpanName { trace: 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736, span: 0x00f0_67aa_0ba9_02b7 };
        assert_eq!(parse(GOOD.as_bytes()), Some(Parent { name, is_sampled: true }));
        assert_eq!(write(name), GOOD);
        let with = |range: std::ops::Range<usize>, text: &str| {
            format!("{}{text}{}", &GOOD[..range.start], &GOOD[range.end..])
        };
        let unsampled = with(53..55, "00");
        assert_eq!(parse(unsampled.as_bytes()).map(|parent| parent.is_sampled), Some(false));
        for later in [with(0..2, "01"), with(0..2, "cc") + "-more", with(0..2, "fe") + "-"] {
            assert_eq!(parse(later.as_bytes()), Some(Parent { name, is_sampled: true }), "{later}");
        }
        let bad = [
            String::new(),
            "00".to_owned(),
            GOOD[..54].to_owned(),
            format!("{GOOD}-more"),
            format!("{GOOD}0"),
            with(0..2, "ff"),
            with(0..2, "0G"),
            with(0..2, "01") + "more",
            with(3..35, &"0".repeat(32)),
            with(36..52, &"0".repeat(16)),
            GOOD.to_uppercase(),
            with(35..36, "_"),
            with(53..55, "zz"),
            "-".repeat(55),
            "ü".repeat(40),
        ];
        for header in bad {
            assert_eq!(parse(header.as_bytes()), None, "{header:?}");
        }
    }

    #[test]
    fn tr_2_states_are_combined_and_bounded() {
        let state = |headers: &[&str]| super::state(headers.iter().map(|header| header.as_bytes()));
        assert_eq!(state(&["a=1", " b=2 ", ""]).as_deref(), Some("a=1,b=2"));
        assert_eq!(state(&[]), None);
        assert_eq!(state(&["a=\u{7}"]), None);
        assert_eq!(state(&[&"x".repeat(513)]), None);
    }

    /// The rules once more, written as plainly as can be.
    fn reference(header: &str) -> Option<Parent> {
        let parts: Vec<&str> = header.split('-').collect();
        let hex = |text: &str, length: usize| {
            (text.len() == length && text.chars().all(|c| "0123456789abcdef".contains(c)))
                .then(|| u128::from_str_radix(text, 16).expect("it is hexadecimal"))
        };
        let [version, trace, span, flags, more @ ..] = &parts[..] else { return None };
        let version = hex(version, 2).filter(|version| *version != 0xff)?;
        if version == 0 && !more.is_empty() {
            return None;
        }
        let (trace, span, flags) = (hex(trace, 32)?, hex(span, 16)?, hex(flags, 2)?);
        let name = SpanName { trace, span: u64::try_from(span).expect("16 digits fit") };
        (trace != 0 && span != 0).then_some(Parent { name, is_sampled: flags % 2 == 1 })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_096))]

        #[test]
        fn tr_2_a_header_means_what_the_reference_says(header in "([0-9a-f]{2}|00|ff)-([0-9a-f]{32}|0{32}|[0-9a-fA-F]{30,33})-([0-9a-f]{16}|0{16})-([0-9a-f]{2}|0[01]|[0-9a-z]{1,3})(-[a-z0-9-]{0,5}|[a-z0-9]{0,2}|)") {
            prop_assert_eq!(parse(header.as_bytes()), reference(&header));
        }

        #[test]
        fn tr_2_no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = (parse(&bytes), peek(&bytes), state([&bytes[..]].into_iter()));
        }

        #[test]
        fn tr_3_the_peek_never_passes_over_a_recorded_trace(trace in 1_u128.., span in 1_u64.., flags: u8) {
            let header = format!("00-{}-{flags:02x}", SpanName { trace, span });
            prop_assert_eq!(peek(header.as_bytes()), parse(header.as_bytes()).is_some_and(|parent| parent.is_sampled));
        }

        #[test]
        fn tr_10_what_we_write_is_read_by_later_versions_and_what_they_write_by_us(trace in 1_u128.., span in 1_u64.., version in 1_u8..0xff, more in "(-[0-9a-z]{1,8}){0,3}") {
            let name = SpanName { trace, span };
            let ours = write(name);
            // A later version reads the first four fields and takes those that it misses as unset.
            prop_assert_eq!(reference(&ours), parse(ours.as_bytes()));
            let theirs = format!("{version:02x}{}{more}", &ours[2..]);
            prop_assert_eq!(parse(theirs.as_bytes()), Some(Parent { name, is_sampled: true }));
        }
    }
}
