//! How many connections routes have, may have, and tried to open.

use std::fmt::Error;

use super::super::state::RouteRow;
use super::writer::Writer;

/// What a family says of a route.
type Figure = fn(&RouteRow) -> u64;

/// Writes the families about connections that belong to no single pusher.
pub(super) fn write(writer: &mut Writer<'_>, routes: &[RouteRow]) -> Result<(), Error> {
    let each = |figure: Figure| -> Vec<_> {
        routes.iter().map(|route| ([("route", route.name.clone())], figure(route))).collect()
    };
    let gauges: [(&str, &str, Figure); 4] = [
        ("route_connections", "Pushers of the route", |route| u64::from(route.connections)),
        ("route_ready_connections", "Pushers of the route that are ready", |route| u64::from(route.ready)),
        ("route_connections_min", "Least pushers that the route may have", |route| {
            u64::from(route.connections_min)
        }),
        ("route_connections_max", "Most pushers that the route may have", |route| {
            u64::from(route.connections_max)
        }),
    ];
    for (name, help, figure) in gauges {
        let series: Vec<_> = each(figure).into_iter().map(|(labels, value)| (labels, value as f64)).collect();
        writer.gauges(name, help, &series)?;
    }
    writer.counters("route_dials", "Connections that the route tried to open", &each(|route| route.dials))?;
    writer.counters(
        "route_grown",
        "Times that the route opened more connections as its windows were full",
        &each(|route| route.grown),
    )?;
    writer.counters(
        "route_shrunk",
        "Times that it closed some as its windows were not half used",
        &each(|route| route.shrunk),
    )
}
