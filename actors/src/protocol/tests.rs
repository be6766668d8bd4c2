//! Batches and links: nothing is lost without a word.

use std::sync::Arc;

use actix::{Actor, ActorContext, Context, Handler, Message};
use parking_lot::Mutex;

use super::*;

#[derive(Default)]
struct Returned(Mutex<Vec<(SubscriptionId, Vec<u32>)>>);

impl Undelivered<u32> for Returned {
    fn give_back(&self, id: SubscriptionId, events: Vec<u32>) {
        self.0.lock().push((id, events));
    }
}

fn batch(id: SubscriptionId, returned: &Arc<Returned>) -> Events<u32> {
    Events::with_return(id, vec![1, 2, 3], Arc::clone(returned) as Arc<dyn Undelivered<u32>>)
}

#[test]
fn ids_are_unique_and_ascend() {
    let (first, second) = (SubscriptionId::next(), SubscriptionId::next());
    assert!(first < second);
    assert_eq!(first.to_string(), first.get().to_string());
}

#[test]
fn taken_events_are_not_given_back() {
    let returned = Arc::new(Returned::default());
    assert_eq!(batch(SubscriptionId::next(), &returned).take(), [1, 2, 3]);
    assert!(returned.0.lock().is_empty());
}

#[test]
fn an_untaken_batch_is_given_back_once_and_in_order() {
    let (returned, id) = (Arc::new(Returned::default()), SubscriptionId::next());
    drop(batch(id, &returned));
    assert_eq!(*returned.0.lock(), [(id, vec![1, 2, 3])]);
}

#[test]
fn what_is_left_of_a_batch_is_given_back() {
    let (returned, id) = (Arc::new(Returned::default()), SubscriptionId::next());
    let mut events = batch(id, &returned);
    assert_eq!(events.take_first(2), [1, 2]);
    assert_eq!(events.len(), 1);
    drop(events);
    assert_eq!(*returned.0.lock(), [(id, vec![3])]);
}

#[test]
fn taking_more_than_there_is_takes_all() {
    let returned = Arc::new(Returned::default());
    let mut events = batch(SubscriptionId::next(), &returned);
    assert_eq!(events.take_first(9), [1, 2, 3]);
    assert!(events.is_empty());
    drop(events);
    assert!(returned.0.lock().is_empty());
}

#[derive(Default)]
struct Probe {
    got: Vec<u32>,
    panics: bool,
}

impl Actor for Probe {
    type Context = Context<Self>;
}

impl Handler<Events<u32>> for Probe {
    type Result = ();

    fn handle(&mut self, events: Events<u32>, _: &mut Self::Context) {
        assert!(!self.panics, "this probe panics before it takes the events");
        self.got.extend(events.take());
    }
}

impl Handler<Cancelled> for Probe {
    type Result = ();

    fn handle(&mut self, _: Cancelled, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

#[derive(Message)]
#[rtype(result = "Vec<u32>")]
struct Got;

impl Handler<Got> for Probe {
    type Result = Vec<u32>;

    fn handle(&mut self, _: Got, _: &mut Self::Context) -> Vec<u32> {
        self.got.clone()
    }
}

/// Lets the actors of this arbiter handle what is in their mailboxes.
async fn settle() {
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
}

#[actix::test]
async fn a_live_consumer_gets_its_events() {
    let (returned, id) = (Arc::new(Returned::default()), SubscriptionId::next());
    let probe = Probe::default().start();
    let link = ConsumerLink::to(&probe);
    link.deliver(batch(id, &returned)).expect("the probe lives");
    assert_eq!(probe.send(Got).await.expect("the probe lives"), [1, 2, 3]);
    assert!(returned.0.lock().is_empty());
}

#[actix::test]
async fn a_closed_mailbox_is_reported_with_the_events() {
    let (returned, id) = (Arc::new(Returned::default()), SubscriptionId::next());
    let link = ConsumerLink::to(&Probe::default().start());
    link.cancelled(id, CancelReason::Normal).expect("the probe lives");
    settle().await;
    assert!(!link.is_connected());
    assert_eq!(link.cancelled(id, CancelReason::Normal), Err(Disconnected));
    let events = link.deliver(batch(id, &returned)).expect_err("the probe has stopped");
    assert_eq!(events.take(), [1, 2, 3]);
    assert!(returned.0.lock().is_empty(), "the caller got them, nobody else");
}

#[actix::test]
async fn events_in_a_dead_mailbox_are_given_back() {
    let (returned, id) = (Arc::new(Returned::default()), SubscriptionId::next());
    let link = ConsumerLink::to(&Probe::default().start());
    link.cancelled(id, CancelReason::Normal).expect("the probe lives");
    link.deliver(batch(id, &returned)).expect("the mailbox is still open");
    settle().await;
    assert_eq!(*returned.0.lock(), [(id, vec![1, 2, 3])]);
}

#[actix::test]
async fn events_of_a_panicking_handler_are_given_back() {
    let (returned, id) = (Arc::new(Returned::default()), SubscriptionId::next());
    let link = ConsumerLink::to(&Probe { panics: true, ..Probe::default() }.start());
    link.deliver(batch(id, &returned)).expect("the mailbox is open");
    link.deliver(batch(id, &returned)).expect("the mailbox is open");
    settle().await;
    assert_eq!(*returned.0.lock(), [(id, vec![1, 2, 3]), (id, vec![1, 2, 3])]);
    assert!(!link.is_connected());
}

#[test]
fn only_normal_and_shutdown_are_orderly() {
    assert!(CancelReason::Normal.is_orderly());
    assert!(CancelReason::Shutdown.is_orderly());
    assert!(!CancelReason::ProducerDown.is_orderly());
    assert!(!CancelReason::Failed("oops".to_owned()).is_orderly());
}
