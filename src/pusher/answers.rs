//! Answered pushes between the in-flight table and feedback: whatever interrupts that, feedback gets them.
//!
//! A batch of session events fills one. Invariant: a push that has left the table is in it until feedback has it; dropping it settles.

use crate::feedback::Feedback;
use crate::feedback::results::Done;
use crate::outcome::Verdict;
use crate::push::{Push, RouteId};
use crate::telemetry::Tally;

/// What a batch of answers amounts to.
pub struct Answers<'a> {
    feedback: &'a Feedback,
    route: RouteId,
    keeps_history: bool,
    delivered: u64,
    others: Vec<(Push, Verdict)>,
    done: Vec<Done>,
    /// Answers that matched nothing in flight.
    pub unknown: u64,
    /// How long each answer took.
    pub answer_times: Tally,
    /// How long deliveries took from admission.
    pub delivery_times: Tally,
}

// === impl Answers ===

impl<'a> Answers<'a> {
    /// Returns an empty batch of a route.
    pub fn new(feedback: &'a Feedback, route: RouteId) -> Self {
        let keeps_history = feedback.keeps_history();
        Self {
            feedback,
            route,
            keeps_history,
            delivered: 0,
            others: Vec::new(),
            done: Vec::new(),
            unknown: 0,
            answer_times: Tally::default(),
            delivery_times: Tally::default(),
        }
    }

    /// Returns how many pushes it has.
    pub const fn len(&self) -> u64 {
        self.delivered + self.others.len() as u64
    }

    /// Adds a push that has just left the table; `done` makes the entry by which a delivery is remembered.
    pub fn add(&mut self, push: Push, verdict: Verdict, done: impl FnOnce(&Push) -> Done) {
        if !matches!(verdict, Verdict::Delivered { .. }) {
            return self.others.push((push, verdict));
        }
        if self.keeps_history {
            self.done.push(done(&push));
        }
        if push.trace.is_some() || self.feedback.wants_delivery(&verdict) {
            self.others.push((push, verdict));
        } else {
            self.delivered += 1;
        }
    }

    /// Hands everything to feedback.
    pub fn settle(&mut self) {
        // Before the books say that they have ended, so that nobody who asks then finds nothing.
        self.feedback.remember(std::mem::take(&mut self.done));
        self.hand_over();
    }

    fn hand_over(&mut self) {
        if self.len() > 0 {
            // Taken out before the call, which enters each of them whatever happens.
            let (delivered, others) = (std::mem::take(&mut self.delivered), std::mem::take(&mut self.others));
            self.feedback.settle(self.route, delivered, others);
        }
    }
}

impl Drop for Answers<'_> {
    fn drop(&mut self) {
        self.hand_over();
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::super::tests::stand::{ROUTE, Stand};
    use super::*;
    use crate::outcome::Answer;
    use crate::units::Moment;

    #[actix::test]
    async fn a_panic_between_table_and_feedback_settles_what_was_answered() {
        let stand = Stand::start(1, 10).await;
        stand.admit(4).await;
        let pushes: Vec<Push> =
            (0..4).map(|number| crate::push::fixture::push(number, crate::push::Lane::Normal)).collect();
        let broken = catch_unwind(AssertUnwindSafe(|| {
            let mut answers = Answers::new(&stand.feedback, ROUTE);
            for (number, push) in pushes.into_iter().enumerate() {
                let answer = Box::new(Answer::new("INVALID_JSON", ""));
                let verdict = if number < 3 {
                    Verdict::Delivered { canonical: None }
                } else {
                    Verdict::Rejected(answer)
                };
                answers.add(push, verdict, |push| Done::new(push, 0, Moment::default(), Moment::default()));
            }
            panic!("injected by the test");
        }));
        assert!(broken.is_err());
        let books = stand.books();
        assert_eq!((books.delivered, books.rejected, books.in_flight, books.lost), (3, 1, 0, 0));
        assert!(books.is_balanced());
    }
}
