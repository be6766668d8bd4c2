//! The plan against an independent model of OTP's rules, and its invariants under any order of events.

use std::time::{Duration, Instant};

use super::*;
use crate::{
    backoff::Backoff,
    supervisor::{
        intensity::Intensity,
        spec::{AutoShutdown, ChildKind, Restart, Shutdown, Startup, Strategy},
        stop::StopMode,
    },
};

mod chaos;
mod delays;
mod model;
mod otp;

fn rules(strategy: Strategy) -> Rules {
    Rules {
        strategy,
        intensity: Intensity::new(3, Duration::from_secs(5)),
        backoff: Backoff::none(),
        auto_shutdown: AutoShutdown::Never,
        max_starting: 4,
        grace: Duration::from_secs(1),
    }
}

fn policy(id: &str, restart: Restart) -> ChildPolicy {
    ChildPolicy {
        id: id.into(),
        restart,
        shutdown: Shutdown::default(),
        significant: false,
        kind: ChildKind::Worker,
        startup: Startup::Returned,
    }
}

#[test]
fn refuses_specifications_that_make_no_sense() {
    let significant = |restart| ChildPolicy { significant: true, ..policy("a", restart) };
    let any = Rules { auto_shutdown: AutoShutdown::AnySignificant, ..rules(Strategy::OneForOne) };
    let check = |rules, children| Plan::new("root", rules, children).err();
    let twice = vec![policy("a", Restart::Permanent), policy("a", Restart::Permanent)];
    assert_eq!(check(rules(Strategy::OneForOne), twice), Some(SpecError::Duplicate("a".into())));
    assert_eq!(
        check(any, vec![significant(Restart::Permanent)]),
        Some(SpecError::SignificantPermanent("a".into()))
    );
    assert_eq!(
        check(rules(Strategy::OneForOne), vec![significant(Restart::Transient)]),
        Some(SpecError::SignificantIgnored("a".into()))
    );
    let none = Rules { max_starting: 0, ..rules(Strategy::OneForOne) };
    assert_eq!(check(none, Vec::new()), Some(SpecError::NoStarts("root".into())));
}

#[test]
fn a_supervisor_without_children_is_up_at_once_and_down_at_once() {
    let now = Instant::now();
    let mut plan = Plan::new("root", rules(Strategy::OneForAll), Vec::new()).unwrap();
    plan.boot(now);
    assert_eq!(plan.pop_effect(), Some(Effect::Booted));
    plan.shutdown(now, Exit::Shutdown, None);
    assert_eq!(plan.pop_effect(), Some(Effect::Stopping));
    assert_eq!(plan.pop_effect(), Some(Effect::Exit(Exit::Shutdown)));
    assert_eq!(plan.pop_effect(), None);
}
