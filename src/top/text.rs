//! Text for a terminal: cut, wrapped, and without anything that steers it. Pure.

/// Replaces control characters by blanks, so that nobody's error text steers the terminal.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Cuts a text to a width.
pub(super) fn cut(text: &str, width: usize) -> String {
    plain(text).chars().take(width).collect::<String>().trim_end().to_owned()
}

/// Breaks a text into at most `most` lines of a width, at blanks where there are some; lines but the first begin with `indent`
/// blanks. What does not fit is left out.
pub(super) fn wrap(text: &str, width: usize, indent: usize, most: usize) -> Vec<String> {
    let text = plain(text);
    // A narrow terminal has no room for an indent.
    let indent = if indent * 2 < width { indent } else { 0 };
    let (mut lines, mut line) = (Vec::new(), String::new());
    let mut rest = text.trim_end();
    while lines.len() < most && !(rest.is_empty() && line.is_empty()) {
        let room = width.saturating_sub(if lines.is_empty() { 0 } else { indent }).max(1);
        let end = rest.char_indices().nth(room).map_or(rest.len(), |(end, _)| end);
        let blank = rest.char_indices().take(room + 1).filter(|(at, c)| *c == ' ' && *at > 0).last();
        let split = blank.filter(|_| end < rest.len()).map_or(end, |(blank, _)| blank);
        line.push_str(&" ".repeat(if lines.is_empty() { 0 } else { indent }));
        line.push_str(rest[..split].trim_end());
        lines.push(std::mem::take(&mut line));
        rest = rest[split..].trim_start();
    }
    if lines.is_empty() { vec![String::new()] } else { lines }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_break_at_blanks_and_long_words_where_they_must() {
        assert_eq!(wrap("one two three", 8, 2, 9), ["one two", "  three"]);
        assert_eq!(wrap("abcdefghij kl", 4, 0, 9), ["abcd", "efgh", "ij", "kl"]);
        assert_eq!(wrap("one two three four", 8, 0, 2), ["one two", "three"]);
        assert_eq!(wrap("", 8, 0, 2), [""]);
    }

    proptest! {
        #[test]
        fn nothing_is_too_wide_and_nothing_is_lost(text in "[a-zé世 \\x00-\\x1f]{0,200}", width in 1_usize..80, indent in 0_usize..12) {
            let lines = wrap(&text, width, indent, usize::MAX);
            prop_assert!(lines.iter().all(|line| line.chars().count() <= width && !line.chars().any(char::is_control)));
            let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace() && !c.is_control()).collect::<String>();
            prop_assert_eq!(letters(&lines.concat()), letters(&text));
        }
    }
}
