//! Answers that do not come: their pushes are taken back, and a connection that owes too many is replaced.

use std::time::Duration;

use actix::prelude::*;

use super::Pusher;
use crate::outcome::Verdict;
use crate::units::Moment;

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
        let (now, limit) = (self.now(), self.wiring.settings().answer_timeout);
        let recalled = self.recall_overdue(now, limit);
        if recalled.is_empty() {
            return;
        }
        let current = self.current.as_ref().map(|live| live.number);
        let (mut unsent, mut taken) = (0, Vec::with_capacity(recalled.len()));
        for ((session, push), is_recalled) in
            self.held.table.take_overdue(now, limit).into_iter().zip(recalled)
        {
            let is_current = Some(session) == current;
            if is_recalled {
                self.window.settle(u32::from(is_current));
                unsent += 1;
                // The provider never saw it: that is no attempt.
                taken.push((push, Verdict::NOT_SENT));
                continue;
            }
            if is_current {
                self.window.lapse(1);
                self.owed.add(push.key);
            }
            taken.push((push, Verdict::Unanswered));
        }
        let name = self.name();
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

    /// Returns which of the overdue pushes, in the order of sending, their connections had not sent and give back. All stay in the table
    /// meanwhile, as this is a transport's code, and may panic.
    fn recall_overdue(&mut self, now: Moment, limit: Duration) -> Vec<bool> {
        let overdue = self.held.table.overdue(now, limit);
        let mut recall = |(session, key)| {
            let mut lives = self.current.iter_mut().chain(&mut self.retiring);
            lives.find(|live| live.number == session).is_some_and(|live| live.outbox.recall(key))
        };
        overdue.into_iter().map(&mut recall).collect()
    }
}
