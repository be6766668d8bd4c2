//! When partitions sleep and wake, and one life of a peer's partition in a running service.

use std::net::TcpListener;
use std::sync::mpsc;

use futures_util::future::LocalBoxFuture;
use parking_lot::Mutex;
use pushweir_actors::Supervisor;
use tokio::sync::mpsc as answers;

use super::super::endpoint::Listener;
use super::super::parts::Parts;
use super::*;
use crate::app::control;
use crate::config::{Config, Source};
use crate::flow::{Door, PusherState};
use crate::outcome::Verdict;
use crate::push::fixture::push;
use crate::push::{Addressee, Lane, Push, PushKey, PushRequest};
use crate::transport::{ConnectError, Outbox, RenderError, Session, SessionEvent};

/// A peer that takes everything at once, and what it took.
#[derive(Debug, Clone, Default)]
struct Peer(Arc<Mutex<Vec<PushKey>>>);

struct Answering(Peer, answers::Sender<Vec<SessionEvent>>);

impl Connector for Peer {
    fn connect(&self) -> LocalBoxFuture<'static, Result<Session, ConnectError>> {
        let (answer, answered) = answers::channel(1_000);
        let events = futures_util::stream::unfold(answered, |mut answered| async move {
            let events = answered.recv().await?;
            Some((events, answered))
        });
        let session = Session {
            window: 10,
            outbox: Box::new(Answering(self.clone(), answer)),
            events: Box::pin(events),
        };
        Box::pin(async move { Ok(session) })
    }

    fn render(&self, _request: &PushRequest<'_>, _payload: &mut Vec<u8>) -> Result<(), RenderError> {
        Ok(())
    }

    fn addressee(&self, _payload: &[u8]) -> Option<Addressee> {
        None
    }

    fn peer(&self) -> String {
        "fake".to_owned()
    }
}

impl Outbox for Answering {
    fn send(&mut self, push: &Push, _time_left: Duration) {
        self.0.0.lock().push(push.key);
        let event = SessionEvent::Answered { key: push.key, verdict: Verdict::Delivered { canonical: None } };
        self.1.try_send(vec![event]).unwrap();
    }

    fn flush(&mut self) {}

    fn finish(&mut self) {
        let closed = SessionEvent::Closed { reason: "finished".to_owned(), expected: true };
        self.1.try_send(vec![closed]).unwrap();
    }
}

/// A service with one route, whose own two connections lead nowhere.
pub(in crate::app) async fn service() -> Arc<Service> {
    let route = "[ingest]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n[[route]]\nname = \"web\"\ntransport = \"xmpp\"\n\
        connections = 2\n[route.xmpp]\nhost = \"127.0.0.1\"\nport = 1\nsender_id = \"1\"\nserver_key = \"k\"\n";
    let config = Config::parse(Source { name: "test.toml", text: route }).unwrap();
    let here = actix::Arbiter::current();
    let service = Arc::new(Service::new(Parts::new(config).unwrap(), vec![here]));
    let listener = || Listener::new(TcpListener::bind("127.0.0.1:0").unwrap());
    let root = Supervisor::start(tree::root(&service, listener(), listener()), None).unwrap();
    service.set_root(root.clone());
    root.ready().await.unwrap();
    service
}

async fn until(what: impl Fn() -> bool) {
    while !what() {
        tokio::task::yield_now().await;
    }
}

#[actix::test]
async fn a_peers_partition_is_opened_on_any_thread_delivers_sleeps_and_wakes_for_the_next_push() {
    let service = service().await;
    let route = Arc::clone(service.parts.route("web").unwrap());
    let peer = Peer::default();
    let (tell, told) = mpsc::channel();
    let (carrier, home, connector) = (Arc::clone(&service), Arc::clone(&route), peer.clone());
    std::thread::spawn(move || {
        let open = || carrier.partition(&home, "https://one.example", 2, || Arc::new(connector.clone()));
        tell.send([open().unwrap(), open().unwrap()]).unwrap();
    });
    let [partition, again] = told.recv().unwrap();
    assert_eq!((partition, again), (RouteId(1), RouteId(1)));
    let admit = |numbers: std::ops::Range<u128>| {
        let of = |number| Push { route: partition, ..push(number, Lane::Normal) };
        assert!(service.parts.intake.admit(partition, numbers.map(of).collect()).is_empty());
    };
    admit(0..50);
    let delivered = || service.parts.ledger.read(partition).delivered;
    until(|| delivered() == 50).await;
    assert_eq!(peer.0.lock().len(), 50);
    let parts = &service.parts;
    let opened = parts.routes.partition(partition).unwrap();
    opened.retire(Moment::default());
    let is_asleep = || matches!(opened.phase(), Phase::Asleep { .. });
    while !is_asleep() {
        // It is looked after once a second; here as often as can be.
        tend(Arc::clone(&service)).await;
        tokio::task::yield_now().await;
    }
    assert!(route.cell.pushers_of(partition).is_empty() && route.cell.pushers().len() == 2);
    let connector = peer.clone();
    let woken = service.partition(&route, "https://one.example", 2, || Arc::new(connector));
    assert_eq!(woken.unwrap(), partition);
    admit(50..60);
    until(|| delivered() == 60).await;
    let row = service.snapshot().routes.remove(0);
    assert_eq!((row.name.as_str(), row.connections, row.ledger.delivered), ("web", 4, 60));
    assert_eq!((row.ledger.unaccounted, row.share), (0, 1.0));
    service.root().unwrap().shutdown(Duration::from_secs(5)).await;
}

