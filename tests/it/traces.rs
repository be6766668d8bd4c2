//! Traces, from the sender's header to spans at a receiver (`reference/observability.md` 1.4: TR-1 to TR-10).

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

use crate::support::agreement::{assert_agreed, assert_agreed_without_repeats};
use crate::support::gateway::Gateway;
use crate::support::http::Reply;
use crate::support::load::push_to;
use crate::support::sink::{Sink, attribute, hex, names};
use crate::support::{Config, Load, Peer, batch, eventually, push};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn to(peer: &Peer, sink: &Sink) -> Config {
    Config::to(peer).text("telemetry.traces.endpoint", &sink.url()).set("telemetry.traces.sample", 1)
}

#[track_caller]
fn post(gateway: &Gateway, headers: &[(&str, &str)], body: &serde_json::Value) -> Reply {
    let headers = [&[("content-type", "application/json")], headers].concat();
    gateway.post_with(&headers, body.to_string().as_bytes()).expect(202)
}

fn of<'s>(spans: &'s [Span], trace: &str) -> Vec<&'s Span> {
    spans.iter().filter(|span| hex(&span.trace_id) == trace).collect()
}

#[track_caller]
fn one<'s>(spans: &[&'s Span], name: &str) -> &'s Span {
    let found: Vec<_> = spans.iter().filter(|span| span.name.starts_with(name)).collect();
    assert_eq!(found.len(), 1, "{name} in {spans:#?}");
    found[0]
}

const fn length(span: &Span) -> u64 {
    span.end_time_unix_nano - span.start_time_unix_nano
}

fn metric(gateway: &Gateway, name: &str) -> f64 {
    let text = gateway.get("/metrics").expect(200).body;
    let line = text.lines().find(|line| line.starts_with(name) && line[name.len()..].starts_with(' '));
    let value = line.unwrap_or_else(|| panic!("no {name} in {text}")).split(' ').nth(1);
    value.and_then(|value| value.parse().ok()).expect("a metric has a value")
}

#[test]
fn tr_1_one_push_makes_one_trace_whose_steps_add_up() {
    let (peer, sink) = (Peer::start(&["--latency", "40ms"]), Sink::start());
    let gateway = Gateway::start_ready(&to(&peer, &sink).text("telemetry.traces.service_name", "gateway-7"));
    let reply = post(&gateway, &[], &push_to("pr1vate-token"));
    let response = reply.header("traceresponse").expect("a traced request says so").to_owned();
    let all = sink.wait_for("the whole trace is there", |spans| spans.len() >= 7);
    let spans = of(&all, &response[3..35]);
    assert_eq!(spans.len(), 7, "one trace of exactly seven spans: {:?}", names(&all));
    let call = one(&spans, "POST /v1/pushes");
    assert_eq!((hex(&call.span_id).as_str(), call.parent_span_id.len()), (&response[36..52], 0));
    assert_eq!(attribute(call, "http.response.status_code"), "202");
    let root = one(&spans, "push android");
    assert_eq!((&root.parent_span_id, root.kind()), (&call.span_id, SpanKind::Producer));
    assert_eq!(attribute(root, "pushweir.outcome"), "delivered");
    let steps = ["queue wait", "window wait", "send 127.0.0.1", "await ack"].map(|name| one(&spans, name));
    for step in steps.into_iter().chain([one(&spans, "settle push")]) {
        assert_eq!(step.parent_span_id, root.span_id, "{}", step.name);
        assert!(step.start_time_unix_nano >= root.start_time_unix_nano, "{}", step.name);
        assert!(step.end_time_unix_nano <= root.end_time_unix_nano, "{}", step.name);
    }
    let sum: u64 = steps.into_iter().map(length).sum();
    assert!(length(root).abs_diff(sum) <= 1_000_000, "{sum} of {}", length(root));
    assert!(length(steps[3]) >= 40_000_000, "the provider takes 40 ms");
    assert_eq!(attribute(steps[2], "network.protocol.name"), "xmpp");
    assert_eq!(attribute(root, "messaging.message.id"), reply.json()["ids"][0].as_str().expect("an id"));
    assert!(sink.services().iter().all(|name| name == "gateway-7"));
    assert!(!format!("{all:?}").contains("pr1vate"), "no token in a span");
    assert_agreed_without_repeats(&gateway, &peer);
    gateway.finish();
}

