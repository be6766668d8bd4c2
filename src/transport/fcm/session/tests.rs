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
    Fcm::new(send, Arc::new(Tokens::new(account, endpoint)), token, Duration::from_secs(1))
}

fn answer(fcm: &Fcm, status: u16, code: &str) -> Verdict {
    let kind = "type.googleapis.com/google.firebase.fcm.v1.FcmError";
    let detail = serde_json::json!({"@type": kind, "errorCode": code});
    let body = serde_json::json!({"error": {"status": "X", "details": [detail]}}).to_string();
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
