//! Whatever comes in whatever order, the plan keeps its invariants and comes to rest.

use std::collections::HashMap;

use proptest::{collection::vec, prelude::*, strategy::Strategy as Generator};

use super::{Strategy as Treat, *};

/// A world in which effects are carried out late, children take their time, and timers run out meanwhile.
struct World {
    plan: Plan,
    now: Instant,
    /// Every run there is: whether it has been asked to end.
    live: Vec<(Key, Run, bool)>,
    timers: Vec<(Instant, Option<Key>, u64)>,
    tickets: HashMap<Ticket, usize>,
    refused: usize,
    booted: usize,
    ended: usize,
}

const IDS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

impl World {
    fn new(rules: Rules, children: Vec<ChildPolicy>) -> Self {
        let plan = Plan::new("root", rules, children).unwrap();
        let mut world = Self {
            plan,
            now: Instant::now(),
            live: vec![],
            timers: vec![],
            tickets: HashMap::new(),
            refused: 0,
            booted: 0,
            ended: 0,
        };
        world.plan.boot(world.now);
        world
    }

    /// Carries one effect out; a start works unless `pick` says otherwise.
    fn perform(&mut self, pick: usize) -> bool {
        let Some(effect) = self.plan.pop_effect() else { return false };
        match effect {
            Effect::Start { key, run } => self.start(key, run, pick),
            Effect::Stop { run, .. } => {
                for (_, live, asked) in &mut self.live {
                    *asked |= *live == run;
                }
            }
            Effect::Timer { key, token, after } => self.timers.push((self.now + after, key, token)),
            Effect::Answer { ticket, .. } => *self.tickets.get_mut(&ticket).expect("it was given") += 1,
            Effect::Booted => self.booted += 1,
            Effect::Exit(_) => self.ended += 1,
            Effect::Note { key, note: Note::Abandoned } => self.live.retain(|(live, ..)| *live != key),
            Effect::Note { .. } | Effect::Changed { .. } | Effect::Forget { .. } | Effect::Stopping => {}
        }
        true
    }

    fn start(&mut self, key: Key, run: Run, pick: usize) {
        assert!(self.live.iter().all(|(live, ..)| *live != key), "a child has one run at a time");
        if self.plan.rules.strategy.is_ordered() {
            assert!(self.live.iter().all(|(.., asked)| !asked), "nothing starts while a sibling stops");
        }
        let result = match pick % 8 {
            0 => Err("no".to_owned()),
            1 => Ok(Up::Nothing),
            _ => Ok(Up::Child),
        };
        if result == Ok(Up::Child) {
            self.live.push((key, run, false));
        }
        self.tell(Event::StartReturned { key, run, result });
    }

    fn tell(&mut self, event: Event) {
        self.plan.handle(self.now, 0.3, event);
    }

    fn announce(&mut self, pick: usize) {
        if let Some(&(key, run, _)) = self.live.get(pick % self.live.len().max(1)) {
            self.tell(Event::Started { key, run });
        }
    }

    fn exit(&mut self, pick: usize, exit: Exit) {
        if !self.live.is_empty() {
            let (key, run, _) = self.live.swap_remove(pick % self.live.len());
            self.tell(Event::Exited { key, run, exit });
        }
    }

    fn fire(&mut self) -> bool {
        let next = (0..self.timers.len()).min_by_key(|at| self.timers[*at].0);
        let Some(next) = next else { return false };
        let (at, key, token) = self.timers.swap_remove(next);
        self.now = self.now.max(at);
        self.tell(Event::Timer { key, token });
        true
    }

    fn command(&mut self, kind: usize, pick: usize) {
        let ticket = Ticket(self.tickets.len() as u64 + self.refused as u64);
        let (now, id) = (self.now, IDS[pick % IDS.len()]);
        let modes = [StopMode::Force, StopMode::Graceful(Duration::from_millis(20))];
        let kinds = [Restart::Permanent, Restart::Transient, Restart::Temporary];
        let given = match kind % 5 {
            0 => self.plan.start_child(now, "root", policy(id, kinds[pick % 3]), ticket).map(drop),
            1 => self.plan.terminate_child(now, ("root", id), ticket),
            2 | 3 => self.plan.restart_child(now, ("root", id), modes[kind % 2], ticket),
            _ => self.plan.delete_child(("root", id), ticket),
        };
        match given {
            Ok(()) => drop(self.tickets.insert(ticket, 0)),
            Err(_) => self.refused += 1,
        }
    }

    fn act(&mut self, kind: usize, pick: usize) {
        match kind {
            0..20 => drop(self.perform(pick)),
            20..28 => self.announce(pick),
            28..34 => self.exit(pick, Exit::Panicked("no".into())),
            34..38 => self.exit(pick, Exit::Normal),
            38..44 => drop(self.fire()),
            44..54 => self.command(kind - 44, pick),
            _ => {
                let within = Duration::from_millis(pick as u64 % 40);
                self.plan.shutdown(self.now, Exit::Shutdown, (pick % 3 != 2).then_some(within));
            }
        }
        self.check();
    }

