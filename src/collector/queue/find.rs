//! Looking for one push in the queue, some places at a time. Pure.
//!
//! The queue may change between two steps. What stays where it is or moves towards the pushers is not missed: places and moments keep their
//! order, new pushes stand behind the others, and a lane that closes its gaps gives its pushes higher numbers.

use super::{Part, Queue};
use crate::flow::{Search, Sighting, Spot, Wanted, Whereabouts};
use crate::push::Push;

// === impl Queue ===

impl Queue {
    /// Goes on with a search, over up to `most` places.
    pub fn look(&self, wanted: &Wanted, search: &mut Search, most: usize) -> Option<Sighting> {
        let mut left = most;
        while left > 0 {
            let Some(part) = self.parts.get(search.part) else {
                search.is_over = true;
                return None;
            };
            let found = match search.spot {
                Spot::Delayed(_) => part.look_at_delayed(wanted, &mut search.spot, &mut left),
                Spot::Lane { .. } => part.look_at_lane(wanted, search, &mut left),
            };
            if found.is_some() {
                return found;
            }
        }
        None
    }
}

// === impl Part ===

impl Part {
    fn look_at_delayed(&self, wanted: &Wanted, spot: &mut Spot, left: &mut usize) -> Option<Sighting> {
        let Spot::Delayed(last) = spot else { return None };
        for (at, push) in self.delayed.behind(*last).take(*left) {
            *last = Some(at);
            *left -= 1;
            if is_it(wanted, push) {
                return Some(Sighting::of(push, Whereabouts::WaitingRetry { due: at.0 }));
            }
        }
        if *left > 0 {
            *left -= 1;
            *spot = Spot::Lane { lane: 0, sender: 0, place: 0 };
        }
        None
    }

    fn look_at_lane(&self, wanted: &Wanted, search: &mut Search, left: &mut usize) -> Option<Sighting> {
        let Spot::Lane { lane, sender, place } = &mut search.spot else { return None };
        let Some(line) = self.lanes.line(*lane) else {
            *search = Search { part: search.part + 1, ..Search::default() };
            return None;
        };
        let Some(pushes) = line.of(*sender) else {
            *left -= 1;
            (*lane, *sender, *place) = (*lane + 1, 0, 0);
            return None;
        };
        for (at, push) in pushes.behind(*place).take(*left) {
            *place = at + 1;
            *left -= 1;
            if let Some(push) = push.filter(|push| is_it(wanted, push)) {
                return Some(Sighting::of(push, Whereabouts::Buffered));
            }
        }
        if *left > 0 {
            *left -= 1;
            (*sender, *place) = (*sender + 1, 0);
        }
        None
    }
}

fn is_it(wanted: &Wanted, push: &Push) -> bool {
    wanted.is(push.sender, push.key, push.name.as_deref())
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use proptest::prelude::*;

    use super::super::{Gone, Keep};
    use super::*;
    use crate::collector::occupancy::{Limits, Load};
    use crate::push::fixture::push;
    use crate::push::{Lane, PushKey, RouteId, SenderId};
    use crate::units::Moment;

    fn queue(parts: usize) -> Queue {
        let all = Load { pushes: 10_000_000, bytes: u64::MAX / 4 };
        let mut queue = Queue::new(Limits::new(all, 0.0, &[1]), Keep::Newest);
        (0..parts).for_each(|_| queue.open(RouteId(0)));
        queue
    }

    fn wanted(number: u128) -> Wanted {
        Wanted::new(&PushKey::from_u128(number).to_string(), None)
    }

    /// Looks for a push by steps, doing something between them; returns where it is, and the number of steps.
    fn find(
        queue: &mut Queue,
        number: u128,
        most: usize,
        mut between: impl FnMut(&mut Queue),
    ) -> (Option<Whereabouts>, usize) {
        let (wanted, mut search, mut steps) = (wanted(number), Search::default(), 0);
        while !search.is_over {
            steps += 1;
            if let Some(sighting) = queue.look(&wanted, &mut search, most) {
                assert_eq!(sighting.key.as_u128(), number);
                return (Some(sighting.place), steps);
            }
            between(queue);
        }
        (None, steps)
    }

    proptest! {
        #[test]
        fn whatever_stays_in_the_queue_is_found_by_small_steps_while_others_come_and_go(
            pushes in prop::collection::vec((0..3_usize, 0..4_usize, 0..3_u16, prop::option::of(1..50_u64)), 1..150),
            most in 1..40_usize,
            moves in prop::collection::vec((0..3_usize, 0..4_usize, any::<bool>()), 0..80),
        ) {
            let mut queue = queue(3);
            for (number, (part, lane, sender, due)) in (0..).zip(&pushes) {
                let route = RouteId::at(*part);
                let push = Push { route, sender: SenderId(*sender), ..push(number, Lane::ALL[*lane]) };
                match due {
                    Some(due) => queue.delay(route, Moment::from_micros(*due), push),
                    None => queue.store(route, vec![push], &mut Gone::default()),
                }
            }
            for number in 0..pushes.len() as u128 {
                let (place, steps) = find(&mut queue, number, most, |_| {});
                prop_assert!(place.is_some() && steps <= (pushes.len() + 3 * 20) / most + 1, "{number} {steps}");
            }
            // The last of each lane stays while those before it are served and others come.
            let stays = pushes.len() as u128 + 1_000;
            queue.store(RouteId(2), vec![push(stays, Lane::Low)], &mut Gone::default());
            let (mut moves, mut next) = (moves.into_iter(), stays + 1);
            let mut is_served = false;
            let (place, _) = find(&mut queue, stays, most, |queue| {
                let Some((part, lane, arrives)) = moves.next() else { return };
                let route = RouteId::at(part);
                if arrives {
                    next += 1;
                    queue.store(route, vec![push(next, Lane::ALL[lane])], &mut Gone::default());
                } else {
                    let mut taken = Vec::new();
                    queue.take(route, 1, Moment::default(), (&mut taken, &mut Vec::new()));
                    is_served |= taken.iter().any(|push| push.key.as_u128() == stays);
                }
            });
            prop_assert!(is_served || place == Some(Whereabouts::Buffered), "{place:?}");
            prop_assert_eq!(find(&mut queue, 1 << 60, most, |_| {}).0, None);
        }
    }

    #[test]
    #[ignore = "a measurement: cargo test --release -p pushweir --lib queue::find -- --ignored --nocapture"]
    fn how_long_a_step_holds_the_queue() {
        let mut queue = queue(1);
        for number in 0..1_000_000_u128 {
            let sender = SenderId((number % 8) as u16);
            queue.store(
                RouteId(0),
                vec![Push { sender, ..push(number, Lane::ALL[number as usize % 4]) }],
                &mut Gone::default(),
            );
        }
        (0..100_000).for_each(|number| {
            queue.delay(RouteId(0), Moment::from_micros(number), push(u128::from(number) << 32, Lane::Low))
        });
        for most in [4_096, usize::MAX] {
            let (wanted, mut search, mut longest, mut steps) =
                (wanted(1 << 100), Search::default(), 0.0_f64, 0);
            let begun = Instant::now();
            while !search.is_over {
                let step = Instant::now();
                assert!(queue.look(&wanted, &mut search, most).is_none());
                longest = longest.max(step.elapsed().as_secs_f64());
                steps += 1;
            }
            println!("{steps} steps, the longest {:.3} ms, all {:?}", longest * 1_000.0, begun.elapsed());
        }
    }
}