#[test]
fn tr_1_after_a_killed_pusher_both_attempts_are_in_one_trace() {
    let (peer, sink) = (Peer::start(&["--latency", "300ms"]), Sink::start());
    let config = to(&peer, &sink).route("connections", 1).set("runtime.fault_injection", true);
    let gateway = Gateway::start_ready(&config).allow_panics();
    let reply = post(&gateway, &[("traceparent", PARENT), ("tracestate", "a=1,b=2")], &push());
    gateway.wait_for("it is in flight", |state| state.ledger("in_flight") == 1);
    gateway.command_at("faults/panic?target=android/0").expect(200);
    let all =
        sink.wait_for("the push has ended", |spans| spans.iter().any(|span| span.name == "push android"));
    let spans = of(&all, TRACE);
    let acks: Vec<_> = spans.iter().filter(|span| span.name == "await ack").collect();
    let attempts: Vec<_> = acks.iter().map(|span| attribute(span, "pushweir.attempt")).collect();
    assert_eq!(attempts, ["1", "2"], "{:?}", names(&all));
    assert_eq!(attribute(acks[0], "error.type"), "unanswered");
    assert_eq!(acks[0].events[0].name, "requeued");
    assert!(acks[1].status.as_ref().is_none_or(|status| status.code() == StatusCode::Unset));
    let call = spans.iter().find(|span| span.name == "POST /v1/pushes").expect("the request has a span");
    assert_eq!(hex(&call.parent_span_id), "00f067aa0ba902b7", "the sender's span is the parent");
    assert!(spans.iter().all(|span| span.trace_state == "a=1,b=2"));
    assert!(reply.header("traceresponse").is_some_and(|value| value.contains(TRACE)));
    assert_agreed(&gateway, &peer);
    gateway.finish();
}

#[test]
fn tr_2_headers_are_followed_or_ignored_and_never_an_error() {
    let (peer, sink) = (Peer::start(&[]), Sink::start());
    let gateway = Gateway::start_ready(&to(&peer, &sink).set("telemetry.traces.sample", 0));
    let followed =
        |headers: &[(&str, &str)]| post(&gateway, headers, &push()).header("traceresponse").is_some();
    let later = PARENT.replacen("00", "cc", 1) + "-future";
    assert!(followed(&[("traceparent", PARENT)]) && followed(&[("traceparent", &later)]));
    let long = "a".repeat(4_000);
    let zero = format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32));
    let bad = [
        PARENT.replacen("00", "ff", 1),
        PARENT.to_uppercase(),
        zero,
        format!("{PARENT}-x"),
        long,
        String::new(),
    ];
    for header in &bad {
        assert!(!followed(&[("traceparent", header)]), "{header:?}");
    }
    assert!(!followed(&[("traceparent", PARENT), ("traceparent", PARENT)]), "twice is not at all");
    assert!(!followed(&[("traceparent", &PARENT.replace("-01", "-00"))]), "the sender does not record");
    let all = sink.wait_for("two requests are traced", |spans| spans.len() == 14);
    assert!(all.iter().all(|span| hex(&span.trace_id) == TRACE));
    assert_agreed_without_repeats(&gateway, &peer);
    gateway.finish();
}

#[test]
fn tr_4_of_a_large_request_about_ten_pushes_are_traced() {
    let (peer, sink) = (Peer::start(&[]), Sink::start());
    let gateway = Gateway::start_ready(&to(&peer, &sink));
    for _ in 0..5 {
        post(&gateway, &[], &batch(1_000));
    }
    assert_agreed_without_repeats(&gateway, &peer);
    gateway.finish();
    let spans = sink.spans();
    let calls: Vec<_> = spans.iter().filter(|span| span.name == "POST /v1/pushes").collect();
    assert_eq!(calls.len(), 5, "the last spans are posted when the service stops");
    assert!(calls.iter().all(|call| attribute(call, "messaging.batch.message_count") == "1000"));
    let kept = spans.iter().filter(|span| span.name == "push android").count();
    // 50 wanted; 3.3 standard deviations of the binomial distribution are 23.
    assert!((27..=73).contains(&kept), "{kept}");
    assert!(
        spans
            .iter()
            .filter(|span| span.name == "push android")
            .all(|span| attribute(span, "pushweir.keep_rate") == "0.01")
    );
}

#[test]
fn tr_5_without_a_share_and_headers_nothing_is_traced_whatever_happens() {
    let (peer, sink) =
        (Peer::start(&["--latency", "10ms", "--nack", "0.2:SERVICE_UNAVAILABLE"]), Sink::start());
    let gateway = Gateway::start_ready(&to(&peer, &sink).set("telemetry.traces.sample", 0));
    let load = Load::start(&gateway, 20);
    gateway.delivered(200);
    gateway.command_at("pushers/android/0/restart?mode=force").expect(200);
    gateway.delivered(600);
    load.finish();
    assert_agreed(&gateway, &peer);
    assert_eq!(metric(&gateway, "pushweir_trace_spans_exported_total"), 0.0);
    gateway.finish();
    assert_eq!(names(&sink.spans()), Vec::<&str>::new());
}

#[test]
fn tr_7_a_receiver_that_does_not_answer_costs_spans_and_nothing_else() {
    let peer = Peer::start(&[]);
    let hole = std::net::TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let url = format!("http://{}/v1/traces", hole.local_addr().expect("it is bound"));
    let config = Config::to(&peer)
        .text("telemetry.traces.endpoint", &url)
        .set("telemetry.traces.sample", 1)
        .set("telemetry.traces.queue", 64);
    let gateway = Gateway::start_ready(&config);
    let load = Load::start(&gateway, 20);
    eventually("spans are dropped", || match metric(&gateway, "pushweir_trace_spans_dropped_total") {
        dropped if dropped > 1_000.0 => Ok(()),
        dropped => Err(format!("{dropped}")),
    });
    assert!(metric(&gateway, "pushweir_trace_spans_queued") <= 64.0);
    let told = load.finish();
    let state = assert_agreed_without_repeats(&gateway, &peer);
    assert_eq!(state.ledger("delivered"), told.accepted);
    assert_eq!(told.statuses.keys().copied().collect::<Vec<_>>(), [202]);
    gateway.finish();
}

