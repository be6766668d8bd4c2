//! How a batch goes out.

use pushweir_actors::Events;

use super::Pusher;
use crate::push::Push;

impl Pusher {
    /// Sends a batch that arrived; what the window does not take stays in `events` and goes back by itself.
    pub(super) fn send(&mut self, mut events: Events<Push>) {
        let now = self.now();
        let arrived = u32::try_from(events.len()).unwrap_or(u32::MAX);
        let Some(live) = self.current.as_mut() else { return };
        let taken = self.window.arrive(arrived);
        // The batch keeps the pushes until all are encoded: if encoding panics, they go back unsent.
        for push in &events.as_slice()[..taken as usize] {
            live.outbox.send(push, push.time_left(now));
        }
        let mut traced = Vec::new();
        for mut push in events.take_first(taken as usize) {
            if let Some(trace) = &mut push.trace {
                let in_flight = u32::try_from(self.held.table.len() + 1).unwrap_or(u32::MAX);
                trace.begun(now, live.carrier(&self.wiring.route, self.cell.number, in_flight));
                traced.push(push.key);
            }
            self.held.table.insert(push, now, live.number);
        }
        live.outbox.flush();
        if !traced.is_empty() {
            let flushed = self.now();
            self.held.table.note_flushed(&traced, flushed);
        }
    }
}
