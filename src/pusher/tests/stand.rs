//! A stand for the stages: a real collector, real pushers under a real supervisor, and a provider that the test plays.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use parking_lot::{Mutex, RwLock};
use pushweir_actors::{
    Backoff, ChildHandle, ChildSpec, Intensity, Link, Supervisor, SupervisorHandle, SupervisorSpec,
};
use tokio::sync::{Semaphore, mpsc};

use crate::collector::{self, Collector, Intake, Keep};
use crate::feedback::results::{self, Bound, Report, Results, Source};
use crate::feedback::{self, Feedback};
use crate::flow::{Door, PusherCell, RouteCell};
use crate::ledger::{Books, Ledger};
use crate::outcome::{Refusal, Verdict};
use crate::push::{Addressee, Collapses, Lane, Push, PushKey, PushRequest, RouteId};
use crate::pusher::{Pusher, Settings, Wiring};
use crate::transport::{ConnectError, Connector, Outbox, RenderError, Session, SessionEvent};
use crate::units::Clock;

pub const ROUTE: RouteId = RouteId(0);
const TURNS: usize = 200;

/// One connection, from the provider's side.
#[derive(Debug)]
pub struct Peer {
    events: mpsc::Sender<Vec<SessionEvent>>,
    pub received: Vec<PushKey>,
    pub unanswered: Vec<PushKey>,
    pub is_finished: bool,
    /// How many of the last pushes wait for a stream.
    pub unsent: usize,
}

/// The provider: every connection that was ever opened.
#[derive(Debug, Default)]
pub struct Provider {
    pub peers: Mutex<Vec<Peer>>,
    pub refuses_login: Mutex<bool>,
    pub attempts: Mutex<u32>,
    pub is_unreachable: Mutex<bool>,
    pub drains_at_once: Mutex<bool>,
}

#[derive(Debug)]
struct FakeConnector(Arc<Provider>, u32);

struct FakeOutbox(Arc<Provider>, usize);

/// The collector's.
pub const SETTINGS: collector::Settings = collector::Settings {
    buffer: 1000,
    buffer_bytes: 1 << 30,
    critical_reserve: 0.05,
    keep: Keep::Newest,
    refuse_late: true,
    coalesce: true,
    intake: 64,
};

/// Everything under test.
pub struct Stand {
    pub provider: Arc<Provider>,
    pub intake: Arc<Intake>,
    pub ledger: Arc<Ledger>,
    pub route: Arc<RouteCell>,
    pub tree: SupervisorHandle,
    pub collector: Arc<Mutex<Option<Addr<Collector>>>>,
    pub clock: Clock,
    pub feedback: Arc<Feedback>,
    pub results: Arc<Results>,
    pub collapses: Collapses,
    next: Mutex<u128>,
}

impl Connector for FakeConnector {
    fn connect(&self) -> LocalBoxFuture<'static, Result<Session, ConnectError>> {
        let (provider, window) = (Arc::clone(&self.0), self.1);
        async move {
            *provider.attempts.lock() += 1;
            if *provider.refuses_login.lock() {
                return Err(ConnectError::LoginRefused {
                    peer: "fake".into(),
                    cause: "not-authorized".into(),
                });
            }
            if *provider.is_unreachable.lock() {
                return Err(ConnectError::Network { peer: "fake".into(), cause: "refused".into() });
            }
            let (events, receiver) = mpsc::channel(64);
            if *provider.drains_at_once.lock() {
                let draining = SessionEvent::Draining { reason: "control".to_owned() };
                events.try_send(vec![draining]).expect("the channel is empty");
            }
            let mut peers = provider.peers.lock();
            peers.push(Peer {
                events,
                received: Vec::new(),
                unanswered: Vec::new(),
                is_finished: false,
                unsent: 0,
            });
            let outbox = Box::new(FakeOutbox(Arc::clone(&provider), peers.len() - 1));
            let events = futures_util::stream::unfold(receiver, |mut receiver| async {
                receiver.recv().await.map(|batch| (batch, receiver))
            });
            Ok(Session { window, outbox, events: Box::pin(events) })
        }
        .boxed_local()
    }

    fn render(&self, _request: &PushRequest<'_>, _payload: &mut Vec<u8>) -> Result<(), RenderError> {
        Ok(())
    }

    fn addressee(&self, payload: &[u8]) -> Option<Addressee> {
        Some(Addressee::Token(String::from_utf8_lossy(payload).into()))
    }

    fn peer(&self) -> String {
        "fake".to_owned()
    }
}

