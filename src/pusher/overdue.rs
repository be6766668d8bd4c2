//! Answers that do not come: their pushes are taken back, and a connection that owes too many is replaced.

use std::time::Duration;

use actix::prelude::*;

use super::Pusher;
use crate::outcome::Verdict;

/// Between two looks for answers that are overdue.
const SHORTEST_LOOK: Duration = Duration::from_millis(100);
/// See [`SHORTEST_LOOK`].
const LONGEST_LOOK: Duration = Duration::from_secs(5);

impl Pusher {
    /// Looks from time to time, a few times within the time that an answer may take.
    pub(super) fn look_for_overdue(&mut self, ctx: &mut Context<Self>) {
        let pause = (self.wiring.settings().answer_timeout / 4).clamp(SHORTEST_LOOK, LONGEST_LOOK);
        ctx.run_later(pause, |pusher, ctx| {
            pusher.take_back_overdue(ctx);
            pusher.held.table.relax();
            pusher.look_for_overdue(ctx);
        });
    }

    fn take_back_overdue(&mut self, ctx: &mut Context<Self>) {
        let overdue = self.held.table.take_overdue(self.now(), self.wiring.settings().answer_timeout);
        if overdue.is_empty() {
            return;
        }
        let current = self.current.as_ref().map(|live| live.number);
        let (mut unsent, mut taken) = (0, Vec::with_capacity(overdue.len()));
        for (session, push) in overdue {
            let is_current = Some(session) == current;
            let mut lives = self.current.iter_mut().chain(&mut self.retiring);
            let live = lives.find(|live| live.number == session);
            if live.is_some_and(|live| live.outbox.recall(push.key)) {
                self.window.settle(u32::from(is_current));
                unsent += 1;
                // The provider never saw it: that is no attempt.
                taken.push((push, Verdict::Elsewhere));
                continue;
            }
            if is_current {
                self.window.lapse(1);
                self.owed.add(push.key);
            }
            taken.push((push, Verdict::Unanswered));
        }
        let (name, limit) = (self.name(), self.wiring.settings().answer_timeout);
        let count = taken.len() - unsent;
        log::warn!("answers are overdue pusher={name} count={count} unsent={unsent}");
        self.cell.set_error(match count {
            0 => format!("{unsent} pushes could not be sent within {limit:?}"),
            count => format!("{count} answers overdue by more than {limit:?}"),
        });
        self.wiring.feedback.settle(self.cell.partition, 0, taken);
        if self.window.is_choked() {
            self.retire_current("too many answers are overdue", true, ctx);
        }
        self.after_change(ctx);
    }
}
