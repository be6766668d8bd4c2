//! Routes and partitions that come while the parts are in use.

use super::super::parts::{Parts, connector};
use super::partition::REST;
use super::*;
use crate::config::{Config, Source as Text};
use crate::flow::{Door, Returns};
use crate::outcome::Outcome;
use crate::push::fixture::push;
use crate::push::{Lane, Push};
use crate::units::Moment;

const ROUTE: &str = "[[route]]\nname = \"web\"\ntransport = \"xmpp\"\nconnections = 2\n[route.xmpp]\nhost = \"h\"\nsender_id = \"1\"\nserver_key = \"k\"\n";

fn parts() -> Parts {
    Parts::new(Config::parse(Text { name: "test.toml", text: ROUTE }).unwrap()).unwrap()
}

fn opening(route: &LiveRoute, key: &str) -> Opening {
    let connector = connector(&route.settings().transport).unwrap();
    Opening { connector, connections: 2, key: Some(key.into()) }
}

fn admit(parts: &Parts, partition: &Partition, count: u128) {
    let of = |number| Push { route: partition.id(), ..push(number, Lane::Normal) };
    assert!(parts.intake.admit(partition.id(), (0..count).map(of).collect()).is_empty());
}

fn end_all(parts: &Parts, partition: &Partition) {
    parts.ledger.enter(partition.id(), |books| {
        books.end(books.buffered, crate::ledger::Place::Buffered, Outcome::Delivered);
    });
}

fn fall_asleep(partition: &Partition, since: Moment) {
    partition.retire(since);
    assert!(partition.stop());
    partition.wiring.route.resize(partition.id(), 0);
    partition.stopped(true, since);
}

#[tokio::test(start_paused = true)]
async fn partitions_of_a_route_have_numbers_of_their_own_and_share_its_name_share_and_switches() {
    let parts = parts();
    let route = Arc::clone(parts.route("web").unwrap());
    let one = parts.routes.add_partition(&route, opening(&route, "one")).unwrap();
    let two = parts.routes.add_partition(&route, opening(&route, "two")).unwrap();
    assert_eq!([one.id(), two.id()], [RouteId(1), RouteId(2)]);
    assert!(Arc::ptr_eq(&one, &parts.routes.add_partition(&route, opening(&route, "one")).unwrap()));
    let numbers: Vec<_> = route.cell.pushers().iter().map(|cell| (cell.number, cell.partition.0)).collect();
    assert_eq!(numbers, [(0, 0), (1, 0), (2, 1), (3, 1), (4, 2), (5, 2)]);
    assert!((parts.intake.share(route.cell.id) - 1.0).abs() < 1e-9, "three partitions, one share");
    assert_eq!(parts.results.route_name(two.id()), "web");
    route.cell.paused.store(true, Ordering::Relaxed);
    assert!(parts.intake.gate(two.id()).is_err(), "a pause of the route is one of all its partitions");
    admit(&parts, &one, 3);
    admit(&parts, &two, 4);
    let sum = parts.ledger.total();
    assert!(sum.is_balanced() && sum.buffered == 7, "{sum:?}");
}

#[tokio::test(start_paused = true)]
async fn a_place_is_given_to_another_peer_only_when_it_has_rested_and_holds_nothing() {
    let parts = parts();
    let route = Arc::clone(parts.route("web").unwrap());
    let add = |key| parts.routes.add_partition(&route, opening(&route, key)).unwrap();
    let first = add("first");
    admit(&parts, &first, 1);
    fall_asleep(&first, parts.clock.now());
    assert_ne!(add("second").id(), first.id(), "it may still be in the hands of a request");
    tokio::time::advance(REST).await;
    assert_ne!(add("third").id(), first.id(), "it holds a push of its peer");
    end_all(&parts, &first);
    let heir = add("fourth");
    assert_eq!((heir.id(), heir.phase()), (first.id(), Phase::Awake));
    assert!(route.keyed("first").is_none() && route.keyed("fourth").is_some());
    assert_eq!(route.cell.pushers_of(heir.id()).len(), 2);
    assert_eq!(parts.routes.books(&heir).delivered, 1, "what the place did before still counts");
}

