//! What a session makes of a service's answers over time.

use http::{HeaderMap, StatusCode};

use super::*;
use crate::transport::webpush::vapid::Key;

const MANNER: Manner = Manner { pad_to: 0, retry_min: Duration::from_secs(10) };

fn session() -> WebPush {
    let key = Key::parse("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw").unwrap();
    let tokens = Arc::new(Tokens::new(key, "mailto:push@example.com".into()));
    WebPush::new(Origin::fixture("https://push.example/"), tokens, MANNER).unwrap()
}

fn stamp(session: &WebPush) -> Stamp {
    let mut head = Request::post("https://push.example/x").body(()).unwrap();
    assert!(matches!(
        session.poll_ready(&mut Context::from_waker(std::task::Waker::noop())),
        Poll::Ready(Ok(()))
    ));
    let stamp = session.authorize(&mut head);
    assert!(head.headers()[AUTHORIZATION].to_str().unwrap().starts_with("vapid t="));
    stamp
}

fn judge(session: &WebPush, status: u16, now: SystemTime) -> Judgement {
    let reply = Reply {
        status: StatusCode::from_u16(status).unwrap(),
        headers: HeaderMap::new(),
        body: bytes::Bytes::new(),
    };
    session.judge(stamp(session), &reply, now)
}

#[test]
fn a_refused_sender_waits_for_an_operator_until_the_service_has_taken_it_once() {
    let session = session();
    let now = SystemTime::now();
    let first = judge(&session, 403, now);
    let Verdict::Limited { after, scope: Scope::Setup, .. } = first.verdict else { panic!("{first:?}") };
    assert_eq!((after, first.pause), (Duration::from_secs(60), Some(Duration::from_secs(60))));
    assert!(matches!(judge(&session, 201, now).verdict, Verdict::Delivered { .. }));
    let later = judge(&session, 403, now);
    assert!(matches!(later.verdict, Verdict::Rejected(_)), "{later:?}");
}

#[test]
fn a_token_that_may_be_refused_for_its_age_is_replaced_and_the_push_sent_again() {
    let session = session();
    let before = stamp(&session);
    let later = SystemTime::now() + Duration::from_secs(700);
    assert_eq!(judge(&session, 401, later), Judgement::of(Verdict::CREDENTIALS_REPLACED));
    assert_ne!(stamp(&session), before);
}

#[test]
fn a_service_that_puts_off_pushes_in_a_row_is_left_alone() {
    let session = session();
    let now = SystemTime::now();
    let pauses = |statuses: &[u16]| -> Vec<bool> {
        statuses.iter().map(|status| judge(&session, *status, now).pause.is_some()).collect()
    };
    assert_eq!(pauses(&[429, 429, 201, 429, 503]), [false; 5]);
    let limited = judge(&session, 429, now);
    assert!(matches!(limited.verdict, Verdict::Limited { scope: Scope::Route, .. }), "{limited:?}");
    assert_eq!(pauses(&[503, 201, 429]), [true, false, false]);
    let limited = judge(&session, 429, now);
    assert!(matches!(limited.verdict, Verdict::Limited { scope: Scope::Target, .. }), "{limited:?}");
}
