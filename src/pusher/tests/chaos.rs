//! Everything that can happen to the stages, in random order: no push is lost, no window is exceeded, nothing stands still.

use std::time::Duration;

use bytes::Bytes;
use pushweir_actors::StopMode;

use super::closed;
use super::stand::{ROUTE, Stand};
use crate::collector::InjectPanic;
use crate::flow::breaker::{Settings, State};
use crate::flow::{Door, Nudge};
use crate::outcome::{Answer, Scope, Verdict};
use crate::push::{Addressee, CollapseId, Lane, Push};
use crate::transport::SessionEvent;
use crate::units::Moment;

const WINDOW: usize = 8;
const PUSHERS: u32 = 3;
const HOUR: Duration = Duration::from_secs(3600);

impl Stand {
    fn open_peers(&self) -> Vec<usize> {
        (0..self.provider.connections()).filter(|peer| self.provider.is_open(*peer)).collect()
    }

    /// Closes the connections that said good-bye, as a provider does.
    fn answer_farewells(&self) {
        for peer in self.open_peers() {
            if self.provider.peers.lock()[peer].is_finished {
                let reason = "bye".to_owned();
                self.provider.tell(peer, vec![SessionEvent::Closed { reason, expected: true }]);
            }
        }
    }

    /// A second in which the provider does all that is expected of it.
    async fn calm(&self) {
        self.pass(Duration::from_secs(1)).await;
        assert!(self.clock.now().since(Moment::default()) < HOUR, "it stands still: {:?}", self.books());
        self.answer_farewells();
        for peer in self.open_peers() {
            self.provider.acknowledge(peer, self.provider.unanswered(peer));
        }
    }

    async fn happen(&self, rng: &mut fastrand::Rng) {
        let peers = self.open_peers();
        let pusher = self.pusher(rng.usize(..PUSHERS as usize));
        let peer = rng.choice(&peers).copied();
        match (rng.u8(..12), peer) {
            (0..=2, _) => _ = self.admit(rng.u128(1..40)).await,
            (3..=5, Some(peer)) => {
                self.provider.acknowledge(peer, rng.usize(..=self.provider.unanswered(peer)))
            }
            (6, Some(peer)) => self.provider.tell(peer, closed()),
            (7, Some(peer)) => {
                self.provider.tell(peer, vec![SessionEvent::Draining { reason: "control".to_owned() }]);
            }
            (8, _) => _ = pusher.nudge(Nudge::Panic),
            (9, _) => {
                let collector = self.collector.lock().clone();
                // One that is being restarted cannot panic.
                drop(collector.expect("it was started").try_send(InjectPanic));
            }
            (10, _) => {
                pusher.set_paused(!pusher.is_paused());
                pusher.nudge(Nudge::LookAtSwitches);
            }
            _ => {
                let (tree, id) = (self.tree.clone(), format!("android/{}", pusher.number));
                let mode =
                    if rng.bool() { StopMode::Force } else { StopMode::Graceful(Duration::from_secs(2)) };
                // Whether it can be restarted at the moment is not the point.
                actix::spawn(async move { drop(tree.restart_child(&id, mode).await) });
            }
        }
    }
}

#[actix::test]
async fn whatever_happens_every_push_is_delivered_and_no_window_exceeded() {
    for seed in 0..16 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let stand = Stand::start(PUSHERS, WINDOW as u32).await;
        for _ in 0..60 {
            stand.happen(&mut rng).await;
            match rng.u8(..20) {
                0..10 => stand.pass(Duration::from_millis(rng.u64(..800))).await,
                // Long enough for answers to be overdue.
                10 => stand.pass(Duration::from_secs(40)).await,
                _ => {}
            }
            stand.answer_farewells();
            let fullest = stand.open_peers().into_iter().map(|peer| stand.provider.unanswered(peer)).max();
            assert!(fullest <= Some(WINDOW), "seed {seed}: {fullest:?}");
        }
        for pusher in stand.route.pushers() {
            pusher.set_paused(false);
            pusher.nudge(Nudge::LookAtSwitches);
        }
        while stand.books().held() > 0 {
            stand.calm().await;
        }
        for _ in 0..60 {
            stand.calm().await;
        }
        let books = stand.books();
        assert_eq!(books.accepted, books.delivered + books.exhausted + books.shed, "seed {seed}: {books:?}");
        stand.admit(u128::from(PUSHERS) * WINDOW as u128).await;
        // Less than an eighth of a window is not worth an ask.
        let buffered = stand.books().buffered;
        assert!(buffered <= u64::from(PUSHERS), "seed {seed}: a slot has leaked, {buffered} find no window");
        stand.tree.shutdown(Duration::from_secs(5)).await;
        // The next stand pauses it again.
        tokio::time::resume();
    }
}

