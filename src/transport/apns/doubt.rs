//! Whether refused device tokens are to be believed: a route in the wrong environment is told of every token that it is bad. Pure.
//!
//! A session keeps one. Apple's own advice: when the rate jumps, suspect the environment rather than delete everything
//! (`reference/apns_webpush.md` 1.4).

/// Answers below which nothing is suspected.
const LEAST: u32 = 20;

/// Answers after which the older half is forgotten.
const MOST: u32 = 128;

/// The answers of late.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Doubt {
    good: u32,
    bad: u32,
}

// === impl Doubt ===

impl Doubt {
    /// Notes an answer that shows the device to be known, be it gone.
    pub fn known(&mut self) {
        self.good += 1;
        self.forget();
    }

    /// Notes that a token was called bad; returns whether to believe it.
    pub fn bad(&mut self) -> bool {
        self.bad += 1;
        let is_believed = self.good + self.bad < LEAST || self.bad <= self.good;
        self.forget();
        is_believed
    }

    const fn forget(&mut self) {
        if self.good + self.bad >= MOST {
            (self.good, self.bad) = (self.good / 2, self.bad / 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_bad_tokens_are_believed_and_nothing_but_bad_ones_are_not() {
        let mut doubt = Doubt::default();
        let believed = (0..1000).filter(|_| doubt.bad()).count();
        assert_eq!(believed, 19);
        (0..200).for_each(|_| doubt.known());
        assert!((0..50).all(|_| doubt.bad()), "after many good ones");
    }
}