#[tokio::test(start_paused = true)]
async fn waking_gives_the_pushers_back_and_waits_for_those_that_are_being_stopped() {
    let parts = parts();
    let route = Arc::clone(parts.route("web").unwrap());
    let partition = parts.routes.add_partition(&route, opening(&route, "one")).unwrap();
    let now = parts.clock.now();
    partition.retire(now);
    assert!(!partition.wake() && partition.phase() == Phase::Awake, "nothing has been stopped yet");
    assert!(!partition.stop(), "it is needed again");
    partition.retire(now);
    assert!(partition.stop() && !partition.wake() && partition.phase() == Phase::Stopping);
    partition.stopped(false, now);
    assert!(!partition.wake(), "some could not be stopped, so it has pushers");
    fall_asleep(&partition, now);
    assert!(route.cell.pushers_of(partition.id()).is_empty());
    assert!(partition.wake() && partition.phase() == Phase::Awake);
    assert_eq!(route.cell.pushers_of(partition.id()).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn there_is_a_last_place_and_the_door_knows_all_of_them() {
    let parts = parts();
    let route = Arc::clone(parts.route("web").unwrap());
    let mut opened = 1;
    while parts.routes.add_partition(&route, opening(&route, &opened.to_string())).is_ok() {
        opened += 1;
    }
    assert_eq!(opened, MOST_SLOTS);
    assert!((0..MOST_SLOTS).all(|index| parts.intake.gate(RouteId::at(index)).is_ok()));
    parts.intake.put_back(RouteId::at(MOST_SLOTS - 1), Vec::new());
    assert!(parts.add_route(&route.settings(), connector(&route.settings().transport).unwrap()).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_removed_route_is_closed_at_once_and_alive_until_it_is_empty() {
    let parts = parts();
    let route = Arc::clone(parts.route("web").unwrap());
    admit(&parts, &route.current(), 3);
    parts.routes.remove(&route);
    assert!(parts.intake.gate(route.cell.id).is_err());
    assert!(parts.routes.entries().iter().all(|entry| !entry.is_open()));
    assert!(matches!(route.current().phase(), Phase::Retiring { .. }) && parts.route("web").is_some());
    parts.routes.restore(&route);
    assert!(!route.current().wake() && parts.intake.gate(route.cell.id).is_ok());
    assert!(parts.routes.entries().iter().all(IngestRoute::is_open));
    end_all(&parts, &route.current());
    parts.routes.remove(&route);
    assert!(route.current().stop());
    route.current().stopped(true, parts.clock.now());
    assert!(parts.route("web").is_none() && parts.routes.ever_named("web").is_some());
}

#[tokio::test(start_paused = true)]
async fn another_transport_gets_a_partition_of_its_own_and_the_old_one_is_taken_up_again() {
    let parts = parts();
    let route = Arc::clone(parts.route("web").unwrap());
    let old = route.current();
    let account = crate::transport::fcm::auth::account::fixture::text("https://t.example/token");
    let text = format!(
        "[[route]]\nname = \"web\"\ntransport = \"fcm\"\n[route.fcm]\nservice_account = {}\n",
        toml::Value::String(account)
    );
    let mut fcm = Config::parse(Text { name: "test.toml", text: &text }).unwrap().routes;
    let (xmpp, fcm) = (route.settings(), fcm.remove(0));
    let switch = |settings: &Route| {
        route.set_settings(settings.clone());
        let connector = connector(&settings.transport).unwrap();
        parts.routes.switch(&route, Opening { connector, connections: 3, key: None }).unwrap()
    };
    let new = switch(&fcm);
    assert_eq!((new.transport, route.cell.transport()), ("fcm", "fcm"));
    assert!(matches!(old.phase(), Phase::Retiring { .. }), "it has pushes of its own protocol");
    let entries = parts.routes.entries();
    let open = || entries.iter().filter(|entry| entry.is_open()).map(|entry| entry.id).collect::<Vec<_>>();
    assert_eq!((open(), new.wiring.route.pushers_of(new.id()).len()), (vec![new.id()], 3));
    let back = switch(&xmpp);
    assert_eq!((back.id(), open(), entries.len()), (old.id(), vec![old.id()], 2));
    assert!(matches!(new.phase(), Phase::Retiring { .. }));
}