/// What the provider may say to an attempt.
fn verdict(rng: &mut fastrand::Rng) -> Verdict {
    let answer = Box::new(Answer::new("SOME_CODE", ""));
    let after = Duration::from_secs(rng.u64(1..20));
    match rng.u8(..8) {
        0 => Verdict::Retry { answer, after: rng.bool().then_some(after) },
        1 => Verdict::BrokenOff { answer, after: None },
        2 => Verdict::Limited { answer, after, scope: Scope::Target },
        3 => Verdict::Limited { answer, after, scope: *rng.choice(&[Scope::Route, Scope::Setup]).unwrap() },
        4 => Verdict::Rejected(answer),
        5 => Verdict::GOAWAY,
        _ => Verdict::Delivered { canonical: None },
    }
}

impl Stand {
    /// Admits pushes of all kinds for a handful of devices, with keys from `first` on.
    fn admit_any(&self, rng: &mut fastrand::Rng, first: u128) {
        let now = self.clock.now();
        let mut any = |number: u128| {
            let device = [b'a' + rng.u8(..5)];
            let collapse = rng.bool().then(|| self.collapses.of(CollapseId(u128::from(device[0]))));
            let push = crate::push::fixture::push(number, Lane::ALL[rng.usize(..4)]);
            let deadline = now.after(Duration::from_secs(rng.u64(..90)));
            let payload = Bytes::copy_from_slice(&device);
            Push { payload, collapse, deadline, accepted_at: now, ..push }
        };
        self.intake.admit(ROUTE, (first..first + 20).map(&mut any).collect());
    }

    /// Has a provider answer some of what it has, all in the same mood.
    fn answer_any(&self, rng: &mut fastrand::Rng) {
        let Some(peer) = rng.choice(self.open_peers()) else { return };
        let mood = verdict(rng);
        let count = rng.usize(..=self.provider.unanswered(peer));
        let keys: Vec<_> = self.provider.peers.lock()[peer].unanswered.drain(..count).collect();
        let answered = |key| SessionEvent::Answered { key, verdict: mood.clone() };
        self.provider.tell(peer, keys.into_iter().map(answered).collect());
    }
}

#[actix::test]
async fn whatever_the_provider_says_every_push_ends_once_and_nothing_stays_closed() {
    for seed in 0..16 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let stand = Stand::start(PUSHERS, WINDOW as u32).await;
        let gate = stand.intake.gate_of(ROUTE);
        gate.follow(Settings {
            enabled: true,
            share: 0.5,
            least: 5,
            window: Duration::from_secs(10),
            open_min: Duration::from_secs(1),
            open_max: Duration::from_secs(15),
            probes: 3,
        });
        gate.read_addressees(|payload| Some(Addressee::Token(String::from_utf8_lossy(payload).into())));
        for step in 0..120 {
            match rng.u8(..12) {
                0..3 => stand.admit_any(&mut rng, 1_000_000 + step * 100),
                3..8 => stand.answer_any(&mut rng),
                8 => stand.pass(Duration::from_millis(rng.u64(..4_000))).await,
                9 => stand.pass(Duration::from_secs(35)).await,
                _ => stand.happen(&mut rng).await,
            }
            stand.settle().await;
            stand.answer_farewells();
        }
        for pusher in stand.route.pushers() {
            pusher.set_paused(false);
            pusher.nudge(Nudge::LookAtSwitches);
        }
        while stand.books().held() > 0 {
            stand.calm().await;
        }
        for _ in 0..60 {
            stand.calm().await;
        }
        assert_eq!(gate.view(stand.clock.now()).state, State::Closed, "seed {seed}");
        stand.admit(u128::from(PUSHERS) * WINDOW as u128).await;
        let books = stand.books();
        assert!(books.buffered <= u64::from(PUSHERS), "seed {seed}: a slot has leaked: {books:?}");
        stand.tree.shutdown(Duration::from_secs(5)).await;
        tokio::time::resume();
    }
}