/// A service on a paused clock, and a peer's partition of its route.
async fn with_partition(peer: &Peer) -> (Arc<Service>, Arc<LiveRoute>, Arc<Partition>) {
    tokio::time::pause();
    let service = service().await;
    let route = Arc::clone(service.parts.route("web").unwrap());
    let peer = peer.clone();
    let id = service.partition(&route, "https://one.example", 1, || Arc::new(peer)).unwrap();
    let partition = Arc::clone(service.parts.routes.partition(id).unwrap());
    until(|| route.cell.pushers_of(id).iter().all(|cell| cell.state() == PusherState::Ready)).await;
    (service, route, partition)
}

/// Lets a partition's time pass, and has it looked after.
async fn tend_later(service: &Arc<Service>) {
    tokio::time::advance(LINGER).await;
    tend(Arc::clone(service)).await;
}

#[actix::test]
async fn a_partition_stays_awake_while_its_route_is_being_changed() {
    let (service, route, partition) = with_partition(&Peer::default()).await;
    let busy = control::busy(&route).ok().unwrap();
    partition.retire(service.parts.clock.now());
    tend_later(&service).await;
    assert!(matches!(partition.phase(), Phase::Retiring { .. }), "who changes it may start pushers");
    drop(busy);
    tend_later(&service).await;
    assert!(matches!(partition.phase(), Phase::Asleep { .. }));
    assert!(!route.is_busy.load(Ordering::Acquire));
    service.root().unwrap().shutdown(Duration::from_secs(5)).await;
}

#[actix::test]
async fn a_partition_whose_pushers_did_not_start_gets_others_for_what_it_holds() {
    let peer = Peer::default();
    let (service, route, partition) = with_partition(&peer).await;
    let numbers = route.cell.pushers_of(partition.id()).iter().map(|cell| cell.number).collect();
    // As after a start that failed: the supervisor has forgotten it, and its cell is gone.
    stop_pushers(service.route_supervisor("web").as_ref(), &route, numbers).await.unwrap();
    let of = |number| Push { route: partition.id(), ..push(number, Lane::Normal) };
    assert!(service.parts.intake.admit(partition.id(), (0..3).map(of).collect()).is_empty());
    for _ in 0..100 {
        tend_later(&service).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(service.parts.routes.books(&partition).delivered, 3);
    service.root().unwrap().shutdown(Duration::from_secs(5)).await;
}

#[actix::test]
async fn what_came_too_late_for_an_old_transport_wakes_it_until_it_is_delivered_and_no_longer() {
    tokio::time::pause();
    let service = service().await;
    let route = Arc::clone(service.parts.route("web").unwrap());
    let old = route.current();
    let account = crate::transport::fcm::auth::account::fixture::text("https://t.example/token");
    let account = toml::Value::String(account);
    let text =
        format!("[[route]]\nname = \"web\"\ntransport = \"fcm\"\n[route.fcm]\nservice_account = {account}\n");
    let config = Config::parse(Source { name: "test.toml", text: &text }).unwrap();
    route.set_settings(config.routes[0].clone());
    let opening = Opening { connector: Arc::new(Peer::default()), connections: 1, key: None };
    service.parts.routes.switch(&route, opening).unwrap();
    tend_later(&service).await;
    assert!(matches!(old.phase(), Phase::Asleep { .. }));
    assert!(service.parts.intake.admit(old.id(), vec![push(1, Lane::Normal)]).is_empty());
    tend_later(&service).await;
    assert_eq!(old.phase(), Phase::Awake);
    service.parts.ledger.enter(old.id(), |books| {
        books.end(1, crate::ledger::Place::Buffered, crate::outcome::Outcome::Delivered);
    });
    tend_later(&service).await;
    tend_later(&service).await;
    assert!(matches!(old.phase(), Phase::Asleep { .. }), "{:?}", old.phase());
    service.root().unwrap().shutdown(Duration::from_secs(5)).await;
}

#[test]
fn a_partition_sleeps_when_it_is_empty_and_wakes_for_whatever_came_too_late() {
    let (empty, full) = (Books::default(), Books { accepted: 1, in_flight: 1, ..Books::default() });
    let asleep = Phase::Asleep { since: Moment::default() };
    let now = Moment::from_micros(LINGER.as_micros() as u64);
    let need = |phase, books, idle| super::need(phase, books, (idle, false), now);
    let retiring = Phase::Retiring { since: Moment::default() };
    assert_eq!(need(retiring, &full, false), Need::Nothing, "what it holds goes out first");
    assert_eq!(need(retiring, &empty, false), Need::Sleep);
    assert_eq!(
        need(Phase::Retiring { since: now }, &empty, false),
        Need::Nothing,
        "a request may be on its way"
    );
    assert_eq!((need(asleep, &full, false), need(asleep, &empty, false)), (Need::Wake, Need::Nothing));
    assert_eq!(need(Phase::Awake, &empty, false), Need::Nothing, "a route without peers of its own stays");
    assert_eq!(need(Phase::Awake, &empty, true), Need::Retire);
    assert_eq!(need(Phase::Awake, &full, true), Need::Nothing);
    assert_eq!(need(Phase::Stopping, &full, false), Need::Nothing);
    for (phase, needed) in
        [(Phase::Awake, Need::Wake), (retiring, Need::Wake), (Phase::Stopping, Need::Nothing)]
    {
        assert_eq!(super::need(phase, &full, (false, true), now), needed, "{phase:?} without pushers");
    }
}
