//! Pushes that name their peers.

use super::*;

#[actix_rt::test]
async fn a_push_goes_to_the_partition_of_the_peer_that_it_names_or_is_refused_for_now() {
    let rig = Rig::start(settings(), &["android"]);
    let body = r#"{"pushes":[{"to":{"token":"at:one"}},{"to":{"token":"plain"}},{"id":"late","to":{"token":"at:two"}},{"to":{"token":"at:one"}}]}"#;
    let reply = rig.post(body).await;
    assert_eq!((reply.status, &reply.json["accepted"]), (202, &Value::from(3)), "{}", reply.json);
    let failed = &reply.json["failed"][0];
    assert_eq!(
        (&failed["id"], &failed["reason"]),
        (&Value::from("late"), &Value::from("refused_peer_limit"))
    );
    assert_eq!(failed["detail"], "there is room for one");
    let mut taken: Vec<_> =
        rig.door.taken.lock().iter().map(|push| (push.route, push.payload.clone())).collect();
    taken.sort();
    let of = |route, payload: &'static str| (RouteId(route), payload.into());
    assert_eq!(taken, [of(0, "plain"), of(9, "at:one"), of(9, "at:one")]);
    assert_eq!(*rig.door.refused.lock(), [(Some(RouteId(0)), 1)]);
    let alone = rig.post(r#"{"id":"late","to":{"token":"at:two"}}"#).await;
    assert_eq!(alone.status, 429, "its id is free still: {}", alone.json);
    assert!(alone.head.contains("retry-after: 1"), "{}", alone.head);
    rig.stop().await;
}
