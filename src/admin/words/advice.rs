//! What the operator can do about the service's state. Pure.

use super::trouble::{Trouble, is_behind, missing};
use super::{count, grouped, millis};
use crate::admin::actions::MAX_CONNECTIONS;
use crate::admin::state::{RouteRow, RouteState, Snapshot, State};
use crate::flow::PusherState;

const BEHIND: &str = "The collector's thread does not get enough time for what arrives. See whether the machine is busy or the container \
     throttled. Larger batches from the senders cost it less, and more [runtime] delivery_threads take connections off it. If it \
     is only for moments, raise [collector] intake.";

/// Returns what the operator can do.
pub(in crate::admin) fn advice(snapshot: &Snapshot) -> String {
    let troubles = Trouble::all(snapshot);
    let worst = || match troubles.first() {
        // Where pushes are shed at the door, nothing that is done about a route helps.
        _ if is_behind(snapshot) => Some(BEHIND.to_owned()),
        first => first.map(|(trouble, route)| against(snapshot, *trouble, route)),
    };
    match snapshot.state {
        State::Ok => "Nothing to do.".to_owned(),
        State::Draining if snapshot.ledger.held() == 0 => {
            "To take pushes again, press Resume intake.".to_owned()
        }
        State::Draining => {
            let first = "To take pushes again, press Resume intake.";
            worst().map_or_else(|| first.to_owned(), |more| format!("{more} {first}"))
        }
        State::Paused => "To deliver again, press Resume at the route.".to_owned(),
        State::Degraded | State::Shedding | State::Saturated => worst().unwrap_or_else(|| {
            "More arrives than goes out. Buffer empty in: how long it lasts if nothing changes.".to_owned()
        }),
    }
}

fn against(snapshot: &Snapshot, trouble: Trouble, route: &RouteRow) -> String {
    let name = &route.name;
    match trouble {
        Trouble::Refused => "The provider refuses the credentials. Correct them in the configuration and send SIGHUP, which reads it \
             again. If they were corrected at the provider, press Restart to try at once."
            .to_owned(),
        Trouble::Down => "The route's supervisor gave up and starts again by itself. The last errors below say why its connections fail."
            .to_owned(),
        Trouble::KeptBack => "The provider does not take what it gets. Pushes wait, and a few try it again by themselves. If it goes on, \
             see the provider's status page, its quota and the project's credentials."
            .to_owned(),
        Trouble::PartlyPaused => "To use the paused pushers again, press Resume in their rows.".to_owned(),
        Trouble::Unconnected if missing(snapshot, route).all(|pusher| pusher.state == PusherState::Connecting) => {
            "Connections are being opened; give them a few seconds.".to_owned()
        }
        Trouble::Unconnected => format!(
            "Connections are opened again by themselves, with growing delays. Press Restart in a row, or Rolling restart at {name}, \
             to try at once; if all fail, check the provider and the network."
        ),
        Trouble::Full => full(snapshot, route),
    }
}

/// The law of windows: a route delivers at most window / answer time (`reference/observability.md` 2.1).
fn full(snapshot: &Snapshot, route: &RouteRow) -> String {
    let Some(answer) = answer_millis(snapshot, route) else {
        return "No answer has come lately: the provider has stopped answering. Press Rolling restart with Force to send what is \
                unanswered over new connections; if that does not help, wait."
            .to_owned();
    };
    let most = (route.window as f64 / answer * 1_000.0) as u64;
    let mut text = format!(
        "{} answers after {}: {} deliver at most {} a second",
        route.name,
        millis(answer),
        count(route.connections.into(), "connection", "connections"),
        count(most, "push", "pushes"),
    );
    if let Some(enough) = enough(snapshot, route, answer) {
        text.push_str(&format!("; {} would carry what arrives", grouped(enough)));
    }
    text.push_str(". Slower than usual: wait for the provider. As usual: ");
    if route.connections < route.connections_max {
        text.push_str(&format!("it opens up to {} by itself.", grouped(route.connections_max.into())));
    } else {
        text.push_str("press Scale at the route, if the provider allows more connections.");
    }
    text
}

/// Returns the mean of the pushers' median answer times.
fn answer_millis(snapshot: &Snapshot, route: &RouteRow) -> Option<f64> {
    let of_route = snapshot.pushers.iter().filter(|pusher| pusher.route == route.name);
    let times: Vec<f64> = of_route.map(|pusher| pusher.ack_p50_ms).filter(|time| *time > 0.0).collect();
    (!times.is_empty()).then(|| times.iter().sum::<f64>() / times.len() as f64)
}

/// Returns how many connections would carry what arrives; only where it is known what arrives for a route.
fn enough(snapshot: &Snapshot, route: &RouteRow, answer_millis: f64) -> Option<u64> {
    let present = snapshot.routes.iter().filter(|route| route.state != RouteState::Removed).count();
    let per_connection = route.window as f64 / f64::from(route.connections.max(1));
    let needed =
        (snapshot.rates.accepted_per_second * answer_millis / 1_000.0 / per_connection).ceil() as u64;
    let more = u64::from(route.connections) + 1..=u64::from(MAX_CONNECTIONS);
    (present == 1 && more.contains(&needed)).then_some(needed)
}
