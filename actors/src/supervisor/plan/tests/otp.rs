//! The plan does what the model of OTP does: same starts and stops in the same order, same children left, same end.

use std::collections::VecDeque;

use proptest::{collection::vec, prelude::*, strategy::Strategy as Generator};

use super::{
    Strategy as Treat,
    model::{Otp, Outcome, Script},
    *,
};

/// What happens from outside.
#[derive(Clone, Debug)]
enum Act {
    Exit(usize, Exit),
    Start(usize, Restart),
    Terminate(usize),
    Restart(usize),
    Delete(usize),
    Wait(u64),
}

/// Carries the plan's effects out on the spot, as the model does.
struct World {
    plan: Plan,
    now: Instant,
    script: Script,
    log: Vec<String>,
    ended: Option<Exit>,
    answers: Vec<bool>,
    tickets: u64,
}

const IDS: [&str; 5] = ["a", "b", "c", "d", "e"];

impl World {
    fn boot(rules: Rules, children: Vec<ChildPolicy>, script: Script, now: Instant) -> Self {
        let plan = Plan::new("root", rules, children).unwrap();
        let mut world = Self { plan, now, script, log: vec![], ended: None, answers: vec![], tickets: 0 };
        world.plan.boot(now);
        world.settle();
        world
    }

    fn settle(&mut self) {
        while let Some(effect) = self.plan.pop_effect() {
            match effect {
                Effect::Start { key, run } => {
                    let id = self.plan.id(key).unwrap().to_string();
                    self.log.push(format!("start {id}"));
                    let outcome =
                        self.script.get_mut(&id).and_then(VecDeque::pop_front).unwrap_or(Outcome::Up);
                    let result = match outcome {
                        Outcome::Up => Ok(Up::Child),
                        Outcome::Ignore => Ok(Up::Nothing),
                        Outcome::Fail => Err("no".to_owned()),
                    };
                    self.plan.handle(self.now, 0.5, Event::StartReturned { key, run, result });
                }
                Effect::Stop { key, run, .. } => {
                    self.log.push(format!("stop {}", self.plan.id(key).unwrap()));
                    self.plan.handle(self.now, 0.5, Event::Exited { key, run, exit: Exit::Shutdown });
                }
                Effect::Answer { result, .. } => self.answers.push(result.is_ok()),
                Effect::Exit(exit) => self.ended = Some(exit),
                _ => {}
            }
        }
    }

    fn children(&self) -> Vec<String> {
        let state = |child: &Child| match child.phase {
            Phase::Running { .. } => "up",
            Phase::Idle => "down",
            _ => "restarting",
        };
        self.plan.children.values().map(|child| format!("{} {}", child.policy.id, state(child))).collect()
    }

    fn exit(&mut self, id: &str, exit: Exit) {
        let key = self.plan.ids[id];
        let run = self.plan.children[&key].run().unwrap();
        self.plan.handle(self.now, 0.5, Event::Exited { key, run, exit });
    }

    /// Gives a command and returns its answer.
    fn command(&mut self, command: impl FnOnce(&mut Plan, Ticket) -> Result<(), SupervisorError>) -> bool {
        let ticket = Ticket(self.tickets);
        self.tickets += 1;
        if command(&mut self.plan, ticket).is_err() {
            return false;
        }
        self.settle();
        self.answers.pop().expect("an accepted command is answered")
    }
}

/// Does the same to both and returns their answers.
fn both(world: &mut World, otp: &mut Otp, act: Act) -> (bool, bool) {
    let now = world.now;
    match act {
        Act::Exit(at, exit) => {
            let alive = otp.alive();
            if !alive.is_empty() {
                let id = &alive[at % alive.len()];
                otp.exited(now, id, &exit);
                world.exit(id, exit);
                world.settle();
            }
            (true, true)
        }
        Act::Start(at, restart) => {
            let new = policy(IDS[at], restart);
            let expected = otp.start_child(new.clone());
            (world.command(|plan, ticket| plan.start_child(now, "root", new, ticket).map(drop)), expected)
        }
        Act::Terminate(at) => {
            let expected = otp.terminate_child(IDS[at]);
            (world.command(|plan, ticket| plan.terminate_child(now, ("root", IDS[at]), ticket)), expected)
        }
        Act::Restart(at) if otp.is_down(IDS[at]) => {
            let mode = StopMode::Force;
            let expected = otp.restart_child(IDS[at]);
            (world.command(|plan, ticket| plan.restart_child(now, ("root", IDS[at]), mode, ticket)), expected)
        }
        Act::Restart(_) => (true, true),
        Act::Delete(at) => {
            let expected = otp.delete_child(IDS[at]);
            (world.command(|plan, ticket| plan.delete_child(("root", IDS[at]), ticket)), expected)
        }
        Act::Wait(seconds) => {
            world.now += Duration::from_secs(seconds);
            (true, true)
        }
    }
}

