//! Routes and partitions that come while the parts are in use.

use super::super::parts::{Parts, connector};
use super::*;
use crate::config::{Config, Source as Text};
use crate::flow::{Door, Returns};
use crate::outcome::Outcome;
use crate::push::fixture::push;
use crate::push::{Lane, Push};

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
    assert!(partition.advance(Phase::Awake, Phase::Retiring));
    assert!(partition.advance(Phase::Retiring, Phase::Stopping));
    partition.wiring.route.resize(partition.id(), 0);
    assert!(partition.advance(Phase::Stopping, Phase::Asleep { since }));
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
    partition.advance(Phase::Awake, Phase::Retiring);
    assert!(!partition.wake() && partition.phase() == Phase::Awake, "nothing has been stopped yet");
    partition.advance(Phase::Awake, Phase::Stopping);
    assert!(!partition.wake() && partition.phase() == Phase::Stopping);
    partition.advance(Phase::Stopping, Phase::Awake);
    fall_asleep(&partition, parts.clock.now());
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