#[test]
fn tr_8_failures_are_in_the_log_with_their_trace() {
    let (peer, sink) = (Peer::start(&[]), Sink::start());
    let gateway = Gateway::start_ready(&to(&peer, &sink));
    let reply = post(&gateway, &[("traceparent", PARENT)], &push_to("unregistered-pr1vate"));
    let id = reply.json()["ids"][0].as_str().expect("an id").to_owned();
    let line = gateway.wait_for_log("push ended outcome=unregistered");
    assert!(line.contains(&format!("id={id}")) && line.contains(&format!("trace={TRACE}")), "{line}");
    for _ in 0..20 {
        post(
            &gateway,
            &[],
            &serde_json::json!({"pushes": (0..50).map(|_| push_to("unregistered-pr1vate")).collect::<Vec<_>>()}),
        );
    }
    gateway.settled();
    let log = gateway.finish();
    let lines = log.iter().filter(|line| line.contains("push ended outcome=")).count();
    assert!((1..=300).contains(&lines), "{lines} lines for 1001 failures in a few seconds");
    assert!(!log.join("\n").contains("pr1vate"));
}

#[test]
fn tr_9_share_receiver_and_next_pushes_change_at_run_time() {
    let (peer, sink) = (Peer::start(&[]), Sink::start());
    let config = Config::to(&peer);
    let gateway = Gateway::start_ready(&config);
    assert!(post(&gateway, &[("traceparent", PARENT)], &push()).header("traceresponse").is_none());
    let reply = gateway.command_at("trace?next=3").expect(409);
    assert!(reply.error().contains("endpoint"), "{reply:?}");
    let quiet = to(&peer, &sink).set("telemetry.traces.sample", 0);
    gateway.reload(&quiet.render());
    gateway.wait_for_log("reloaded changes=1 need_restart=0");
    assert!(post(&gateway, &[], &push()).header("traceresponse").is_none());
    let reply = gateway.command_at("trace?next=3").expect(200);
    assert_eq!(reply.json()["traces"]["wanted"], 3, "{reply:?}");
    post(&gateway, &[], &batch(50));
    let all = sink.wait_for("three pushes are traced", |spans| {
        names(spans).iter().filter(|name| **name == "push android").count() == 3
    });
    assert_eq!(names(&all).iter().filter(|name| **name == "POST /v1/pushes").count(), 1);
    assert!(post(&gateway, &[], &push()).header("traceresponse").is_none());
    gateway.reload(&to(&peer, &sink).render());
    eventually("every request is traced", || match post(&gateway, &[], &push()).header("traceresponse") {
        Some(_) => Ok(()),
        None => Err("not yet".to_owned()),
    });
    for bad in ["trace", "trace?next=0", "trace?next=-1", "trace?next=x", "trace?next=1000000000"] {
        gateway.command_at(bad).expect(400);
    }
    assert_agreed_without_repeats(&gateway, &peer);
    gateway.finish();
}

#[test]
fn an_operators_test_push_is_delivered_traced_and_audited_without_its_token() {
    let (peer, sink) = (Peer::start(&[]), Sink::start());
    let config = to(&peer, &sink).set("telemetry.traces.sample", 0).text("feedback.report", "all");
    let gateway = Gateway::start_ready(&config);
    let path = "routes/android/test";
    let reply = gateway.command_with(path, "{\"to\":{\"token\":\"pr1vate\"}}").expect(200).json();
    assert_eq!(reply["push"]["outcome"], "delivered", "{reply:#}");
    let trace = reply["push"]["trace"].as_str().expect("it is traced").to_owned();
    sink.wait_for("its spans are there", |spans| of(spans, &trace).len() == 7);
    let metrics = gateway.get("/metrics").expect(200).body;
    let example = format!("trace_id=\"{trace}\"");
    let is_example =
        |line: &str| line.starts_with("pushweir_delivery_duration_seconds_bucket") && line.contains(&example);
    assert!(metrics.lines().any(is_example), "OB-2: a bucket names an exported trace: {metrics}");
    assert_eq!(gateway.results()["results"], serde_json::json!([]), "no sender hears of it");
    gateway.command_with(path, "{}").expect(400);
    gateway.command_with("routes/ios/test", "{\"to\":{\"token\":\"t\"}}").expect(404);
    gateway.command_at("log?filter=debug").expect(200);
    assert_eq!(gateway.state().0["telemetry"]["log"], "debug");
    gateway.command_at("log?filter=loud").expect(400);
    let audit = gateway.get("/admin/api/audit").expect(200).body;
    assert!(
        audit.contains("push on android") && audit.contains("\"debug\"") && !audit.contains("pr1vate"),
        "{audit}"
    );
    assert_agreed_without_repeats(&gateway, &peer);
    assert!(!gateway.finish().join("\n").contains("pr1vate"));
}