impl Outbox for FakeOutbox {
    fn send(&mut self, push: &Push, _time_left: Duration) {
        let mut peers = self.0.peers.lock();
        peers[self.1].received.push(push.key);
        peers[self.1].unanswered.push(push.key);
    }

    fn flush(&mut self) {}

    fn recall(&mut self, key: PushKey) -> bool {
        let peer = &mut self.0.peers.lock()[self.1];
        let sent = peer.received.len() - peer.unsent;
        let place = peer.received[sent..].iter().position(|received| *received == key);
        if let Some(place) = place {
            peer.received.remove(sent + place);
            peer.unanswered.retain(|unanswered| *unanswered != key);
            peer.unsent -= 1;
        }
        place.is_some()
    }

    fn finish(&mut self) {
        self.0.peers.lock()[self.1].is_finished = true;
    }
}

impl Provider {
    /// Tells a connection's pusher something.
    pub fn tell(&self, peer: usize, events: Vec<SessionEvent>) {
        let sender = self.peers.lock()[peer].events.clone();
        sender.try_send(events).expect("the test tells less than the channel holds");
    }

    /// Acknowledges the first `count` unanswered pushes of a connection.
    pub fn acknowledge(&self, peer: usize, count: usize) {
        let keys: Vec<PushKey> = self.peers.lock()[peer].unanswered.drain(..count).collect();
        let events = keys
            .into_iter()
            .map(|key| SessionEvent::Answered { key, verdict: Verdict::Delivered { canonical: None } });
        self.tell(peer, events.collect());
    }

    pub fn unanswered(&self, peer: usize) -> usize {
        self.peers.lock()[peer].unanswered.len()
    }

    /// Returns whether a connection's pusher still listens.
    pub fn is_open(&self, peer: usize) -> bool {
        !self.peers.lock()[peer].events.is_closed()
    }

    pub fn connections(&self) -> usize {
        self.peers.lock().len()
    }
}

impl Stand {
    /// Starts a collector and `pushers` pushers with this window, on a paused clock.
    pub async fn start(pushers: u32, window: u32) -> Self {
        tokio::time::pause();
        let clock = Clock::start();
        let ledger = Arc::new(Ledger::default());
        let route = Arc::new(RouteCell::new(ROUTE, "android".to_owned(), "fake"));
        route.resize(ROUTE, pushers);
        let provider = Arc::new(Provider::default());
        let connector: Arc<dyn Connector> = Arc::new(FakeConnector(Arc::clone(&provider), window));
        let source = Source { name: "android".into(), connector: Arc::clone(&connector) };
        let reports = results::Settings {
            report: Report::Failures,
            ring: Bound { records: 1000, bytes: 1 << 20 },
            awaited: 100,
            history: 100,
        };
        let results = Arc::new(Results::new(&reports, clock));
        results.open(source).unwrap();
        let ended = Arc::<Results>::clone(&results);
        let intake = Arc::new(Intake::new(&SETTINGS, Arc::clone(&ledger), ended, clock));
        assert_eq!(intake.open(&route), Some(ROUTE));
        let retries = feedback::Settings {
            max_attempts: 5,
            backoff_min: Duration::from_secs(1),
            backoff_max: Duration::from_secs(8),
            retry_share: 0.1,
            breaker: crate::flow::breaker::Settings::OFF,
        };
        let returns = Arc::<Intake>::clone(&intake);
        let ending = Arc::clone(&results);
        let feedback = Arc::new(Feedback::new(retries, Arc::clone(&ledger), returns, ending, clock));
        let wiring = Arc::new(Wiring {
            route: Arc::clone(&route),
            partition: ROUTE,
            port: intake.port(),
            feedback: Arc::clone(&feedback),
            connector: RwLock::new(connector),
            settings: RwLock::new(Settings {
                answer_timeout: Duration::from_secs(30),
                drain_timeout: Duration::from_secs(120),
                login_retry: Duration::from_secs(60),
            }),
            clock,
            logins: Semaphore::new(8),
            troubles: Mutex::default(),
        });
        let collector = Arc::new(Mutex::new(None));
        let mut children = vec![collector_child(&intake, &collector)];
        children.extend(route.pushers().iter().map(|cell| pusher_child(&wiring, cell)));
        let spec = SupervisorSpec {
            intensity: Intensity::new(50, Duration::from_secs(10)),
            backoff: Backoff::try_new(
                Duration::from_millis(100),
                Duration::from_secs(1),
                0.0,
                Duration::from_secs(5),
            )
            .expect("the delays are in order"),
            children,
            ..SupervisorSpec::new("root")
        };
        let tree = Supervisor::start(spec, None).expect("the spec is sound");
        let stand = Self {
            provider,
            intake,
            ledger,
            route,
            tree,
            collector,
            clock,
            feedback,
            results,
            collapses: Collapses::default(),
            next: Mutex::new(0),
        };
        stand.settle().await;
        stand
    }

