//! Delays before restarts, deadlines of starts and stops, and what happens when they pass.

use super::*;

const MS: Duration = Duration::from_millis(1);

/// The plan with its effects read off in order.
struct Desk {
    plan: Plan,
    now: Instant,
}

impl Desk {
    fn boot(rules: Rules, children: Vec<ChildPolicy>) -> Self {
        let mut desk = Self { plan: Plan::new("root", rules, children).unwrap(), now: Instant::now() };
        desk.plan.boot(desk.now);
        desk.effects();
        desk
    }

    /// The effects that matter here, starts having worked.
    fn effects(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        while let Some(effect) = self.plan.pop_effect() {
            if let Effect::Start { key, run } = effect {
                self.tell(Event::StartReturned { key, run, result: Ok(Up::Child) });
            }
            if !matches!(effect, Effect::Changed { .. } | Effect::Note { .. } | Effect::Booted) {
                effects.push(effect);
            }
        }
        effects
    }

    fn tell(&mut self, event: Event) {
        self.plan.handle(self.now, 0.5, event);
    }

    fn fail(&mut self, key: u64) {
        let run = self.run(key);
        self.tell(Event::Exited { key: Key(key), run, exit: Exit::Failed("no".into()) });
    }

    fn run(&self, key: u64) -> Run {
        self.plan.children[&Key(key)].run().unwrap()
    }

    fn timer(&mut self, after: Duration, effect: &Effect) {
        let Effect::Timer { key, token, after: armed } = effect else { panic!("no timer: {effect:?}") };
        assert_eq!(*armed, after);
        self.now += after;
        self.tell(Event::Timer { key: *key, token: *token });
    }

    fn state(&self, key: u64) -> NodeState {
        self.plan.view(Key(key)).unwrap().state
    }
}

fn patient(strategy: Strategy) -> Rules {
    let backoff = Backoff::try_new(100 * MS, 800 * MS, 0.0, 1000 * MS).unwrap();
    Rules { backoff, intensity: Intensity::unlimited(), ..rules(strategy) }
}

fn permanent<const N: usize>(ids: [&str; N]) -> Vec<ChildPolicy> {
    ids.map(|id| policy(id, Restart::Permanent)).into()
}

#[test]
fn early_failures_wait_longer_each_time_and_a_healthy_life_forgets_them() {
    let mut desk = Desk::boot(patient(Strategy::OneForOne), permanent(["a"]));
    for delay in [100, 200, 400, 800, 800] {
        desk.fail(0);
        assert_eq!(desk.state(0), NodeState::BackingOff);
        let effects = desk.effects();
        assert_eq!(effects.len(), 1);
        desk.timer(delay * MS, &effects[0]);
        assert!(matches!(desk.effects()[..], [Effect::Start { .. }]));
    }
    desk.now += 1000 * MS;
    desk.fail(0);
    assert!(matches!(desk.effects()[..], [Effect::Start { .. }]));
    assert_eq!(desk.plan.view(Key(0)).unwrap().restarts, 6);
}

#[test]
fn siblings_are_down_while_the_failed_child_waits() {
    let mut desk = Desk::boot(patient(Strategy::OneForAll), permanent(["a", "b", "c"]));
    desk.fail(1);
    for key in [2, 0] {
        let effects = desk.effects();
        let stop = effects.iter().find(|effect| matches!(effect, Effect::Stop { .. }));
        assert!(matches!(stop, Some(Effect::Stop { key: asked, .. }) if *asked == Key(key)));
        let run = desk.run(key);
        if key == 2 {
            assert_eq!(
                effects.last(),
                Some(&Effect::Timer {
                    key: Some(Key(2)),
                    token: desk.plan.children[&Key(2)].timer,
                    after: 5000 * MS
                })
            );
        }
        desk.tell(Event::Exited { key: Key(key), run, exit: Exit::Normal });
    }
    assert_eq!(desk.effects(), []);
    assert_eq!(desk.state(1), NodeState::BackingOff);
    let token = desk.plan.children[&Key(1)].timer;
    desk.tell(Event::Timer { key: Some(Key(1)), token });
    let started: Vec<u64> = desk
        .effects()
        .iter()
        .map(|effect| match effect {
            Effect::Start { key, .. } => key.0,
            other => panic!("only starts are left: {other:?}"),
        })
        .collect();
    assert_eq!(started, [0, 1, 2]);
}

