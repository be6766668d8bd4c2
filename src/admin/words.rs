//! Sentences for the operator: why the service is in its state, and what to do about it. Pure.

use std::collections::BTreeMap;

use super::state::{RouteRow, RouteState, Snapshot, State};
use crate::flow::PusherState;
use crate::flow::breaker::Why;

/// Returns why the service is in its state.
pub(super) fn why(snapshot: &Snapshot) -> String {
    let collector = &snapshot.collector;
    let held = snapshot.ledger.held();
    match snapshot.state {
        State::Ok => format!("pushes go out as they come; {}", ready(snapshot)),
        State::Draining if held == 0 => "new pushes are refused; everything held has ended".to_owned(),
        State::Draining => {
            format!("new pushes are refused; {} left to deliver", count(held, "push", "pushes"))
        }
        State::Paused => {
            format!("every route is paused; {} wait", count(collector.buffered, "push", "pushes"))
        }
        State::Shedding => {
            let most = fill(snapshot);
            let rate = snapshot.rates.shed_per_second.ceil() as u64;
            let also = troubles(snapshot);
            let also = if also.is_empty() { also } else { format!("; also: {also}") };
            format!(
                "the buffer is {most:.0} % full: {} a second are dropped{also}",
                count(rate, "push", "pushes")
            )
        }
        State::Degraded => troubles(snapshot),
        State::Saturated => saturation(snapshot),
    }
}

/// Returns what the operator can do.
pub(super) fn advice(snapshot: &Snapshot) -> &'static str {
    let refused = snapshot.pushers.iter().any(|pusher| pusher.state == PusherState::Failed);
    let paused = snapshot.pushers.iter().any(|pusher| pusher.state == PusherState::Paused);
    let down = snapshot.routes.iter().any(|route| route.state == RouteState::Down);
    let kept_back = snapshot.routes.iter().any(|route| route.breaker.keeps_back());
    let connected = snapshot.pushers.iter().all(|pusher| pusher.state == PusherState::Ready);
    match snapshot.state {
        State::Ok => "Nothing to do.",
        State::Draining => "To take pushes again, press Resume intake.",
        State::Paused => "To deliver again, press Resume at the route.",
        State::Degraded if refused => {
            "The provider refuses the credentials. Correct them in the configuration and send SIGHUP, which reads it again."
        }
        State::Degraded if down => {
            "The route's supervisor gave up and starts again by itself. The last errors below say why its connections fail."
        }
        State::Degraded if kept_back && connected => {
            "The provider does not take what it gets. Nothing is lost: pushes wait, and a few try it again by themselves. If it goes on, \
             see the provider's status page, its quota and the project's credentials."
        }
        State::Degraded if paused => "To use the paused pushers again, press Resume in their rows.",
        State::Degraded => {
            "Connections are opened again by themselves, with growing delays. Press Restart to try one at once; \
             if all fail, check the provider and the network."
        }
        State::Shedding | State::Saturated => {
            "More arrives than the provider takes. Ack p99 far above normal: the provider is slow, wait. Ack p99 \
             normal: press Scale at the route, if the provider allows more connections."
        }
    }
}

