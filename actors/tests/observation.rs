//! Stages are read from outside, at any time, without a message to them.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Addr};
use parking_lot::Mutex;
use pushweir_actors::{
    CancelMode, CancelReason, ChildSpec, Consumer, ConsumerLogic, DemandRange, Exit, Flow, Port, Producer,
    ProducerLogic, StageCounters, StopStage, Subscription, SubscriptionId, Supervisor, SupervisorSpec,
    SupplySettings,
};

struct Collector;

impl ProducerLogic for Collector {
    type Event = u64;
}

struct Sink;

impl ConsumerLogic for Sink {
    type Event = u64;

    fn handle_events(&mut self, _: Vec<u64>, _: SubscriptionId, _: &mut Flow) {}
}

fn subscription(port: &Port<u64>) -> Subscription<u64> {
    let range = DemandRange::new(4).expect("4 is a window");
    Subscription::to(port.clone()).demand(range).mode(CancelMode::Temporary)
}

async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[actix::test]
async fn messages_of_peers_are_counted_until_they_are_handled() {
    let port = Port::new();
    let producer = Producer::new(Collector, SupplySettings::default()).with_port(port.clone());
    let sending = producer.counters();
    let producer = producer.start();
    settle().await;
    assert_eq!(sending.mailbox(), 0);
    let consumer = Consumer::new(Sink).subscribed_to(subscription(&port));
    let receiving = consumer.counters();
    let link = port.current().expect("the producer is up");
    let consumer = consumer.start();
    // Nothing runs between these lines but what they call.
    let unknown = SubscriptionId::next();
    link.ask(unknown, 1).expect("it is up");
    link.clone().cancel(unknown, CancelReason::Normal).expect("it is up");
    assert_eq!(sending.mailbox(), 2);
    settle().await;
    assert_eq!((sending.mailbox(), receiving.mailbox()), (0, 0));
    assert_eq!(sending.demand(), 4);
    consumer.send(StopStage(CancelReason::Normal)).await.expect("it is up");
    producer.send(StopStage(CancelReason::Normal)).await.expect("it is up");
    settle().await;
    assert_eq!((sending.mailbox(), receiving.mailbox()), (0, 0));
}

#[actix::test]
async fn what_waits_in_the_mailbox_of_a_dead_stage_is_not_counted_for_its_successor() {
    let port = Port::new();
    let counters = Arc::<StageCounters>::default();
    let start = || {
        Producer::new(Collector, SupplySettings::default())
            .with_port(port.clone())
            .with_counters(Arc::clone(&counters))
            .start()
    };
    let first = start();
    settle().await;
    let link = port.current().expect("the producer is up");
    let stopped = first.send(StopStage(CancelReason::Normal));
    (0..3).for_each(|_| link.ask(SubscriptionId::next(), 1).expect("it is up"));
    assert_eq!(counters.mailbox(), 3);
    stopped.await.expect("it is up");
    settle().await;
    assert!(!link.is_connected());
    assert_eq!(counters.mailbox(), 0);
    let _second = start();
    settle().await;
    assert_eq!(counters.mailbox(), 0);
    port.current().expect("the next is up").ask(SubscriptionId::next(), 1).expect("it is up");
    assert_eq!(counters.mailbox(), 1);
}

fn producing(port: &Port<u64>) -> ChildSpec {
    let port = port.clone();
    let start = move |link| {
        let producer = Producer::new(Collector, SupplySettings::default()).with_port(port.clone());
        Ok(producer.supervised_by(link).start().into())
    };
    ChildSpec::worker("collector", start).announced(None)
}

/// Starts consumers that leave their address in `place`.
fn consuming(port: &Port<u64>, place: &Arc<Mutex<Option<Addr<Consumer<Sink>>>>>) -> ChildSpec {
    let (port, place) = (port.clone(), Arc::clone(place));
    let start = move |link| {
        let consumer = Consumer::new(Sink).subscribed_to(subscription(&port)).supervised_by(link).start();
        *place.lock() = Some(consumer.clone());
        Ok(consumer.into())
    };
    ChildSpec::worker("pusher", start).announced(None)
}

#[actix::test]
async fn the_tree_shows_flow_restarts_and_last_exit_of_a_stage_together() {
    tokio::time::pause();
    let (port, place) = (Port::new(), Arc::default());
    let spec = SupervisorSpec::new("root").child(producing(&port)).child(consuming(&port, &place));
    let root = Supervisor::start(spec, None).expect("it is in order");
    root.ready().await.expect("both come up");
    let consumer = place.lock().clone().expect("it is up");
    consumer.try_send(StopStage(CancelReason::Failed("no route".to_owned()))).expect("there is room");
    settle().await;
    tokio::time::advance(Duration::from_secs(1)).await;
    settle().await;
    let tree = root.tree();
    let collector = tree.find(&["collector"]).and_then(|node| node.stage).expect("it is a stage");
    assert_eq!((collector.demand, collector.mailbox, collector.buffered), (4, 0, 0));
    assert!(collector.idle_seconds.is_some());
    let pusher = tree.find(&["pusher"]).expect("it is there");
    assert_eq!((pusher.restarts, &pusher.last_exit), (1, &Some(Exit::Failed("no route".to_owned()))));
    assert_eq!(pusher.stage.map(|stage| stage.demand), Some(4));
    let json = serde_json::to_value(&tree).expect("it is plain data");
    assert_eq!(json.pointer("/children/0/stage/demand"), Some(&serde_json::json!(4)));
    root.shutdown(Duration::from_secs(5)).await;
}
