//! A traced push from admission to settlement, across lost connections, crashes and retries; the clock is paused, so that times are exact.

use std::sync::Arc;

use opentelemetry::trace::{SpanId, Status};
use opentelemetry_sdk::trace::SpanData;

use super::stand::ROUTE;
use super::*;
use crate::push::fixture::push;
use crate::push::trace::{Origin, SpanName, Trace};
use crate::push::{Lane, Push};
use crate::telemetry::trace::spans::{Anchor, Writer};
use crate::telemetry::trace::{self, Tracer};

const FIRST: u128 = 1_000;
const CALL: SpanName = SpanName { trace: 0xabc, span: 0xdef };

fn tracer() -> Arc<Tracer> {
    Arc::new(Tracer::new(trace::Settings {
        endpoint: Some("http://127.0.0.1:1/".to_owned()),
        sample: 0.0,
        pushes_per_request: 10.0,
        callers: 0,
        queue: 1_000,
        service_name: "test".to_owned(),
    }))
}

fn context(stand: &Stand, tracer: &Arc<Tracer>) -> Box<Trace> {
    let sink = Arc::<Tracer>::clone(tracer);
    let origin = Origin { sink, call: CALL, state: None, fanout: 1, keep: 1.0, depth: 0 };
    Box::new(Trace {
        origin: Arc::new(origin),
        span: 7,
        route: "android".into(),
        attempt: 0,
        queued: stand.clock.now(),
        dispatched: None,
        sent: None,
    })
}

/// Admits pushes with keys from 1000 on, the first of which is traced.
async fn admit(stand: &Stand, tracer: &Arc<Tracer>, count: u128) {
    let (now, mut trace) = (stand.clock.now(), Some(context(stand, tracer)));
    let push = |number| Push { accepted_at: now, trace: trace.take(), ..push(FIRST + number, Lane::Normal) };
    assert!(stand.intake.admit(ROUTE, (0..count).map(push).collect()).is_empty());
    stand.settle().await;
}

fn spans(stand: &Stand, tracer: &Tracer) -> Vec<SpanData> {
    let mut writer = Writer::new(Anchor::now(stand.clock));
    tracer.take_all().iter().for_each(|piece| writer.add(piece));
    writer.finish()
}

fn names(spans: &[SpanData]) -> Vec<&str> {
    spans.iter().map(|span| span.name.as_ref()).collect()
}

fn length(span: &SpanData) -> Duration {
    span.end_time.duration_since(span.start_time).expect("a span ends after it begins")
}

const ATTEMPT: [&str; 4] = ["queue wait", "window wait", "send fake", "await ack"];

#[actix::test]
async fn tr_1_the_steps_of_a_push_add_up_to_its_whole_way() {
    let (stand, tracer) = (Stand::start(1, 1).await, tracer());
    // The window is taken, so that the traced push waits in the buffer.
    stand.admit(1).await;
    admit(&stand, &tracer, 1).await;
    stand.pass(Duration::from_millis(300)).await;
    stand.provider.acknowledge(0, 1);
    stand.settle().await;
    stand.pass(Duration::from_millis(70)).await;
    stand.provider.acknowledge(0, 1);
    stand.settle().await;
    let spans = spans(&stand, &tracer);
    assert_eq!(names(&spans), [&ATTEMPT[..], &["settle push", "push android"]].concat());
    let steps: Duration = spans[..4].iter().map(length).sum();
    assert_eq!(steps, length(&spans[5]), "nothing of its way is in no step");
    let millis = |span: usize, least: u128| (least..least + 5).contains(&length(&spans[span]).as_millis());
    assert!(millis(0, 300) && millis(1, 0) && millis(2, 0) && millis(3, 70), "{spans:#?}");
    let push = &spans[5];
    assert_eq!(
        (push.parent_span_id, push.span_context.span_id()),
        (SpanId::from(CALL.span), SpanId::from(7))
    );
    for span in &spans {
        assert_eq!(span.span_context.trace_id(), CALL.trace.into());
        assert!(span.start_time >= push.start_time && span.end_time <= push.end_time, "{}", span.name);
        assert_eq!(span.status, Status::Unset, "{}", span.name);
    }
    assert!(spans[..5].iter().all(|span| span.parent_span_id == SpanId::from(7)));
    assert_eq!(tracer.counts().queued, 0);
}

