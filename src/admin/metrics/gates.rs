//! What the routes' gates let out.

use std::fmt::Error;

use super::super::state::RouteRow;
use super::writer::Writer;
use crate::flow::breaker::State;

/// Writes the families about breakers and held targets.
pub(super) fn write(writer: &mut Writer<'_>, routes: &[RouteRow]) -> Result<(), Error> {
    let label = |route: &'_ RouteRow| ("route", route.name.clone());
    let states: Vec<_> = routes
        .iter()
        .flat_map(|route| State::ALL.map(|state| (route, state)))
        .map(|(route, state)| {
            let is_it = f64::from(u8::from(route.breaker.state == state));
            ([label(route), ("state", state.as_str().to_owned())], is_it)
        })
        .collect();
    writer.gauges("route_breaker_state", "Whether the route's breaker is in the state", &states)?;
    let opened: Vec<_> = routes.iter().map(|route| ([label(route)], route.breaker.opened_total)).collect();
    writer.counters("route_breaker_opened", "Times that the route's breaker opened", &opened)?;
    let left = |route: &RouteRow| ([label(route)], route.breaker.until_seconds.unwrap_or(0.0));
    let left: Vec<_> = routes.iter().map(left).collect();
    writer.gauges("route_breaker_open_seconds", "How long nothing is sent yet; 0 unless open", &left)?;
    let held: Vec<_> =
        routes.iter().map(|route| ([label(route)], route.breaker.held_targets as f64)).collect();
    writer.gauges("route_held_targets", "Devices and topics whose pushes wait for their own rate", &held)
}