    /// Lets everything run that can run without time passing, and checks the books.
    pub async fn settle(&self) {
        for _ in 0..TURNS {
            tokio::task::yield_now().await;
        }
        let books = self.books();
        assert!(books.is_balanced(), "{books:?}");
        assert_eq!(books.lost, 0);
    }

    /// Lets time pass.
    pub async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
        self.settle().await;
    }

    /// Admits fresh pushes.
    pub async fn admit(&self, count: u128) -> usize {
        let failed = self.intake.admit(ROUTE, self.fresh(count).collect()).len();
        self.settle().await;
        usize::try_from(count).expect("tests admit few") - failed
    }

    /// Admits fresh pushes of a lane that live this long, and returns why the others were not taken.
    pub async fn admit_for(&self, count: u128, lane: Lane, ttl: Duration) -> Vec<(usize, Refusal)> {
        let now = self.clock.now();
        let push = |push: Push| Push { deadline: now.after(ttl), lane, ..push };
        let failed = self.intake.admit(ROUTE, self.fresh(count).map(push).collect());
        self.settle().await;
        failed
    }

    fn fresh(&self, count: u128) -> impl Iterator<Item = Push> + use<> {
        let mut next = self.next.lock();
        *next += count;
        let now = self.clock.now();
        (*next - count..*next)
            .map(move |number| Push { accepted_at: now, ..crate::push::fixture::push(number, Lane::Normal) })
    }

    /// Has the collector look at its figures, as the service does once a second.
    pub fn observe(&self) {
        self.intake.observe(ROUTE, &self.ledger.read(ROUTE));
    }

    pub fn books(&self) -> Books {
        self.ledger.total()
    }

    pub fn pusher(&self, number: usize) -> Arc<PusherCell> {
        Arc::clone(&self.route.pushers()[number])
    }
}

fn collector_child(intake: &Arc<Intake>, address: &Arc<Mutex<Option<Addr<Collector>>>>) -> ChildSpec {
    let (intake, address) = (Arc::clone(intake), Arc::clone(address));
    ChildSpec::worker("collector", move |link: Link| {
        let collector = Collector::new(Arc::clone(&intake), link).start();
        *address.lock() = Some(collector.clone());
        Ok(ChildHandle::new(collector.recipient()))
    })
}

fn pusher_child(wiring: &Arc<Wiring>, cell: &Arc<PusherCell>) -> ChildSpec {
    let (wiring, cell) = (Arc::clone(wiring), Arc::clone(cell));
    ChildSpec::worker(format!("android/{}", cell.number), move |link: Link| {
        let pusher = Pusher::new(Arc::clone(&wiring), Arc::clone(&cell), link).start();
        Ok(ChildHandle::new(pusher.recipient()))
    })
}
