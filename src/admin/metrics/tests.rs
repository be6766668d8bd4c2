//! Every family from the start, few series, and examples of traces where they belong.

use std::time::Duration;

use super::super::measured::RouteTimes;
use super::super::state::tests::fresh;
use super::*;
use crate::telemetry::{Histogram, HttpMeter};

fn lines(pushers: u32) -> Vec<String> {
    let mut snapshot = fresh(pushers);
    snapshot.ledger.accepted = 7;
    snapshot.answers.clear();
    let process = Process { cpu_seconds: 1.5, resident_bytes: 2_048, open_files: 9 };
    let text = encode(Scrape { snapshot, process, ..scrape(1) }).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn scrape(routes: usize) -> Scrape {
    let meter = HttpMeter::new(&["/v1/pushes", "other"], 2);
    let histogram = Histogram::default();
    histogram.record(Duration::from_millis(3), Some(0xabc));
    let times = |number: usize| RouteTimes {
        route: if number == 0 { "android".to_owned() } else { format!("route-{number}") },
        queue: Histogram::default().read(),
        answer: Histogram::default().read(),
        delivery: histogram.read(),
    };
    let measured = Measured {
        mailboxes: vec![("collector", 0)],
        handlers: vec![("collector", Duration::ZERO)],
        routes: (0..routes).map(times).collect(),
        ingest: meter.requests(),
        ingest_durations: meter.durations(),
        ..Measured::default()
    };
    let (requests, durations) = (meter.requests(), meter.durations());
    let process = Process { cpu_seconds: 0.0, resident_bytes: 0, open_files: 0 };
    Scrape { snapshot: fresh(1), process, measured, requests, durations }
}

#[test]
fn every_metric_is_there_from_the_start() {
    let lines = lines(1);
    let expected = [
        "pushweir_pushes_received_total 0",
        "pushweir_pushes_refused_total 0",
        "pushweir_pushes_duplicates_total 0",
        "pushweir_pushes_refused_deadline_total 0",
        "pushweir_pushes_accepted_total 7",
        "pushweir_pushes_settled_total{route=\"android\",outcome=\"delivered\"} 0",
        "pushweir_pushes_settled_total{route=\"android\",outcome=\"lost\"} 0",
        "pushweir_results_recorded_total 0",
        "pushweir_results_dropped_total 0",
        "pushweir_reloads_total{result=\"refused\"} 0",
        "pushweir_webhook_results_sent_total 0",
        "pushweir_webhook_results_lost_total 0",
        "pushweir_webhook_failures_total 0",
        "pushweir_pushes_shed_total{reason=\"buffer_full\"} 0",
        "pushweir_collector_buffered_pushes 0.0",
        "pushweir_collector_buffer_capacity_pushes 10.0",
        "pushweir_collector_buffered_bytes 0.0",
        "pushweir_collector_oldest_age_seconds 0.0",
        "pushweir_projected_drain_seconds 0.0",
        "pushweir_route_breaker_state{route=\"android\",state=\"closed\"} 1.0",
        "pushweir_route_breaker_state{route=\"android\",state=\"half_open\"} 0.0",
        "pushweir_route_breaker_opened_total{route=\"android\"} 0",
        "pushweir_route_breaker_open_seconds{route=\"android\"} 0.0",
        "pushweir_route_held_targets{route=\"android\"} 0.0",
        "pushweir_pusher_inflight_pushes{route=\"android\",pusher=\"android/0\"} 3.0",
        "pushweir_pusher_window_pushes{route=\"android\",pusher=\"android/0\"} 100.0",
        "pushweir_pusher_state{route=\"android\",pusher=\"android/0\",state=\"ready\"} 1.0",
        "pushweir_pusher_state{route=\"android\",pusher=\"android/0\",state=\"failed\"} 0.0",
        "pushweir_pusher_restarts_total{route=\"android\",pusher=\"android/0\"} 2",
        "pushweir_unaccounted_pushes 0.0",
        "pushweir_state{state=\"ok\"} 1.0",
        "pushweir_state{state=\"draining\"} 0.0",
        "pushweir_build_info{version=\"0.1.0\"} 1",
        "pushweir_uptime_seconds 1.5",
        "pushweir_process_cpu_seconds_total 1.5",
        "pushweir_process_resident_memory_bytes 2048.0",
        "pushweir_upstream_errors_total{code=\"CONNECTION_DRAINING\"} 0",
        "pushweir_ingest_requests_total{route=\"/v1/pushes\",code=\"2xx\"} 0",
        "pushweir_admin_requests_total{route=\"other\",code=\"5xx\"} 0",
        "pushweir_collector_dispatched_total 0",
        "pushweir_collector_demand_pushes 0.0",
        "pushweir_actor_mailbox_messages{actor=\"collector\"} 0.0",
        "pushweir_actor_handler_duration_seconds_max{actor=\"collector\"} 0.0",
        "pushweir_trace_spans_exported_total 0",
        "pushweir_trace_spans_dropped_total 0",
        "pushweir_log_lines_suppressed_total 0",
        "# TYPE pushweir_queue_wait_seconds histogram",
        "pushweir_queue_wait_seconds_bucket{route=\"android\",le=\"0.0005\"} 0",
        "pushweir_queue_wait_seconds_bucket{route=\"android\",le=\"+Inf\"} 0",
        "pushweir_upstream_ack_duration_seconds_sum{route=\"android\"} 0",
        "pushweir_delivery_duration_seconds_count{route=\"android\"} 1",
        "pushweir_delivery_duration_seconds_bucket{route=\"android\",le=\"0.002\"} 0",
        "pushweir_delivery_duration_seconds_bucket{route=\"android\",le=\"32.768\"} 1",
        "pushweir_ingest_request_duration_seconds_count{route=\"/v1/pushes\"} 0",
        "pushweir_admin_request_duration_seconds_count{route=\"other\"} 0",
        "# EOF",
    ];
    for line in expected {
        assert!(lines.iter().any(|found| found == line), "{line} not in\n{}", lines.join("\n"));
    }
    let named = |line: &&String| !line.starts_with('#');
    assert!(lines.iter().filter(named).all(|line| line.starts_with("pushweir_")));
}

#[test]
fn ob_2_a_bucket_shows_a_trace_that_fell_into_it() {
    let lines = lines(1);
    let start = "pushweir_delivery_duration_seconds_bucket{route=\"android\",le=\"0.004\"} 1 # {trace_id=\"00000000000000000000000000000abc\"} 0.003 ";
    assert_eq!(lines.iter().filter(|line| line.contains(" # {")).count(), 1);
    assert!(lines.iter().any(|line| line.starts_with(start)), "{}", lines.join("\n"));
    assert_eq!(lines.last().map(String::as_str), Some("# EOF"));
    assert_eq!(lines.iter().filter(|line| *line == "# EOF").count(), 1);
}

#[test]
fn ob_1_many_routes_are_summed_and_the_series_stay_few() {
    let text = encode(scrape(50)).unwrap();
    assert!(text.contains("pushweir_delivery_duration_seconds_count{route=\"*\"} 30"), "{text}");
    assert!(!text.contains("route-20"));
    let series = encode(Scrape { snapshot: fresh(100), ..scrape(1) }).unwrap();
    let series = series.lines().filter(|line| !line.starts_with('#')).count();
    assert!(series <= 1_500, "{series} series at 100 pushers");
}

#[test]
fn many_pushers_are_summed_per_route() {
    let lines = lines(201);
    let has = |line: &str| lines.iter().any(|found| found == line);
    assert!(has("pushweir_pusher_window_pushes{route=\"android\",pusher=\"*\"} 20100.0"));
    assert!(has("pushweir_pusher_state{route=\"android\",pusher=\"*\",state=\"ready\"} 201.0"));
    assert!(lines.len() < 450);
}
