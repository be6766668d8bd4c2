//! The bell alone, under a counting waker, and against real threads.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Wake;
use std::thread;
use std::time::Duration;

use actix::{Actor, Addr, AsyncContext, Handler, Message, StreamHandler, System};
use proptest::prelude::*;

use super::*;

#[derive(Default)]
struct CountingWaker(AtomicUsize);

impl Wake for CountingWaker {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

struct Listener {
    turns: Turns,
    wakes: Arc<CountingWaker>,
}

impl Listener {
    fn of(bell: &Doorbell) -> Self {
        Self { turns: bell.turns(), wakes: Arc::default() }
    }

    fn poll(&mut self) -> Poll<Option<Turn>> {
        let waker = Arc::clone(&self.wakes).into();
        Pin::new(&mut self.turns).poll_next(&mut Context::from_waker(&waker))
    }

    fn wakes(&self) -> usize {
        self.wakes.0.load(Ordering::SeqCst)
    }
}

#[test]
fn only_the_first_ring_wakes_the_listener() {
    let bell = Doorbell::new();
    let mut listener = Listener::of(&bell);
    assert_eq!(listener.poll(), Poll::Pending);
    assert!(bell.ring());
    assert!(!bell.ring());
    assert!(!bell.clone().ring());
    assert_eq!(listener.wakes(), 1);
}

#[test]
fn an_armed_bell_gives_turns_with_a_pause_after_each() {
    let bell = Doorbell::new();
    let mut listener = Listener::of(&bell);
    bell.ring();
    for turns_taken in 0..3 {
        assert_eq!(listener.poll(), Poll::Ready(Some(Turn)));
        assert_eq!(listener.poll(), Poll::Pending, "the pause in which mailbox and timers run");
        assert_eq!(listener.wakes(), turns_taken + 1, "the pause wakes the listener itself");
    }
    bell.disarm();
    assert_eq!(listener.poll(), Poll::Pending);
    assert_eq!(listener.wakes(), 3, "a silent bell wakes nobody");
}

#[test]
fn a_ring_before_anybody_listens_is_not_lost() {
    let bell = Doorbell::new();
    bell.ring();
    assert_eq!(Listener::of(&bell).poll(), Poll::Ready(Some(Turn)));
}

#[test]
fn a_ring_after_a_rest_gives_a_turn_at_once() {
    let bell = Doorbell::new();
    let mut listener = Listener::of(&bell);
    bell.ring();
    assert_eq!(listener.poll(), Poll::Ready(Some(Turn)));
    assert!(bell.rest_if(|| true));
    assert_eq!(listener.poll(), Poll::Pending);
    assert!(bell.ring());
    assert_eq!(listener.poll(), Poll::Ready(Some(Turn)));
}

#[test]
fn work_that_slips_in_while_the_bell_is_disarmed_keeps_it_armed() {
    let bell = Doorbell::new();
    bell.ring();
    let looks = AtomicUsize::new(0);
    let rested = bell.rest_if(|| looks.fetch_add(1, Ordering::SeqCst) == 0);
    assert!(!rested);
    assert!(bell.is_armed());
    assert_eq!(looks.into_inner(), 2, "once before and once after disarming");
}

#[test]
fn a_queue_with_work_keeps_the_bell_armed() {
    let bell = Doorbell::new();
    bell.ring();
    assert!(!bell.rest_if(|| false));
    assert!(bell.is_armed());
}

struct Drain {
    jobs: crossbeam_channel::Receiver<u64>,
    bell: Doorbell,
    seen: u64,
    sum: u64,
    expected: u64,
    budget: usize,
    done: Option<tokio::sync::oneshot::Sender<u64>>,
}

impl Actor for Drain {
    type Context = actix::Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        Self::add_stream(self.bell.turns(), ctx);
    }
}

impl StreamHandler<Turn> for Drain {
    fn handle(&mut self, _: Turn, _: &mut Self::Context) {
        for job in self.jobs.try_iter().take(self.budget) {
            self.seen += 1;
            self.sum += job;
        }
        self.bell.rest_if(|| self.jobs.is_empty());
        if self.seen == self.expected
            && let Some(done) = self.done.take()
        {
            done.send(self.sum).expect("the test waits for it");
        }
    }
}

#[derive(Message)]
#[rtype(result = "u64")]
struct HowMany;

impl Handler<HowMany> for Drain {
    type Result = u64;

    fn handle(&mut self, _: HowMany, _: &mut Self::Context) -> u64 {
        self.seen
    }
}

