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
use crate::config::{Config, Source};
use crate::flow::Door;
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

/// A service with one route, whose own connections lead nowhere.
async fn service() -> Arc<Service> {
    let route = "[ingest]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n[[route]]\nname = \"web\"\ntransport = \"xmpp\"\n\
        connections = 1\n[route.xmpp]\nhost = \"127.0.0.1\"\nport = 1\nsender_id = \"1\"\nserver_key = \"k\"\n";
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
    assert!(route.cell.pushers_of(partition).is_empty() && route.cell.pushers().len() == 1);
    let connector = peer.clone();
    let woken = service.partition(&route, "https://one.example", 2, || Arc::new(connector));
    assert_eq!(woken.unwrap(), partition);
    admit(50..60);
    until(|| delivered() == 60).await;
    let row = service.snapshot().routes.remove(0);
    assert_eq!((row.name.as_str(), row.connections, row.ledger.delivered), ("web", 3, 60));
    assert_eq!((row.ledger.unaccounted, row.share), (0, 1.0));
    service.root().unwrap().shutdown(Duration::from_secs(5)).await;
}

#[test]
fn a_partition_sleeps_when_it_is_empty_and_wakes_for_whatever_came_too_late() {
    let (empty, full) = (Books::default(), Books { accepted: 1, in_flight: 1, ..Books::default() });
    let asleep = Phase::Asleep { since: Moment::default() };
    let now = Moment::from_micros(LINGER.as_micros() as u64);
    let need = |phase, books, idle| super::need(phase, books, idle, now);
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
}
