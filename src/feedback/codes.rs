//! How often the provider answered with which code; bounded, since the codes come from outside.

use std::collections::BTreeMap;

use parking_lot::Mutex;

/// More different codes than any provider documents; the rest is counted as [`OTHER`].
const MOST_CODES: usize = 64;
const LONGEST_CODE: usize = 64;
const OTHER: &str = "OTHER";

/// Counts by code.
#[derive(Debug, Default)]
pub struct Codes {
    counts: Mutex<BTreeMap<String, u64>>,
}

// === impl Codes ===

impl Codes {
    /// Counts one answer.
    pub fn count(&self, code: &str) {
        let mut counts = self.counts.lock();
        if let Some(count) = counts.get_mut(code) {
            *count += 1;
            return;
        }
        let name = if counts.len() < MOST_CODES && is_code(code) { code } else { OTHER };
        *counts.entry(name.to_owned()).or_default() += 1;
    }

    /// Returns the counts, by code.
    pub fn read(&self) -> Vec<(String, u64)> {
        self.counts.lock().iter().map(|(code, count)| (code.clone(), *count)).collect()
    }
}

/// Returns whether it may be a label: what is no word at all, such as ` # {`, could break the scrapers' syntax.
fn is_code(code: &str) -> bool {
    (1..=LONGEST_CODE).contains(&code.len())
        && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.: ".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endless_inventions_of_a_provider_share_one_entry() {
        let codes = Codes::default();
        for number in 0..1000 {
            codes.count(&format!("CODE_{number}"));
        }
        let read = codes.read();
        assert!(read.len() <= MOST_CODES + 1);
        assert_eq!(read.iter().map(|(_, count)| count).sum::<u64>(), 1000);
    }

    #[test]
    fn what_is_no_word_is_no_label() {
        let codes = Codes::default();
        for odd in ["", "a # {b", "a\"} 1\nb", "\u{e9}"] {
            codes.count(odd);
        }
        codes.count("Service Unavailable");
        assert_eq!(codes.read(), [(OTHER.to_owned(), 4), ("Service Unavailable".to_owned(), 1)]);
    }
}
