//! Answers that do not come: their pushes are taken back, and a connection that owes too many is replaced.

use std::time::Duration;

use actix::prelude::*;

use super::Pusher;

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
            pusher.look_for_overdue(ctx);
        });
    }

    fn take_back_overdue(&mut self, ctx: &mut Context<Self>) {
        let overdue = self.held.table.take_overdue(self.now(), self.wiring.settings().answer_timeout);
        if overdue.is_empty() {
            return;
        }
        let current = self.current.as_ref().map(|live| live.number);
        let mut pushes = Vec::with_capacity(overdue.len());
        for (session, push) in overdue {
            if Some(session) == current {
                self.window.lapse(1);
                self.owed.add(push.key);
            }
            pushes.push(push);
        }
        log::warn!("answers are overdue pusher={} count={}", self.name(), pushes.len());
        self.cell.set_error(format!(
            "{} answers overdue by more than {:?}",
            pushes.len(),
            self.wiring.settings().answer_timeout
        ));
        self.wiring.feedback.unanswered(self.cell.partition, pushes);
        if self.window.is_choked() {
            self.retire_current("too many answers are overdue", true, ctx);
        }
        self.after_change(ctx);
    }
}