#[test]
fn a_sibling_that_dies_before_its_turn_to_be_stopped_costs_no_restart() {
    let strict = Rules { intensity: Intensity::new(1, 5000 * MS), ..rules(Strategy::OneForAll) };
    let mut desk = Desk::boot(strict, permanent(["a", "b", "c"]));
    desk.fail(1);
    desk.effects();
    // c is being stopped; a dies of the same cause.
    desk.fail(0);
    assert_eq!(desk.effects(), []);
    let run = desk.run(2);
    desk.tell(Event::Exited { key: Key(2), run, exit: Exit::Shutdown });
    assert_eq!(desk.effects().len(), 3);
    assert!((0..3).all(|key| desk.state(key) == NodeState::Running));
}

#[test]
fn a_crowd_of_immediate_restarts_is_spread_over_the_shortest_delay() {
    let ids: Vec<String> = (0..1000).map(|n| n.to_string()).collect();
    let children = ids.iter().map(|id| policy(id, Restart::Permanent)).collect();
    let mut desk = Desk::boot(patient(Strategy::OneForOne), children);
    desk.now += 1000 * MS;
    let (mut at_once, mut delays) = (0, Vec::new());
    for key in 0..1000 {
        let run = desk.run(key);
        let roll = key as f64 / 1000.0;
        desk.plan.handle(desk.now, roll, Event::Exited { key: Key(key), run, exit: Exit::Killed });
        match desk.effects()[..] {
            [Effect::Start { .. }] => at_once += 1,
            [Effect::Timer { after, .. }] => delays.push(after),
            ref other => panic!("neither started nor delayed: {other:?}"),
        }
    }
    assert_eq!(at_once, 16);
    assert!(delays.iter().all(|delay| *delay <= 100 * MS));
    for tenth in 0..10 {
        let within = |delay: &&Duration| (10 * tenth * MS..10 * (tenth + 1) * MS).contains(*delay);
        assert!(delays.iter().filter(within).count() > 80, "restarts bunch up");
    }
}

#[test]
fn a_child_that_is_not_up_in_time_is_stopped_and_tried_again() {
    let limit = Startup::Announced(Some(50 * MS));
    let slow = ChildPolicy { startup: limit, ..policy("a", Restart::Permanent) };
    let mut desk = Desk::boot(rules(Strategy::OneForOne), vec![slow]);
    let run = desk.run(0);
    desk.tell(Event::Started { key: Key(0), run });
    desk.fail(0);
    let effects = desk.effects();
    assert!(matches!(effects[0], Effect::Start { .. }));
    desk.timer(50 * MS, &effects[1]);
    let run = desk.run(0);
    let effects = desk.effects();
    assert_eq!(effects[0], Effect::Stop { key: Key(0), run, mode: StopMode::Force });
    desk.tell(Event::Exited { key: Key(0), run, exit: Exit::Normal });
    assert!(matches!(desk.effects()[0], Effect::Start { .. }));
    assert_eq!(
        desk.plan.view(Key(0)).unwrap().last_exit,
        Some(Exit::Failed("it was not up in time".to_owned()))
    );
}

#[test]
fn a_first_start_that_is_not_up_in_time_fails_the_supervisor() {
    let slow = ChildPolicy { startup: Startup::Announced(Some(50 * MS)), ..policy("b", Restart::Permanent) };
    let mut plan =
        Plan::new("root", rules(Strategy::OneForOne), vec![policy("a", Restart::Permanent), slow]).unwrap();
    let now = Instant::now();
    plan.boot(now);
    let mut desk = Desk { plan, now };
    let effects = desk.effects();
    desk.timer(50 * MS, effects.last().unwrap());
    let run = desk.run(1);
    desk.effects();
    desk.tell(Event::Exited { key: Key(1), run, exit: Exit::Normal });
    let run = desk.run(0);
    desk.tell(Event::Exited { key: Key(0), run, exit: Exit::Normal });
    let exit = Exit::Failed("child \"b\" did not start: it was not up in time".to_owned());
    assert_eq!(desk.effects().last(), Some(&Effect::Exit(exit)));
}

