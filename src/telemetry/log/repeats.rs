//! Lines that repeat: each place in the source may write so many a second, the others are counted. Pure.
//!
//! A place is a line of the source and a target, of which the program has some hundred, so the table is bounded by the program's text; a
//! bound of its own keeps that true whatever a dependency does.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// Places that are watched; others may write what they want.
const PLACES: usize = 1_024;
/// What a place may write in a second.
const SECOND: Duration = Duration::from_secs(1);

/// Where a line comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place(u64);

/// What has been left out at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// How many lines.
    pub count: u64,
    /// The last that was written before.
    pub like: String,
    /// Its target.
    pub target: String,
}

#[derive(Debug)]
struct Window {
    since: Duration,
    written: u32,
    left_out: u64,
    like: Option<(String, String)>,
}

/// The table.
#[derive(Debug, Default)]
pub struct Repeats {
    windows: HashMap<Place, Window>,
}

// === impl Place ===

impl Place {
    /// Returns the place of a line.
    pub fn new(target: &str, file: Option<&str>, line: Option<u32>) -> Self {
        let mut hasher = DefaultHasher::new();
        (target, file, line).hash(&mut hasher);
        Self(hasher.finish())
    }
}

// === impl Repeats ===

impl Repeats {
    /// Returns whether a place may write, one of `limit` lines a second; `text` says what, and is asked for once a second at most.
    pub fn admit(
        &mut self,
        place: Place,
        now: Duration,
        limit: u32,
        text: impl FnOnce() -> (String, String),
    ) -> bool {
        if self.windows.len() >= PLACES && !self.windows.contains_key(&place) {
            return true;
        }
        let fresh = || Window { since: now, written: 0, left_out: 0, like: None };
        let window = self.windows.entry(place).or_insert_with(fresh);
        if now.saturating_sub(window.since) >= SECOND && window.left_out == 0 {
            (window.since, window.written) = (now, 0);
        }
        if window.written < limit {
            window.written += 1;
            return true;
        }
        window.left_out += 1;
        if window.like.is_none() {
            window.like = Some(text());
        }
        false
    }

    /// Returns what was left out in seconds that are over, and begins new ones.
    pub fn take(&mut self, now: Duration) -> Vec<LeftOut> {
        let is_over =
            |window: &&mut Window| now.saturating_sub(window.since) >= SECOND && window.left_out > 0;
        let mut taken = Vec::new();
        for window in self.windows.values_mut().filter(is_over) {
            let (target, like) = window.like.take().unwrap_or_default();
            taken.push(LeftOut { count: std::mem::take(&mut window.left_out), like, target });
            (window.since, window.written) = (now, 0);
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text() -> (String, String) {
        ("target".to_owned(), "a line".to_owned())
    }

    #[test]
    fn a_place_that_floods_writes_its_share_and_the_rest_is_told_once() {
        let mut repeats = Repeats::default();
        let (flood, other) = (Place::new("a", Some("f.rs"), Some(1)), Place::new("a", Some("f.rs"), Some(2)));
        let millis = Duration::from_millis;
        let written = (0..500).filter(|at| repeats.admit(flood, millis(*at), 10, text)).count();
        assert_eq!(written, 10);
        assert!(repeats.admit(other, millis(500), 10, text), "others are not concerned");
        assert_eq!(repeats.take(millis(999)), []);
        let told = LeftOut { count: 490, like: "a line".to_owned(), target: "target".to_owned() };
        assert_eq!(repeats.take(millis(1_000)), [told]);
        assert_eq!(repeats.take(millis(3_000)), []);
        assert!(repeats.admit(flood, millis(3_000), 10, text));
    }

    proptest! {
        #[test]
        fn every_line_is_written_or_told(gaps in prop::collection::vec((0..3_u64, 0..400_u64), 1..300)) {
            let mut repeats = Repeats::default();
            let (mut now, mut written, mut told) = (Duration::ZERO, 0, 0);
            for (place, gap) in &gaps {
                now += Duration::from_millis(*gap);
                let place = Place::new("t", None, u32::try_from(*place).ok());
                written += u64::from(repeats.admit(place, now, 2, text));
                told += repeats.take(now).iter().map(|left_out| left_out.count).sum::<u64>();
            }
            told += repeats.take(now + SECOND).iter().map(|left_out| left_out.count).sum::<u64>();
            prop_assert_eq!(written + told, gaps.len() as u64);
        }
    }
}