fn restarts() -> impl Generator<Value = Restart> {
    prop_oneof![Just(Restart::Permanent), Just(Restart::Transient), Just(Restart::Temporary)]
}

fn exits() -> impl Generator<Value = Exit> {
    prop_oneof![
        Just(Exit::Normal),
        Just(Exit::Shutdown),
        Just(Exit::Failed("no".into())),
        Just(Exit::Panicked("no".into())),
        Just(Exit::Killed),
        Just(Exit::Escalated)
    ]
}

fn acts() -> impl Generator<Value = Act> {
    let id = 0..IDS.len();
    prop_oneof![
        6 => (id.clone(), exits()).prop_map(|(at, exit)| Act::Exit(at, exit)),
        2 => (id.clone(), restarts()).prop_map(|(at, restart)| Act::Start(at, restart)),
        1 => id.clone().prop_map(Act::Terminate),
        1 => id.clone().prop_map(Act::Restart),
        1 => id.prop_map(Act::Delete),
        2 => (0_u64..4).prop_map(Act::Wait),
    ]
}

fn scripts() -> impl Generator<Value = Script> {
    let outcome = prop_oneof![
        6 => Just(Outcome::Up), 1 => Just(Outcome::Ignore), 2 => Just(Outcome::Fail)
    ];
    vec(vec(outcome, 0..8), IDS.len())
        .prop_map(|plans| IDS.map(str::to_owned).into_iter().zip(plans.into_iter().map(Into::into)).collect())
}

fn all_rules() -> impl Generator<Value = Rules> {
    let strategies = prop_oneof![
        Just(Treat::OneForOne),
        Just(Treat::RestForOne),
        Just(Treat::OneForAll),
        Just(Treat::Dynamic)
    ];
    let autos = prop_oneof![
        Just(AutoShutdown::Never),
        Just(AutoShutdown::AnySignificant),
        Just(AutoShutdown::AllSignificant)
    ];
    (strategies, autos, 0_u32..6, 0_u64..6).prop_map(|(strategy, auto_shutdown, max, period)| Rules {
        auto_shutdown,
        intensity: Intensity::new(max, Duration::from_secs(period)),
        ..rules(strategy)
    })
}

fn families() -> impl Generator<Value = (Rules, Vec<ChildPolicy>)> {
    (all_rules(), vec((restarts(), any::<bool>()), 0..4)).prop_map(|(rules, kids)| {
        let auto = rules.auto_shutdown != AutoShutdown::Never;
        let kids = kids.into_iter().zip(IDS).map(|((restart, significant), id)| ChildPolicy {
            significant: significant && auto && restart != Restart::Permanent,
            ..policy(id, restart)
        });
        (rules, kids.collect())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn does_what_otp_does((rules, children) in families(), script in scripts(), acts in vec(acts(), 0..25)) {
        let now = Instant::now();
        let mut world = World::boot(rules.clone(), children.clone(), script.clone(), now);
        let mut otp = Otp::boot(rules, children, script);
        for act in acts {
            prop_assert_eq!(&world.log, &otp.log);
            prop_assert_eq!(&world.ended, &otp.ended);
            if otp.ended.is_some() {
                break;
            }
            prop_assert_eq!(world.children(), otp.children());
            let (answer, expected) = both(&mut world, &mut otp, act);
            prop_assert_eq!(answer, expected);
        }
        if otp.ended.is_none() {
            otp.shutdown(Exit::Shutdown);
            world.plan.shutdown(world.now, Exit::Shutdown, None);
            world.settle();
        }
        prop_assert_eq!(world.log, otp.log);
        prop_assert_eq!(world.ended, otp.ended);
    }
}