#[actix::test]
async fn tr_1_after_a_killed_pusher_both_attempts_are_in_one_trace() {
    let (stand, tracer) = (Stand::start(1, 10).await, tracer());
    admit(&stand, &tracer, 3).await;
    assert!(stand.pusher(0).nudge(Nudge::Panic));
    stand.pass(Duration::from_secs(1)).await;
    stand.provider.acknowledge(1, 3);
    stand.settle().await;
    let spans = spans(&stand, &tracer);
    assert_eq!(names(&spans), [&ATTEMPT[..], &ATTEMPT[..], &["settle push", "push android"]].concat());
    let (first, second) = (&spans[3], &spans[7]);
    assert_eq!(first.status, Status::error(""), "the first attempt has no answer");
    assert_eq!(first.events[0].name, "requeued");
    assert_eq!((second.status.clone(), second.events.len()), (Status::Unset, 0));
    assert!(spans[4].start_time == first.end_time && length(&spans[4]) >= Duration::from_millis(100));
    assert!(spans.iter().all(|span| span.span_context.trace_id() == CALL.trace.into()));
    assert_eq!(stand.books().delivered, 3);
}

#[actix::test]
async fn tr_1_a_collector_that_panics_and_a_lost_connection_keep_the_trace() {
    let (stand, tracer) = (Stand::start(1, 1).await, tracer());
    stand.admit(1).await;
    admit(&stand, &tracer, 1).await;
    let collector = stand.collector.lock().clone().expect("it runs");
    assert!(collector.send(InjectPanic).await.is_err());
    stand.pass(Duration::from_secs(1)).await;
    stand.provider.acknowledge(0, 1);
    stand.settle().await;
    stand.provider.tell(0, closed());
    stand.pass(Duration::from_secs(1)).await;
    stand.provider.acknowledge(1, 1);
    stand.settle().await;
    let spans = spans(&stand, &tracer);
    assert_eq!(names(&spans), [&ATTEMPT[..], &ATTEMPT[..], &["settle push", "push android"]].concat());
    assert_eq!(stand.books().delivered, 2);
}

#[actix::test]
async fn a_retry_waits_in_a_new_attempt_and_a_rejection_is_an_error_with_its_code() {
    let (stand, tracer) = (Stand::start(1, 10).await, tracer());
    admit(&stand, &tracer, 1).await;
    let answer = |code: &str| Box::new(Answer::new(code, "token abc is bad"));
    let retry = Verdict::Retry { answer: answer("SERVICE_UNAVAILABLE"), after: None };
    stand.provider.tell(0, vec![SessionEvent::Answered { key: key(FIRST), verdict: retry }]);
    stand.pass(Duration::from_secs(2)).await;
    let rejected = Verdict::Rejected(answer("INVALID_JSON"));
    stand.provider.tell(0, vec![SessionEvent::Answered { key: key(FIRST), verdict: rejected }]);
    stand.settle().await;
    let spans = spans(&stand, &tracer);
    assert_eq!(names(&spans), [&ATTEMPT[..], &ATTEMPT[..], &["settle push", "push android"]].concat());
    assert!(length(&spans[4]) >= Duration::from_millis(500), "the back-off is a wait");
    let text = format!("{spans:?}");
    assert!(
        text.contains("SERVICE_UNAVAILABLE") && text.contains("INVALID_JSON") && !text.contains("abc is bad")
    );
    assert_eq!(spans[9].status, Status::error(""));
}

#[actix::test]
async fn a_push_that_expires_while_it_waits_says_so() {
    let (stand, tracer) = (Stand::start(1, 1).await, tracer());
    stand.admit(1).await;
    let now = stand.clock.now();
    let deadline = now.after(Duration::from_secs(2));
    let late = Push {
        accepted_at: now,
        deadline,
        trace: Some(context(&stand, &tracer)),
        ..push(FIRST, Lane::Normal)
    };
    assert!(stand.intake.admit(ROUTE, vec![late]).is_empty());
    stand.pass(Duration::from_secs(5)).await;
    let spans = spans(&stand, &tracer);
    assert_eq!(names(&spans), ["queue wait", "settle push", "push android"]);
    assert!(format!("{:?}", spans[2].attributes).contains("expired"));
}

#[actix::test]
async fn tr_5_tr_10_bare_pushes_pass_every_stage_and_begin_nothing() {
    let (stand, tracer) = (Stand::start(2, 10).await, tracer());
    admit(&stand, &tracer, 5).await;
    stand.admit(100).await;
    assert!(stand.pusher(0).nudge(Nudge::Panic));
    stand.pass(Duration::from_secs(1)).await;
    while stand.books().held() > 0 {
        for peer in 0..stand.provider.connections() {
            if stand.provider.is_open(peer) && stand.provider.unanswered(peer) > 0 {
                stand.provider.acknowledge(peer, 1);
            }
        }
        stand.settle().await;
    }
    let spans = spans(&stand, &tracer);
    let roots = spans.iter().filter(|span| span.name == "push android").count();
    assert_eq!((roots, stand.books().delivered), (1, 105), "only what ingest traced is traced");
}