    /// Lets all that is under way come to its end: starts work, what is asked to end ends.
    fn rest(&mut self) {
        for _ in 0..10_000 {
            self.check();
            if self.perform(2) {
                continue;
            }
            if let Some(at) = self.live.iter().position(|(.., asked)| *asked) {
                self.exit(at, Exit::Normal);
                continue;
            }
            let starting = |(key, ..): &(Key, Run, bool)| {
                self.plan.children.get(key).is_some_and(|c| matches!(c.phase, Phase::Starting { .. }))
            };
            match self.live.iter().position(starting) {
                Some(at) => self.announce(at),
                None if self.fire() => {}
                None => return,
            }
        }
        panic!("the plan does not come to rest: {:?}", self.plan);
    }

    /// What is counted and what is listed agree with the phases.
    fn check(&self) {
        let of =
            |wanted: fn(&Phase) -> bool| self.plan.children.values().filter(|c| wanted(&c.phase)).count();
        let counts = &self.plan.counts;
        assert_eq!(counts.waiting, of(|p| matches!(p, Phase::Waiting)));
        assert_eq!(counts.starting, of(|p| matches!(p, Phase::Starting { .. })));
        assert_eq!(counts.running, of(|p| matches!(p, Phase::Running { .. })));
        assert_eq!(counts.stopping, of(|p| matches!(p, Phase::Stopping { .. })));
        assert_eq!(self.plan.queued.len(), of(|p| matches!(p, Phase::Queued { .. })));
        assert!(self.plan.doomed.iter().all(|key| {
            matches!(self.plan.children[key].phase, Phase::Starting { .. } | Phase::Running { .. })
        }));
        assert_eq!(self.plan.ids.len(), self.plan.children.len());
        assert!(self.plan.counts.starting <= self.plan.rules.max_starting);
        assert!(self.tickets.values().all(|answers| *answers <= 1), "a ticket is answered once");
        assert!(self.ended <= 1 && self.booted <= 1);
    }
}

fn rulebooks() -> impl Generator<Value = Rules> {
    let strategies = prop_oneof![
        Just(Treat::OneForOne),
        Just(Treat::RestForOne),
        Just(Treat::OneForAll),
        Just(Treat::Dynamic)
    ];
    let delays = prop_oneof![
        Just(Backoff::none()),
        Just(
            Backoff::try_new(
                Duration::from_millis(5),
                Duration::from_millis(40),
                0.5,
                Duration::from_millis(30)
            )
            .unwrap()
        )
    ];
    (strategies, delays, 0_u32..8, 1_usize..3).prop_map(|(strategy, backoff, max, starts)| Rules {
        backoff,
        intensity: Intensity::new(max, Duration::from_millis(60)),
        max_starting: starts,
        ..rules(strategy)
    })
}

fn children() -> impl Generator<Value = Vec<ChildPolicy>> {
    vec((0_usize..3, 0_usize..3, 0_usize..3), 0..5).prop_map(|kids| {
        let restarts = [Restart::Permanent, Restart::Transient, Restart::Temporary];
        let shutdowns = [Shutdown::Brutal, Shutdown::After(Duration::from_millis(10)), Shutdown::Infinite];
        let startups = [
            Startup::Returned,
            Startup::Announced(None),
            Startup::Announced(Some(Duration::from_millis(15))),
        ];
        let child = |((restart, shutdown, startup), id): (_, &str)| ChildPolicy {
            shutdown: shutdowns[shutdown],
            startup: startups[startup],
            ..policy(id, restarts[restart])
        };
        kids.into_iter().zip(IDS).map(child).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn keeps_its_invariants_and_comes_to_rest(
        rules in rulebooks(),
        children in children(),
        acts in vec((0_usize..55, 0_usize..1000), 0..120),
    ) {
        let mut world = World::new(rules, children);
        for (kind, pick) in acts {
            world.act(kind, pick);
        }
        world.rest();
        if world.ended == 0 {
            prop_assert_eq!(world.booted, 1);
            for child in world.plan.children.values() {
                let resting = matches!(child.phase, Phase::Idle | Phase::Running { .. });
                prop_assert!(resting, "{:?}", child);
            }
            world.plan.shutdown(world.now, Exit::Shutdown, None);
            world.rest();
        }
        prop_assert_eq!(world.ended, 1);
        prop_assert!(world.live.is_empty(), "nothing survives the supervisor");
        prop_assert!(world.tickets.values().all(|answers| *answers == 1), "every command is answered");
    }
}