#[test]
fn a_child_that_does_not_end_is_told_twice_then_abandoned_and_its_late_exit_ignored() {
    let mut desk = Desk::boot(rules(Strategy::OneForOne), permanent(["a"]));
    let run = desk.run(0);
    desk.plan.shutdown(desk.now, Exit::Shutdown, None);
    let effects = desk.effects();
    assert_eq!(effects[1], Effect::Stop { key: Key(0), run, mode: StopMode::Graceful(5000 * MS) });
    desk.timer(5000 * MS, &effects[2]);
    let effects = desk.effects();
    assert_eq!(effects[0], Effect::Stop { key: Key(0), run, mode: StopMode::Force });
    desk.timer(1000 * MS, &effects[1]);
    assert_eq!(desk.effects(), [Effect::Exit(Exit::Shutdown)]);
    assert_eq!(desk.plan.view(Key(0)).unwrap().last_exit, Some(Exit::Killed));
    desk.tell(Event::Exited { key: Key(0), run, exit: Exit::Normal });
    assert_eq!(desk.effects(), []);
}

#[test]
fn the_deadline_of_the_supervisor_shortens_that_of_its_children() {
    let endless = |id| ChildPolicy { shutdown: Shutdown::Infinite, ..policy(id, Restart::Permanent) };
    let mut desk = Desk::boot(rules(Strategy::OneForOne), vec![endless("a"), endless("b")]);
    desk.plan.shutdown(desk.now, Exit::Shutdown, Some(300 * MS));
    let run = desk.run(1);
    let effects = desk.effects();
    let deadline = effects.iter().find(|e| matches!(e, Effect::Timer { key: None, .. })).unwrap();
    assert!(effects.contains(&Effect::Stop { key: Key(1), run, mode: StopMode::Graceful(300 * MS) }));
    desk.timer(300 * MS, deadline);
    let forced: Vec<Key> = desk
        .effects()
        .iter()
        .filter_map(|effect| match effect {
            Effect::Stop { key, mode: StopMode::Force, .. } => Some(*key),
            _ => None,
        })
        .collect();
    assert_eq!(forced, [Key(1), Key(0)], "what is left is told to end at once, together");
}

#[test]
fn a_command_restarts_a_child_without_delay_and_without_counting() {
    let strict = Rules { intensity: Intensity::new(0, 5000 * MS), ..patient(Strategy::OneForAll) };
    let mut desk = Desk::boot(strict, permanent(["a", "b"]));
    for ticket in 0..3 {
        let run = desk.run(0);
        desk.plan.restart_child(desk.now, ("root", "a"), StopMode::Force, Ticket(ticket)).unwrap();
        let effects = desk.effects();
        assert_eq!(effects[0], Effect::Stop { key: Key(0), run, mode: StopMode::Force });
        desk.tell(Event::Exited { key: Key(0), run, exit: Exit::Normal });
        let effects = desk.effects();
        assert!(matches!(effects[0], Effect::Start { key: Key(0), .. }));
        assert_eq!(effects[1..], [Effect::Answer { ticket: Ticket(ticket), result: Ok(()) }]);
    }
    assert_eq!(desk.plan.view(Key(1)).unwrap().restarts, 0, "siblings are left alone");
}

#[test]
fn a_later_command_wins_and_the_earlier_one_is_told() {
    let mut desk = Desk::boot(rules(Strategy::OneForOne), permanent(["a"]));
    let run = desk.run(0);
    desk.plan.restart_child(desk.now, ("root", "a"), StopMode::Graceful(MS), Ticket(1)).unwrap();
    desk.plan.terminate_child(desk.now, ("root", "a"), Ticket(2)).unwrap();
    let overtaken = Err(SupervisorError::Superseded("a".to_owned()));
    assert!(desk.effects().contains(&Effect::Answer { ticket: Ticket(1), result: overtaken }));
    desk.tell(Event::Exited { key: Key(0), run, exit: Exit::Normal });
    assert_eq!(desk.effects(), [Effect::Answer { ticket: Ticket(2), result: Ok(()) }]);
    assert_eq!(desk.state(0), NodeState::Stopped);
}

#[test]
fn another_delay_and_another_limit_count_from_the_next_failure_on() {
    let mut desk = Desk::boot(rules(Strategy::OneForOne), vec![policy("a", Restart::Permanent)]);
    let slow = Backoff::try_new(200 * MS, 200 * MS, 0.0, Duration::from_secs(60)).unwrap();
    desk.plan.adjust("root", (Intensity::new(1, Duration::from_secs(5)), slow), Ticket(9)).unwrap();
    assert!(matches!(desk.effects()[..], [Effect::Answer { ticket: Ticket(9), result: Ok(()) }]));
    desk.fail(0);
    let effects = desk.effects();
    desk.timer(200 * MS, &effects[0]);
    desk.effects();
    desk.fail(0);
    assert!(
        desk.effects().iter().any(|effect| matches!(effect, Effect::Exit(_))),
        "the second is one too many"
    );
}
