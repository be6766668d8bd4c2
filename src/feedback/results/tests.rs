//! What is recorded of an end, and who hears of it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;

use super::*;
use crate::push::fixture::push;
use crate::push::{Addressee, Lane, PushKey, PushRequest};
use crate::transport::{ConnectError, RenderError, Session};

/// A provider whose payloads are tokens.
#[derive(Debug)]
struct Plain;

impl Connector for Plain {
    fn connect(&self) -> LocalBoxFuture<'static, Result<Session, ConnectError>> {
        unreachable!("results never connect")
    }

    fn render(&self, _: &PushRequest<'_>, _: &mut Vec<u8>) -> Result<(), RenderError> {
        unreachable!("results never render")
    }

    fn addressee(&self, payload: &[u8]) -> Option<Addressee> {
        Some(Addressee::Token(String::from_utf8_lossy(payload).into()))
    }

    fn peer(&self) -> String {
        "plain".into()
    }
}

fn results(report: Report) -> Results {
    let settings =
        Settings { report, ring: Bound { records: 100, bytes: 1 << 20 }, awaited: 10, history: 100 };
    let results = Results::new(&settings, Clock::start());
    results.open(Source { name: "android".into(), connector: Arc::new(Plain) }).unwrap();
    results
}

fn answer(code: &str) -> Box<Answer> {
    Box::new(Answer::new(code, "in words"))
}

fn ending(number: u128, outcome: Outcome, verdict: Verdict) -> Ending {
    Ending { push: push(number, Lane::Normal), outcome, verdict }
}

fn plainly_delivered(number: u128) -> Ending {
    ending(number, Outcome::Delivered, Verdict::Delivered { canonical: None })
}

async fn all(results: &Results) -> Vec<Arc<Record>> {
    let page = results.page(None, 0, 100, Duration::ZERO).await;
    page.records.into_iter().map(|(_, record)| record).collect()
}

#[tokio::test(start_paused = true)]
async fn a_dead_token_is_told_with_the_providers_words_and_the_final_attempt_counted() {
    let results = results(Report::Failures);
    results.record(vec![ending(
        1,
        Outcome::Unregistered,
        Verdict::Unregistered(answer("DEVICE_UNREGISTERED")),
    )]);
    let records = all(&results).await;
    let record = &records[0];
    assert!(record.delete_token());
    assert_eq!(record.code.as_deref(), Some("DEVICE_UNREGISTERED"));
    assert_eq!(record.detail.as_deref(), Some("in words"));
    assert_eq!(record.to, Some(Addressee::Token("\"to\":\"t\"".into())), "the payload as it is");
    assert_eq!((&*record.route, record.attempts), ("android", 1));
    assert!(record.ended_at >= record.accepted_at && record.accepted_at > 0);
}

#[tokio::test(start_paused = true)]
async fn attempts_that_were_counted_are_not_counted_again() {
    let results = results(Report::Failures);
    for verdict in
        [Verdict::Retry { answer: answer("BUSY"), after: None }, Verdict::Unanswered, Verdict::GOAWAY]
    {
        let mut ending = ending(1, Outcome::Exhausted, verdict);
        ending.push.attempts = 5;
        results.record(vec![ending]);
    }
    let attempts: Vec<u8> = all(&results).await.iter().map(|record| record.attempts).collect();
    assert_eq!(attempts, [5, 5, 5]);
}

#[tokio::test(start_paused = true)]
async fn of_deliveries_only_a_replaced_token_is_news_unless_all_are_asked_for() {
    let results = results(Report::Failures);
    let replaced = ending(2, Outcome::Delivered, Verdict::Delivered { canonical: Some("newer".into()) });
    results.record(vec![plainly_delivered(1), replaced]);
    let records = all(&results).await;
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].canonical.as_deref(), Some("newer"));
    assert!(!results.wants_deliveries());
    let mut settings = Settings {
        report: Report::All,
        ring: Bound { records: 100, bytes: 1 << 20 },
        awaited: 10,
        history: 100,
    };
    results.follow(&settings);
    assert!(results.wants_deliveries());
    results.record(vec![plainly_delivered(3)]);
    assert_eq!(all(&results).await.len(), 2);
    settings.report = Report::Failures;
    results.follow(&settings);
    assert!(!results.wants_deliveries());
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_delivery_is_told_although_it_leaves_no_result() {
    let results = results(Report::Failures);
    let mut ticket = results.ticket();
    ticket.watch([PushKey::from_u128(1)].into_iter());
    assert!(results.wants_deliveries());
    results.record(vec![plainly_delivered(1)]);
    ticket.wait(Instant::now()).await;
    assert_eq!(ticket.end_of(PushKey::from_u128(1)).map(|record| record.outcome), Some(Outcome::Delivered));
    assert_eq!(results.counts(), Counts::default());
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_ends_with_the_first_result_with_time_and_with_the_process() {
    let results = results(Report::Failures);
    let start = Instant::now();
    let empty = results.page(None, 0, 10, Duration::from_secs(7)).await;
    assert_eq!((empty.records.len(), start.elapsed()), (0, Duration::from_secs(7)));
    let later = async {
        tokio::task::yield_now().await;
        results.ended(&[push(9, Lane::Low)], Outcome::Shed);
    };
    let (page, ()) = tokio::join!(results.page(None, empty.next, 10, Duration::from_secs(30)), later);
    assert_eq!(page.records[0].1.outcome, Outcome::Shed);
    let close = async {
        tokio::task::yield_now().await;
        results.close();
    };
    let (page, ()) = tokio::join!(results.page(None, page.next, 10, Duration::from_secs(30)), close);
    assert_eq!(page.records, []);
    assert_eq!(start.elapsed(), Duration::from_secs(7), "neither waited for its time");
}

#[tokio::test(start_paused = true)]
async fn an_operators_push_is_told_to_who_waits_for_it_and_to_no_sender() {
    let results = results(Report::All);
    let mut ticket = results.ticket();
    let end = |number, sender| {
        let ending = ending(number, Outcome::Rejected, Verdict::Rejected(answer("INVALID")));
        Ending { push: Push { sender, ..ending.push }, ..ending }
    };
    let (own, other) = (end(1, SenderId::OPERATOR), end(2, SenderId(0)));
    let key = own.push.key;
    ticket.watch(std::iter::once(key));
    results.record(vec![own, other]);
    results.ended(&[Push { sender: SenderId::OPERATOR, ..push(3, Lane::Normal) }], Outcome::Expired);
    ticket.wait(Instant::now()).await;
    assert_eq!(ticket.end_of(key).map(|record| record.outcome), Some(Outcome::Rejected));
    assert_eq!(all(&results).await.iter().map(|record| record.key.as_u128()).collect::<Vec<_>>(), [2]);
    assert_eq!(results.counts().recorded, 1);
}
