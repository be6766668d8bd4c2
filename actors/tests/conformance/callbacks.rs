//! 2.7 Callbacks.

use actix::{Addr, AsyncContext, Context, Handler, Message};
use pushweir_actors::{
    CancelMode, CancelReason, Consumer, Keep, Producer, ProducerLogic, StopStage, Subscription,
    SubscriptionId, Unsubscribe,
};

use crate::support::{Crash, Diary, Seen, Sink, Source, Stage};
use crate::support::{oops, port, settle, silent, sink, temporary};

#[actix::test]
async fn case_68_the_producer_hears_of_a_subscription() {
    let (producer, notes) = silent(10, Keep::Newest);
    let (_consumer, diary) = sink(temporary(&producer));
    settle().await;
    assert_eq!(notes.subscriptions(), diary.subscriptions());
    assert_eq!(notes.subscriptions().len(), 1);
}

/// GenStage's producer dies of answering `manual`; ours can only accept or refuse, as its type says.
#[test]
fn case_69_a_producer_cannot_choose_manual_demand() {
    type Answer = fn(&mut Source, SubscriptionId, u32) -> Result<(), CancelReason>;
    let answer: Answer = Source::handle_subscribe;
    assert_eq!(answer(&mut Source::default(), SubscriptionId::next(), 0), Ok(()));
}

#[actix::test]
async fn case_70_the_producer_hears_of_a_cancel() {
    let (producer, notes) = silent(10, Keep::Newest);
    let (consumer, diary) = sink(temporary(&producer));
    settle().await;
    let id = diary.subscriptions()[0];
    consumer.send(Unsubscribe { id, reason: oops() }).await.expect("it lives");
    settle().await;
    assert!(notes.all().contains(&Seen::Cancelled(id, oops())));
}

#[actix::test]
async fn case_71_the_producer_hears_of_a_killed_consumer() {
    let (producer, notes) = silent(10, Keep::Newest);
    let (consumer, diary) = sink(temporary(&producer));
    settle().await;
    let id = diary.subscriptions()[0];
    consumer.send(Crash).await.expect_err("it dies");
    settle().await;
    assert!(notes.all().contains(&Seen::Cancelled(id, CancelReason::ConsumerDown)));
    assert_eq!(diary.terminations(), [], "a crash is no stop in order");
}

#[derive(Message)]
#[rtype(result = "&'static str")]
struct Quit;

impl Handler<Quit> for Producer<Source> {
    type Result = actix::MessageResult<Quit>;

    fn handle(&mut self, _: Quit, ctx: &mut Context<Self>) -> Self::Result {
        self.stop(CancelReason::Shutdown, ctx);
        let address: Addr<Self> = ctx.address();
        assert!(address.connected(), "the answer goes out before the end");
        actix::MessageResult("bye")
    }
}

#[actix::test]
async fn case_74_a_call_may_shut_the_stage_down_and_is_answered() {
    let (producer, notes) = silent(10, Keep::Newest);
    assert_eq!(producer.send(Quit).await, Ok("bye"));
    settle().await;
    assert_eq!(notes.terminations(), [CancelReason::Shutdown]);
    assert!(!producer.connected());
}

#[actix::test]
async fn case_76_terminate_runs_when_the_stage_is_stopped() {
    let (producer, notes) = silent(10, Keep::Newest);
    crate::support::push(&producer, "ab").await;
    producer.send(StopStage(CancelReason::Normal)).await.expect("it lives");
    settle().await;
    let buffered = crate::support::letters("ab");
    assert_eq!(notes.all(), [Seen::Terminated(CancelReason::Normal, buffered)], "with what was left");
    let (consumer, diary) = sink(temporary(&silent(10, Keep::Newest).0));
    consumer.send(StopStage(CancelReason::Normal)).await.expect("it lives");
    settle().await;
    assert_eq!(diary.terminations(), [CancelReason::Normal]);
}

async fn subscribed(mode: CancelMode) -> (Stage, Addr<Consumer<Sink>>, Diary) {
    let (producer, _) = silent(10, Keep::Newest);
    let (consumer, diary) = sink(Subscription::to(port(&producer)).mode(mode));
    settle().await;
    (producer, consumer, diary)
}

/// Cancels the subscription of a consumer and returns what it saw of it and how it ended.
async fn cancelled(mode: CancelMode, reason: CancelReason) -> (Vec<CancelReason>, Option<CancelReason>) {
    let (_producer, consumer, diary) = subscribed(mode).await;
    let id = diary.subscriptions()[0];
    consumer.send(Unsubscribe { id, reason }).await.expect("it lives");
    settle().await;
    assert_eq!(consumer.connected(), diary.terminations().is_empty());
    (diary.cancels(), diary.terminations().pop())
}

#[actix::test]
async fn case_79_a_temporary_consumer_stays_after_a_cancel() {
    assert_eq!(cancelled(CancelMode::Temporary, oops()).await, (vec![oops()], None));
}

#[actix::test]
async fn case_80_a_transient_consumer_stays_after_a_normal_cancel() {
    let seen = cancelled(CancelMode::Transient, CancelReason::Normal).await;
    assert_eq!(seen, (vec![CancelReason::Normal], None));
}

#[actix::test]
async fn case_81_a_transient_consumer_stops_after_another_cancel() {
    assert_eq!(cancelled(CancelMode::Transient, oops()).await, (vec![oops()], Some(oops())));
}

#[actix::test]
async fn case_82_a_permanent_consumer_stops_after_a_cancel() {
    assert_eq!(cancelled(CancelMode::Permanent, oops()).await, (vec![oops()], Some(oops())));
}

/// Kills the producer of a consumer and returns how the consumer ended.
async fn orphaned(mode: CancelMode) -> Option<CancelReason> {
    let (producer, consumer, diary) = subscribed(mode).await;
    producer.send(Crash).await.expect_err("it dies");
    settle().await;
    assert_eq!(diary.cancels(), [CancelReason::ProducerDown]);
    assert_eq!(consumer.connected(), diary.terminations().is_empty());
    diary.terminations().pop()
}

#[actix::test]
async fn case_83_a_temporary_consumer_survives_its_producer() {
    assert_eq!(orphaned(CancelMode::Temporary).await, None);
}

#[actix::test]
async fn case_84_a_transient_consumer_stops_with_a_killed_producer() {
    assert_eq!(orphaned(CancelMode::Transient).await, Some(CancelReason::ProducerDown));
}

#[actix::test]
async fn case_85_a_permanent_consumer_stops_with_its_producer() {
    assert_eq!(orphaned(CancelMode::Permanent).await, Some(CancelReason::ProducerDown));
}

#[actix::test]
async fn a_transient_consumer_survives_a_producer_that_stops_in_order() {
    let (producer, consumer, diary) = subscribed(CancelMode::Transient).await;
    producer.send(StopStage(CancelReason::Shutdown)).await.expect("it lives");
    settle().await;
    assert_eq!(diary.cancels(), [CancelReason::Shutdown]);
    assert!(consumer.connected());
}
