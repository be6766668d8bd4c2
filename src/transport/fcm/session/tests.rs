//! What the session does about answers, without a connection.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::super::auth::account::fixture;
use super::*;
use crate::transport::http2::{Endpoint, Reach};

fn fcm() -> Fcm {
    let account = fixture::account("https://tokens.example/token");
    let endpoint = Endpoint {
        origin: account.token_uri.clone(),
        ca: None,
        identity: None,
        proxy: None,
        connect_timeout: Duration::from_secs(1),
        reach: Reach::Anywhere,
    };
    let token = Token { header: HeaderValue::from_static("Bearer t"), generation: 1 };
    let send = Uri::from_static("https://fcm.example/v1/projects/demo/messages:send");
    let common = Common { send, purpose: Purpose::Deliver, retry_min: Duration::from_secs(1) };
    Fcm::new(common, Arc::new(Tokens::new(account, endpoint)), token)
}

fn answer(fcm: &Fcm, status: u16, code: &str) -> Verdict {
    let kind = "type.googleapis.com/google.firebase.fcm.v1.FcmError";
    let detail = serde_json::json!({"@type": kind, "errorCode": code});
    let details = if code.is_empty() { vec![] } else { vec![detail] };
    let body = serde_json::json!({"error": {"status": "NOT_FOUND", "details": details}}).to_string();
    let status = StatusCode::from_u16(status).unwrap();
    let reply = Reply { status, headers: HeaderMap::new(), body: Bytes::from(body) };
    fcm.judge(Stamp(1), &reply, SystemTime::now()).verdict
}

#[test]
fn a_few_foreign_tokens_are_dead_and_a_flood_of_them_is_a_wrong_account() {
    let fcm = fcm();
    let foreign = || answer(&fcm, 403, "SENDER_ID_MISMATCH");
    assert!((0..19).all(|_| matches!(foreign(), Verdict::Unregistered(_))));
    let Verdict::Rejected(doubted) = foreign() else { panic!("believed") };
    assert!(doubted.detail.contains("account"), "{doubted:?}");
    assert!(matches!(answer(&fcm, 404, "UNREGISTERED"), Verdict::Unregistered(_)), "those are its own");
    (0..200).for_each(|_| drop(answer(&fcm, 200, "")));
    assert!(matches!(foreign(), Verdict::Unregistered(_)), "after many good ones");
}

#[test]
fn one_push_that_the_project_seems_wrong_for_does_not_stop_a_route_that_works() {
    let fcm = fcm();
    let is_stop = |verdict: &Verdict| matches!(verdict, Verdict::Limited { scope: Scope::Setup, .. });
    assert!(is_stop(&answer(&fcm, 404, "")), "nothing was ever taken");
    answer(&fcm, 200, "");
    for _ in 0..3 {
        for _ in 1..REFUSALS_IN_A_ROW {
            let Verdict::Retry { after, .. } = answer(&fcm, 404, "") else { panic!("the route stops") };
            assert_eq!(after, Some(verdict::LONG_DELAY));
        }
        answer(&fcm, 200, "");
    }
    let all: Vec<_> = (0..REFUSALS_IN_A_ROW).map(|_| answer(&fcm, 403, "")).collect();
    assert_eq!(
        all.iter().filter(|verdict| is_stop(verdict)).count(),
        1,
        "the last of them: it is not one push"
    );
}