fn saturation(snapshot: &Snapshot) -> String {
    let full = snapshot.routes.iter().find(|route| route.buffered > 0 && route.in_flight >= route.window);
    match full {
        Some(route) => format!(
            "route {}: all {} places of its windows are taken, and {} wait",
            route.name,
            route.window,
            count(route.buffered, "push", "pushes")
        ),
        None => format!(
            "{} wait; the buffer is {:.0} % full",
            count(snapshot.collector.buffered, "push", "pushes"),
            fill(snapshot)
        ),
    }
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

/// What is wrong with the routes; empty if nothing is.
fn troubles(snapshot: &Snapshot) -> String {
    let wrong = |route: &&RouteRow| {
        !matches!(route.state, RouteState::Ready | RouteState::Paused | RouteState::Removed)
    };
    let texts: Vec<String> =
        snapshot.routes.iter().filter(wrong).map(|route| trouble(snapshot, route)).collect();
    texts.join("; ")
}

fn trouble(snapshot: &Snapshot, route: &RouteRow) -> String {
    let name = &route.name;
    let others =
        snapshot.pushers.iter().filter(|pusher| pusher.route == *name && pusher.state != PusherState::Ready);
    let mut states = BTreeMap::<&str, usize>::new();
    others.clone().for_each(|pusher| *states.entry(pusher.state.as_str()).or_default() += 1);
    let states: Vec<String> =
        states.iter().map(|(state, number)| format!("{number} {}", state.replace('_', " "))).collect();
    let by_age = |pusher: &&super::state::PusherRow| {
        pusher.last_error_age_seconds.map_or(u64::MAX, |age| (age * 1_000.0) as u64)
    };
    let error = others.min_by_key(by_age).and_then(|pusher| pusher.last_error.as_deref());
    let error = error.map_or_else(String::new, |error| format!("; last error: {error}"));
    if route.state == RouteState::Down {
        return format!("route {name} is down: its supervisor gave up{error}");
    }
    let (ready, all) = (route.ready, route.connections);
    if route.breaker.keeps_back() && ready == all {
        let reason = route.breaker.reason.map_or("", Why::sentence);
        let waiting = count(route.buffered, "push waits", "pushes wait");
        return format!("route {name}: {}, since {reason}; {waiting}", route.breaker.words());
    }
    format!("route {name}: {ready} of {all} connections are ready ({}){error}", states.join(", "))
}

fn count(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

/// Returns a number with a comma after each thousand.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns a span in its two largest units.
pub(crate) fn span(seconds: f64) -> String {
    let whole = seconds as u64;
    match whole {
        _ if seconds < 10.0 => format!("{seconds:.1} s"),
        0..60 => format!("{whole} s"),
        60..3_600 => format!("{} min {} s", whole / 60, whole % 60),
        3_600..86_400 => format!("{} h {} min", whole / 3_600, whole / 60 % 60),
        _ => format!("{} d {} h", whole / 86_400, whole / 3_600 % 24),
    }
}

/// Returns a rate.
pub(crate) fn rate(per_second: f64) -> String {
    if per_second > 0.0 && per_second < 9.95 {
        format!("{per_second:.1}")
    } else {
        grouped(per_second.round() as u64)
    }
}

/// Returns a latency.
pub(crate) fn millis(millis: f64) -> String {
    match millis {
        _ if millis <= 0.0 => "–".to_owned(),
        _ if millis < 10.0 => format!("{millis:.1} ms"),
        _ if millis < 10_000.0 => format!("{} ms", grouped(millis.round() as u64)),
        _ => format!("{:.1} s", millis / 1_000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::super::state::tests::fresh;
    use super::*;

    #[test]
    fn a_degraded_service_names_route_counts_and_the_latest_error() {
        let mut snapshot = fresh(4);
        snapshot.state = State::Degraded;
        snapshot.routes[0].state = RouteState::Degraded;
        snapshot.routes[0].ready = 1;
        for (number, age) in [(1, 9.0), (2, 2.0), (3, 5.0)] {
            let pusher = &mut snapshot.pushers[number];
            pusher.state = if number == 1 { PusherState::Connecting } else { PusherState::BackingOff };
            pusher.last_error = Some(format!("error {number}"));
            pusher.last_error_age_seconds = Some(age);
        }
        assert_eq!(
            why(&snapshot),
            "route android: 1 of 4 connections are ready (2 backing off, 1 connecting); last error: error 2"
        );
        assert!(advice(&snapshot).contains("Restart"));
        snapshot.pushers[1].state = PusherState::Failed;
        assert!(advice(&snapshot).contains("credentials"));
        snapshot.state = State::Shedding;
        assert!(why(&snapshot).contains("; also: route android"));
    }

    #[test]
    fn an_open_breaker_says_why_and_what_waits() {
        let mut snapshot = fresh(1);
        snapshot.state = State::Degraded;
        let route = &mut snapshot.routes[0];
        (route.state, route.buffered) = (RouteState::Degraded, 1_200);
        route.breaker.state = crate::flow::breaker::State::Open;
        (route.breaker.reason, route.breaker.until_seconds) = (Some(Why::Trouble), Some(2.0));
        assert_eq!(
            why(&snapshot),
            "route android: breaker open (trouble), 2.0 s left, since the provider fails or does not answer; 1,200 pushes wait"
        );
        assert!(advice(&snapshot).contains("Nothing is lost"));
    }

    #[test]
    fn every_state_has_a_reason_and_an_advice() {
        let mut snapshot = fresh(1);
        assert_eq!(why(&snapshot), "pushes go out as they come; 1 of 1 connections are ready");
        snapshot.collector.buffered = 9;
        snapshot.routes[0].buffered = 9;
        snapshot.routes[0].in_flight = 100;
        snapshot.ledger.buffered = 1;
        let table = [
            (State::Saturated, "route android: all 100 places of its windows are taken, and 9 pushes wait"),
            (State::Shedding, "the buffer is 90 % full: 0 pushes a second are dropped"),
            (State::Draining, "new pushes are refused; 1 push left to deliver"),
            (State::Paused, "every route is paused; 9 pushes wait"),
        ];
        for (state, text) in table {
            snapshot.state = state;
            assert_eq!(why(&snapshot), text);
            assert!(!advice(&snapshot).is_empty());
        }
    }

    #[test]
    fn figures_are_written_for_people() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [0.04, 12.0, 75.0, 7_260.0, 90_000.0].map(span),
            ["0.0 s", "12 s", "1 min 15 s", "2 h 1 min", "1 d 1 h"]
        );
        assert_eq!([0.0, 0.4, 9.96, 1_234.4].map(rate), ["0", "0.4", "10", "1,234"]);
        assert_eq!(
            [0.0, 1.26, 52.4, 1_500.0, 12_345.0].map(millis),
            ["–", "1.3 ms", "52 ms", "1,500 ms", "12.3 s"]
        );
    }
}
