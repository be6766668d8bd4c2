//! Why the service is in its state. Pure.

use std::collections::BTreeMap;

use super::trouble::{Trouble, is_behind, missing};
use super::{count, grouped};
use crate::admin::record::Recent;
use crate::admin::state::{PusherRow, RouteRow, Snapshot, State};
use crate::flow::PusherState;
use crate::flow::breaker::Why;

/// Returns why the service is in its state.
pub(in crate::admin) fn why(snapshot: &Snapshot, recent: &Recent) -> String {
    let collector = &snapshot.collector;
    let held = snapshot.ledger.held();
    let text = match snapshot.state {
        State::Ok => return format!("pushes go out as they come; {}", ready(snapshot)),
        State::Degraded => return troubles(snapshot, recent),
        State::Draining if held == 0 => "new pushes are refused; everything held has ended".to_owned(),
        State::Draining => {
            format!("new pushes are refused; {} left to deliver", count(held, "push", "pushes"))
        }
        State::Paused => {
            format!("every route is paused; {} wait", count(collector.buffered, "push", "pushes"))
        }
        State::Shedding => {
            let rate = snapshot.rates.shed_per_second.ceil() as u64;
            let dropped = count(rate, "push", "pushes");
            format!("{dropped} a second are dropped, the buffer is {:.0} % full", fill(snapshot))
        }
        State::Saturated => format!(
            "{} wait; the buffer is {:.0} % full",
            count(collector.buffered, "push", "pushes"),
            fill(snapshot)
        ),
    };
    let also = troubles(snapshot, recent);
    if also.is_empty() { text } else { format!("{text}; {also}") }
}

fn ready(snapshot: &Snapshot) -> String {
    let ready = snapshot.pushers.iter().filter(|pusher| pusher.state == PusherState::Ready).count();
    format!("{ready} of {} connections are ready", snapshot.pushers.len())
}

fn fill(snapshot: &Snapshot) -> f64 {
    let collector = &snapshot.collector;
    let share = |part: u64, whole: u64| part as f64 / whole.max(1) as f64 * 100.0;
    share(collector.buffered, collector.capacity)
        .max(share(collector.buffered_bytes, collector.capacity_bytes))
        // Arrivals may stand in front of a full buffer, and are counted with it.
        .min(100.0)
}

/// What is wrong with the collector and the routes; empty if nothing is.
fn troubles(snapshot: &Snapshot, recent: &Recent) -> String {
    let all = Trouble::all(snapshot).into_iter();
    let routes = all.map(|(trouble, route)| sentence(snapshot, recent, trouble, route));
    behind(snapshot).into_iter().chain(routes).collect::<Vec<_>>().join("; ")
}

fn behind(snapshot: &Snapshot) -> Option<String> {
    let collector = &snapshot.collector;
    let waits = format!(
        "the collector is behind: {} of {} pushes in {} of {} batches wait at its door",
        grouped(collector.intake_pushes),
        grouped(collector.intake_capacity),
        grouped(collector.intake_batches),
        grouped(collector.intake_capacity_batches),
    );
    let rate = snapshot.rates.shed_behind_per_second.ceil() as u64;
    let shed = if rate > 0 { format!(", {} a second are shed there", grouped(rate)) } else { String::new() };
    is_behind(snapshot).then(|| waits + &shed)
}

fn sentence(snapshot: &Snapshot, recent: &Recent, trouble: Trouble, route: &RouteRow) -> String {
    let name = &route.name;
    match trouble {
        Trouble::Down => {
            format!("route {name} is down: its supervisor gave up{}", last_error(snapshot, route))
        }
        Trouble::Full => {
            format!("route {name}: all {} places of its windows are taken", grouped(route.window))
        }
        Trouble::KeptBack => {
            let reason = route.breaker.reason.map_or("", Why::sentence);
            let waiting = count(route.buffered, "push waits", "pushes wait");
            let code = recent.problems.iter().find(|problem| problem.kind == "answer");
            let code = code.map_or_else(String::new, |code| format!(" ({})", code.reason));
            format!("route {name}: {}: {reason}{code}; {waiting}", route.breaker.short())
        }
        Trouble::Refused | Trouble::Unconnected | Trouble::PartlyPaused => {
            let mut states = BTreeMap::<&str, usize>::new();
            missing(snapshot, route)
                .for_each(|pusher| *states.entry(pusher.state.as_str()).or_default() += 1);
            let states: Vec<String> = states
                .iter()
                .map(|(state, number)| format!("{number} {}", state.replace('_', " ")))
                .collect();
            format!(
                "route {name}: {} of {} connections are ready ({}){}",
                route.ready,
                route.connections,
                states.join(", "),
                last_error(snapshot, route)
            )
        }
    }
}

fn last_error(snapshot: &Snapshot, route: &RouteRow) -> String {
    let by_age =
        |pusher: &&PusherRow| pusher.last_error_age_seconds.map_or(u64::MAX, |age| (age * 1_000.0) as u64);
    let error = missing(snapshot, route).min_by_key(by_age).and_then(|pusher| pusher.last_error.as_deref());
    error.map_or_else(String::new, |error| format!("; last error: {error}"))
}
