//! What the operator learns of requests that are refused.

use super::*;

const POST: &str = "POST /v1/pushes HTTP/1.1\r\ncontent-type: application/json";
const RIGHT: &str = "\r\nauthorization: Bearer right";

#[actix_rt::test]
async fn every_refused_request_is_counted_by_its_reason_and_others_are_not() {
    let settings = Settings { tokens: vec![Secret::new("right")], ..settings() };
    let rig = Rig::start(settings, &["android"]);
    let post = |body: &'static str| {
        let head = format!("{POST}{RIGHT}");
        let rig = &rig;
        async move { rig.send(&head, body.as_bytes()).await.status }
    };
    let push = r#"{"to":{"token":"abc"}}"#;
    assert_eq!(post(push).await, 202);
    assert_eq!(rig.send(&format!("GET /v1/pushes/none HTTP/1.1{RIGHT}"), b"").await.status, 404);
    assert!(rig.refusals.counts().iter().all(|(_, count)| *count == 0), "{:?}", rig.refusals.counts());

    assert_eq!(post("{nonsense").await, 400);
    assert_eq!(post(r#"{"route":"none","to":{"token":"abc"}}"#).await, 400);
    assert_eq!(post(r#"{"pushes":[{"to":{"token":"abc"}},{"to":{"token":"abc"},"ttl":-1}]}"#).await, 202);
    assert_eq!(rig.send(&format!("{POST}{RIGHT}"), &[b' '; 3_000]).await.status, 413);
    assert_eq!(rig.send(&format!("{POST}\r\nauthorization: Bearer wrong"), b"{}").await.status, 403);
    assert_eq!(rig.send(POST, b"{}").await.status, 401);
    assert_eq!(rig.send("GET /other HTTP/1.1", b"").await.status, 404);
    let counted: Vec<_> = rig.refusals.counts().into_iter().filter(|(_, count)| *count > 0).collect();
    let expected = [
        "invalid_push",
        "body_too_large",
        "token_missing",
        "token_wrong",
        "not_found",
        "refused_invalid",
        "refused_unknown_route",
    ];
    assert_eq!(counted, expected.map(|reason| (reason, 1)));
    rig.stop().await;
}
