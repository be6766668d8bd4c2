//! Whether refused device tokens are to be believed: a route with the wrong environment or account is told of every token that it is bad, and its
//! senders would delete them all. Pure.
//!
//! A session keeps one. The providers' own advice: when the rate jumps, suspect the set-up rather than delete everything
//! (`reference/apns_webpush.md` 1.4, `reference/fcm.md` 1.6 and 2.3).

use std::cell::Cell;

/// Answers below which nothing is suspected.
const LEAST: u32 = 20;

/// Answers after which the older half is forgotten.
const MOST: u32 = 128;

/// The answers of late.
#[derive(Debug, Default)]
pub struct Doubt {
    good: Cell<u32>,
    bad: Cell<u32>,
}

// === impl Doubt ===

impl Doubt {
    /// Notes an answer that shows the device to be known, be it gone.
    pub fn known(&self) {
        self.good.set(self.good.get() + 1);
        self.forget();
    }

    /// Notes that a token was called bad; returns whether to believe it.
    pub fn believes(&self) -> bool {
        self.bad.set(self.bad.get() + 1);
        let (good, bad) = (self.good.get(), self.bad.get());
        self.forget();
        good + bad < LEAST || bad <= good
    }

    fn forget(&self) {
        let (good, bad) = (self.good.get(), self.bad.get());
        if good + bad >= MOST {
            self.good.set(good / 2);
            self.bad.set(bad / 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_bad_tokens_are_believed_and_nothing_but_bad_ones_are_not() {
        let doubt = Doubt::default();
        let believed = (0..1000).filter(|_| doubt.believes()).count();
        assert_eq!(believed, 19);
        (0..200).for_each(|_| doubt.known());
        assert!((0..50).all(|_| doubt.believes()), "after many good ones");
    }
}
