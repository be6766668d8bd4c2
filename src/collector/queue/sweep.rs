//! Taking out pushes whose deadline has passed behind the heads of the lanes, some places at a time. Pure.
//!
//! A round goes through the partitions in which a deadline has passed. The queue may change between two steps: what stays is not missed, as
//! places keep their order and what closes its gaps moves back; what arrives tells its own deadline. Invariant: outside a round, and for
//! each partition that a round is not in, no push in the lanes has an earlier deadline than the one that is noted for the partition.

use super::Queue;
use crate::collector::fifo::Step;
use crate::collector::line::Mark;
use crate::push::Push;
use crate::units::Moment;

/// How far a round has come.
#[derive(Debug, Default)]
pub(super) struct Round {
    part: usize,
    /// Where in the partition, if that has been begun.
    mark: Option<Mark>,
}

// === impl Queue ===

impl Queue {
    /// Goes on with a round, over up to `most` places, and returns whether that is over; the next call begins another one.
    pub fn sweep(&mut self, now: Moment, most: usize, expired: &mut Vec<Push>) -> bool {
        let mut step = Step { now, left: most, earliest: Moment::NEVER, expired };
        while step.left > 0 {
            let Round { part: number, mark } = &mut self.round;
            let Some(part) = self.parts.get_mut(*number) else {
                self.round = Round::default();
                return true;
            };
            if mark.is_none() && part.next_deadline >= now {
                *number += 1;
                step.left -= 1;
                continue;
            }
            let mark = mark.get_or_insert_with(|| {
                part.next_deadline = Moment::NEVER;
                Mark::default()
            });
            let first = step.expired.len();
            step.earliest = Moment::NEVER;
            let is_over = part.lanes.sweep(mark, &mut step);
            part.next_deadline = part.next_deadline.min(step.earliest);
            step.expired[first..].iter().for_each(|push| self.held.remove(part.route, push));
            if is_over {
                self.round = Round { part: *number + 1, mark: None };
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Gone, Keep};
    use super::*;
    use crate::collector::occupancy::{Limits, Load};
    use crate::push::fixture::push;
    use crate::push::{CollapseId, Collapses, Lane, RouteId, SenderId};

    fn queue(parts: usize) -> Queue {
        let all = Load { pushes: 10_000_000, bytes: u64::MAX / 4 };
        let mut queue = Queue::new(Limits::new(all, 0.0, &[1]), Keep::Newest);
        (0..parts).for_each(|_| queue.open(RouteId(0)));
        queue
    }

    fn at(micros: u64) -> Moment {
        Moment::from_micros(micros)
    }

    #[test]
    fn a_step_looks_at_no_more_places_than_it_may_and_a_round_at_all() {
        let mut queue = queue(2);
        for number in 0..1_000_u64 {
            let deadline = at(if number % 2 == 0 { 10 } else { 30 });
            let push = Push { deadline, ..push(number.into(), Lane::ALL[number as usize / 2 % 4]) };
            queue.store(RouteId::at(number as usize / 8 % 2), vec![push], &mut Gone::default());
        }
        let (mut expired, mut steps) = (Vec::new(), 0);
        loop {
            let before = expired.len();
            let is_over = queue.sweep(at(20), 100, &mut expired);
            assert!(expired.len() - before <= 100);
            steps += 1;
            if is_over {
                break;
            }
        }
        assert!((10..=12).contains(&steps), "{steps}");
        assert_eq!((expired.len(), queue.load().pushes), (500, 500));
        assert!(
            queue.sweep(at(30), 3, &mut expired),
            "no deadline has passed, so no partition is looked through"
        );
        assert!(!queue.sweep(at(31), 100, &mut expired));
    }

    proptest! {
        #[test]
        fn a_round_takes_out_all_that_were_too_late_and_stayed_and_none_that_is_in_time(
            pushes in prop::collection::vec((0..3_usize, 0..4_usize, 0..3_u16, 0..100_u64, prop::option::of(0..9_u128)), 0..150),
            most in 1..40_usize,
            moves in prop::collection::vec((0..5_u8, 0..3_usize, 0..4_usize, 0..100_u64), 0..80),
        ) {
            let (live, mut queue, mut gone) = (Collapses::default(), queue(3), Gone::default());
            let mut number = 0;
            let mut make = |part: usize, lane: usize, sender: u16, deadline: u64, id: Option<u128>| {
                number += 1;
                let collapse = id.map(|id| live.of(CollapseId(part as u128 * 100 + id)));
                let (route, accepted_at) = (RouteId::at(part), at(number));
                let more = Push { collapse, accepted_at, sender: SenderId(sender), ..push(number.into(), Lane::ALL[lane]) };
                Push { route, deadline: at(deadline), ..more }
            };
            for (part, lane, sender, deadline, id) in &pushes {
                let push = make(*part, *lane, *sender, *deadline, *id);
                queue.store(RouteId::at(*part), vec![push], &mut gone);
            }
            let (mut expired, mut held, mut arrived) = (Vec::new(), Vec::new(), Vec::new());
            let mut moves = moves.into_iter();
            while !queue.sweep(at(50), most, &mut expired) {
                prop_assert!(queue.is_consistent());
                let Some((kind, part, lane, deadline)) = moves.next() else { continue };
                let route = RouteId::at(part);
                match kind {
                    0 => queue.take(route, 3, Moment::default(), (&mut held, &mut Vec::new())),
                    1 => queue.put_back(route, held.drain(..).filter(|push| push.route == route).collect(), &mut gone.coalesced),
                    _ => {
                        let push = make(part, lane, 1, deadline, (kind == 2).then_some(u128::from(deadline % 9)));
                        arrived.push(push.key);
                        queue.store(route, vec![push], &mut gone);
                    }
                }
            }
            prop_assert!(expired.iter().all(|push| push.is_expired(at(50))));
            // A second round has what came in front of the first one, and a third one would find nothing.
            while !queue.sweep(at(50), most, &mut expired) {}
            let mut rest = Vec::new();
            (0..3).for_each(|part| queue.take(RouteId::at(part), usize::MAX, Moment::default(), (&mut rest, &mut Vec::new())));
            prop_assert!(rest.iter().all(|push| !push.is_expired(at(50))));
            prop_assert_eq!(queue.load(), Load::default());
        }
    }

    #[test]
    #[ignore = "a measurement: cargo test --release -p pushweir --lib queue::sweep -- --ignored --nocapture"]
    fn how_long_a_step_holds_the_queue() {
        for (name, first) in [("none", 1), ("half", 2), ("all", u128::MAX)] {
            for most in [8_192, usize::MAX] {
                let mut queue = queue(1);
                for number in 0..1_000_000_u128 {
                    let deadline = at(if number == 0 || number % first != 0 { 10 } else { 30 });
                    let sender = SenderId((number % 8) as u16);
                    let push = Push { deadline, sender, ..push(number, Lane::ALL[number as usize / 8 % 4]) };
                    queue.store(RouteId(0), vec![push], &mut Gone::default());
                }
                let (mut longest, mut steps) = (0.0_f64, 0);
                loop {
                    let mut expired = Vec::new();
                    let begun = std::time::Instant::now();
                    let is_over = queue.sweep(at(20), most, &mut expired);
                    longest = longest.max(begun.elapsed().as_secs_f64());
                    steps += 1;
                    if is_over {
                        break;
                    }
                }
                println!("{name} of them too late: {steps} steps, the longest {:.3} ms", longest * 1_000.0);
            }
        }
    }
}
