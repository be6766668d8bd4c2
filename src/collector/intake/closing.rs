//! The entries of buffered pushes that end: made once their senders were told, and also if telling them panics.

use crate::ledger::{Ledger, Place};
use crate::outcome::Outcome;
use crate::push::Push;

/// Pushes that end; the books have them when it is dropped.
pub struct Closing<'a> {
    /// The books.
    pub ledger: &'a Ledger,
    /// The pushes.
    pub pushes: &'a [Push],
    /// How they end.
    pub outcome: Outcome,
}

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        for chunk in self.pushes.chunk_by(|one, next| one.route == next.route) {
            let count = chunk.len() as u64;
            self.ledger.enter(chunk[0].route, |books| books.end(count, Place::Buffered, self.outcome));
        }
    }
}
