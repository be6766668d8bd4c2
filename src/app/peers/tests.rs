//! Who makes room for whom.

use std::time::Duration;

use super::super::parts::Parts;
use super::*;
use crate::config::{Config, Source};
use crate::units::Moment;

/// A service with one route that may connect to two push services; nothing of it runs.
fn service() -> Arc<Service> {
    let text = "[[route]]\nname = \"web\"\ntransport = \"webpush\"\n[route.webpush]\nmax_origins = 2\nsubject = \"mailto:a@example.com\"\n\
        private_key = \"yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw\"\n";
    let config = Config::parse(Source { name: "test.toml", text }).unwrap();
    Arc::new(Service::new(Parts::new(config).unwrap(), vec![actix::Arbiter::current()]))
}

struct Rig {
    service: Arc<Service>,
    peers: OnDemandPeers,
}

impl Rig {
    fn start() -> Self {
        tokio::time::pause();
        let service = service();
        Self { peers: OnDemandPeers::new(Arc::clone(&service)), service }
    }

    fn ask(&self, name: &str) -> Result<RouteId, String> {
        let route = self.service.parts.route("web").unwrap().cell.id;
        self.peers.partition(route, &format!("https://{name}.example"))
    }

    fn phase(&self, partition: RouteId) -> Phase {
        self.service.parts.routes.partition(partition).unwrap().phase()
    }

    fn is_retiring(&self, partition: RouteId) -> bool {
        matches!(self.phase(partition), Phase::Retiring { .. })
    }
}

async fn pass(millis: u64) {
    tokio::time::advance(Duration::from_millis(millis)).await;
}

#[actix::test]
async fn the_peer_that_was_idle_longest_makes_room_for_another() {
    let rig = Rig::start();
    let first = rig.ask("a").unwrap();
    pass(500).await;
    let second = rig.ask("b").unwrap();
    assert_ne!(first, second);
    assert_eq!((rig.ask("a"), rig.ask("b")), (Ok(first), Ok(second)), "each has its own");
    let refused = rig.ask("c").unwrap_err();
    assert!(refused.contains("is busy") && refused.contains("max_origins is 2"), "{refused}");
    pass(1_500).await;
    let third = rig.ask("c").unwrap();
    assert!(rig.is_retiring(first) && !rig.is_retiring(second) && !rig.is_retiring(third));
    assert!(rig.ask("a").is_ok(), "one that has not gone yet comes back in another's place");
    assert!(!rig.is_retiring(first) && rig.is_retiring(second));
}

#[actix::test]
async fn a_peer_with_pushes_stays() {
    let rig = Rig::start();
    let partition = rig.ask("a").unwrap();
    rig.ask("b").unwrap();
    let push =
        crate::push::Push { route: partition, ..crate::push::fixture::push(1, crate::push::Lane::Normal) };
    let door: &dyn crate::flow::Door = &*rig.service.parts.intake;
    assert!(door.admit(partition, vec![push]).is_empty());
    pass(5_000).await;
    rig.ask("c").unwrap();
    assert!(!rig.is_retiring(partition));
    assert!(rig.ask("d").is_err(), "the others are busy or new");
}

#[actix::test]
async fn senders_who_name_ever_new_peers_use_up_no_more_than_twice_the_limit() {
    let rig = Rig::start();
    let mut last = Ok(RouteId(0));
    for name in ["a", "b", "c", "d", "e", "f"] {
        last = rig.ask(name);
        pass(2_000).await;
    }
    assert!(last.unwrap_err().contains("too many different push services"));
    let partitions = rig.service.parts.routes.partitions().count();
    assert_eq!(partitions, 5, "the route's own and four of peers");
}

#[actix::test]
async fn one_that_has_just_come_back_does_not_make_room_for_the_next() {
    let rig = Rig::start();
    let first = rig.ask("a").unwrap();
    let slept = rig.service.parts.routes.partition(first).unwrap();
    slept.retire(Moment::default());
    assert!(slept.stop());
    slept.stopped(true, Moment::default());
    pass(30_000).await;
    let second = rig.ask("b").unwrap();
    pass(5_000).await;
    assert_eq!(rig.ask("a"), Ok(first), "its push is on the way");
    rig.ask("c").unwrap();
    assert!(rig.is_retiring(second) && !rig.is_retiring(first));
}