/// Starts an actor that drains `jobs` and tells the sum of all when it has seen `expected` of them.
fn start_drain(
    jobs: crossbeam_channel::Receiver<u64>,
    bell: &Doorbell,
    expected: u64,
    budget: usize,
) -> (Addr<Drain>, tokio::sync::oneshot::Receiver<u64>) {
    let (done, sum) = tokio::sync::oneshot::channel();
    let bell = bell.clone();
    let actor = Drain { jobs, bell, seen: 0, sum: 0, expected, budget, done: Some(done) };
    (actor.start(), sum)
}

#[test]
fn no_job_of_four_threads_is_left_behind_a_silent_bell() {
    let (jobs_in, jobs_out) = crossbeam_channel::bounded(64);
    let bell = Doorbell::new();
    let (threads, each) = (4_u64, 20_000_u64);
    let fillers: Vec<_> = (0..threads)
        .map(|filler| {
            let (jobs_in, bell) = (jobs_in.clone(), bell.clone());
            thread::spawn(move || {
                for job in 0..each {
                    jobs_in.send(filler * each + job).expect("the actor drains it");
                    bell.ring();
                }
            })
        })
        .collect();
    let total = threads * each;
    let sum = System::new().block_on(async {
        let (_drain, sum) = start_drain(jobs_out, &bell, total, 7);
        sum.await.expect("the actor lives until all are seen")
    });
    assert_eq!(sum, total * (total - 1) / 2);
    fillers.into_iter().for_each(|filler| filler.join().expect("no filler panics"));
}

#[actix::test]
async fn the_mailbox_is_served_between_two_turns() {
    let (jobs_in, jobs_out) = crossbeam_channel::bounded(1_000);
    let bell = Doorbell::new();
    (0..1_000).for_each(|job| jobs_in.send(job).expect("it fits"));
    bell.ring();
    let (drain, sum) = start_drain(jobs_out, &bell, 1_000, 10);
    let seen = drain.send(HowMany).await.expect("the actor lives");
    assert!(seen < 1_000, "the answer came before the queue was empty, seen={seen}");
    assert_eq!(sum.await.expect("the actor lives"), 999 * 1_000 / 2);
}

/// An actor whose queue never gets empty.
struct Flooded {
    bell: Doorbell,
    timer_fired: Arc<AtomicBool>,
}

impl Actor for Flooded {
    type Context = actix::Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        Self::add_stream(self.bell.turns(), ctx);
        ctx.run_later(Duration::from_secs(1), |flooded, _| flooded.timer_fired.store(true, Ordering::SeqCst));
    }
}

impl StreamHandler<Turn> for Flooded {
    fn handle(&mut self, _: Turn, _: &mut Self::Context) {
        self.bell.rest_if(|| false);
    }
}

#[actix::test]
async fn timers_fire_while_the_queue_never_gets_empty() {
    tokio::time::pause();
    let (bell, timer_fired) = (Doorbell::new(), Arc::new(AtomicBool::new(false)));
    bell.ring();
    let _flooded = Flooded { bell: bell.clone(), timer_fired: Arc::clone(&timer_fired) }.start();
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert!(!timer_fired.load(Ordering::SeqCst));
    // A tick more, as the timer wheel rounds up.
    tokio::time::advance(Duration::from_millis(1_001)).await;
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert!(timer_fired.load(Ordering::SeqCst));
    assert!(bell.is_armed());
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Push,
    Ring,
    Turn,
}

proptest! {
    /// Whatever the order of pushes, rings and polls: once every push was followed by a ring, polling drains all.
    #[test]
    fn every_rung_job_gets_a_turn(
        steps in prop::collection::vec(prop_oneof![Just(Step::Push), Just(Step::Ring), Just(Step::Turn)], 0..200),
        budget in 1_usize..4,
    ) {
        let bell = Doorbell::new();
        let mut listener = Listener::of(&bell);
        let queue = std::cell::RefCell::new(0_usize);
        let take_turn = |listener: &mut Listener| {
            let due = listener.poll().is_ready();
            if due {
                let left = queue.borrow().saturating_sub(budget);
                *queue.borrow_mut() = left;
                bell.rest_if(|| *queue.borrow() == 0);
            }
            due
        };
        for step in steps {
            match step {
                Step::Push => *queue.borrow_mut() += 1,
                Step::Ring => { bell.ring(); }
                Step::Turn => { take_turn(&mut listener); }
            }
        }
        if *queue.borrow() > 0 {
            bell.ring();
        }
        while bell.is_armed() {
            take_turn(&mut listener);
        }
        prop_assert_eq!(*queue.borrow(), 0);
    }
}
