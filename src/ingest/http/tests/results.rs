//! What senders are told of pushes that have ended.

use serde_json::json;

use super::*;
use crate::flow::Ended;
use crate::outcome::Outcome;

#[actix_rt::test]
async fn results_are_fetched_by_cursor_and_a_page_is_no_longer_than_asked_for() {
    let rig = Rig::start(settings(), &["android"]);
    let body = r#"{"pushes":[{"id":"one","to":{"token":"a"}},{"id":"two","to":{"token":"b"}}]}"#;
    assert_eq!(rig.post(body).await.status, 202);
    let taken = rig.door.taken.lock().clone();
    rig.results.ended(&taken, Outcome::Expired);
    let first = rig.get("/v1/results?limit=1").await;
    assert_eq!(first.status, 200, "{}", first.json);
    assert_eq!(first.json["results"][0]["id"], "one");
    assert_eq!(first.json["results"][0]["outcome"], "expired");
    assert_eq!(first.json["results"][0]["to"], json!({"token": "a"}));
    assert_eq!(first.json["next"], first.json["results"][0]["sequence"]);
    let second = rig.get(&format!("/v1/results?after={}", first.json["next"])).await;
    assert_eq!(second.json["results"].as_array().map(Vec::len), Some(1));
    assert_eq!((&second.json["results"][0]["id"], &second.json["lost"]), (&json!("two"), &json!(0)));
    rig.stop().await;
}

#[actix_rt::test]
async fn a_poll_waits_for_the_first_result() {
    let rig = Rig::start(settings(), &["android"]);
    rig.post(&push("a")).await;
    let taken = rig.door.taken.lock().clone();
    let results = std::sync::Arc::clone(&rig.results);
    let later = async move {
        while results.readers() == 0 {
            tokio::task::yield_now().await;
        }
        results.ended(&taken, Outcome::Shed);
    };
    let (reply, ()) = tokio::join!(rig.get("/v1/results?wait=30s"), later);
    assert_eq!(reply.json["results"][0]["outcome"], "shed");
    rig.stop().await;
}

#[actix_rt::test]
async fn results_need_the_token_and_a_query_that_makes_sense() {
    let guarded = Settings { tokens: vec![Secret::new("s")], ..settings() };
    let rig = Rig::start(guarded, &["android"]);
    assert_eq!(rig.get("/v1/results").await.status, 401);
    rig.stop().await;
    let rig = Rig::start(settings(), &["android"]);
    for query in ["after=x", "limit=5000", "wait=1h", "before=3"] {
        let reply = rig.get(&format!("/v1/results?{query}")).await;
        assert_eq!((reply.status, &reply.json["error"]["code"]), (400, &json!("invalid_query")), "{query}");
    }
    assert_eq!(rig.send("POST /v1/results HTTP/1.1", b"").await.status, 405);
    rig.stop().await;
}

#[actix_rt::test]
async fn a_request_may_wait_for_the_ends_of_its_pushes() {
    let rig = Rig::start(settings(), &["android"]);
    *rig.door.room.lock() = 2;
    let body = r#"{"pushes":[{"to":{"token":"a"}},{"id":"two","to":{"token":"b"}},{"to":{"token":"c"}}]}"#;
    let (door, results) = (std::sync::Arc::clone(&rig.door), std::sync::Arc::clone(&rig.results));
    let end = async move {
        while door.taken.lock().len() < 2 {
            tokio::task::yield_now().await;
        }
        let taken = door.taken.lock().clone();
        results.ended(&taken, Outcome::Expired);
    };
    let head = "POST /v1/pushes?wait=30s HTTP/1.1\r\ncontent-type: application/json";
    let (reply, ()) = tokio::join!(rig.send(head, body.as_bytes()), end);
    assert_eq!((reply.status, &reply.json["accepted"]), (202, &json!(2)), "{}", reply.json);
    let told = reply.json["results"].as_array().unwrap();
    assert_eq!(told.len(), 2, "the third was shed, which `failed` says");
    assert_eq!((&told[0]["id"], &told[1]["id"]), (&reply.json["ids"][0], &json!("two")));
    assert!(told.iter().all(|result| result["outcome"] == "expired"));
    assert_eq!(rig.results.counts().awaited, 0);
    rig.stop().await;
}

#[actix_rt::test]
async fn what_has_not_ended_in_time_is_pending_and_what_nobody_waits_for_is_not_mentioned() {
    let rig = Rig::start(settings(), &["android"]);
    let head = "POST /v1/pushes?wait=20ms HTTP/1.1\r\ncontent-type: application/json";
    let reply = rig.send(head, push("a").as_bytes()).await;
    assert_eq!(reply.json["results"], json!([{"id": reply.json["ids"][0], "outcome": "pending"}]));
    let plain = rig.post(&push("a")).await;
    assert_eq!(plain.json.get("results"), None);
    let bad = rig.send("POST /v1/pushes?wait=1m HTTP/1.1\r\ncontent-type: application/json", b"{}").await;
    assert_eq!(bad.status, 400);
    rig.stop().await;
}

#[actix_rt::test]
async fn a_push_is_found_by_either_id_while_it_is_held_and_after_it_has_ended() {
    let rig = Rig::start(settings(), &["android"]);
    rig.post(r#"{"id":"mine/1","to":{"token":"a"}}"#).await;
    let taken = rig.door.taken.lock().clone();
    for id in ["mine%2F1".to_owned(), taken[0].key.to_string()] {
        let reply = rig.get(&format!("/v1/pushes/{id}")).await;
        assert_eq!((reply.status, &reply.json["state"]), (200, &json!("buffered")), "{id}");
        assert_eq!((&reply.json["id"], &reply.json["route"]), (&json!("mine/1"), &json!("android")));
        let step = |index: usize| &reply.json["timeline"][index]["step"];
        assert_eq!((step(0), step(1)), (&json!("received"), &json!("accepted")));
    }
    rig.door.taken.lock().clear();
    rig.results.ended(&taken, Outcome::Shed);
    let reply = rig.get("/v1/pushes/mine%2F1").await;
    assert_eq!((&reply.json["state"], &reply.json["result"]["outcome"]), (&json!("shed"), &json!("shed")));
    assert_eq!(rig.get("/v1/pushes/other").await.status, 404);
    rig.stop().await;
}

#[actix_rt::test]
async fn a_token_reads_the_results_and_finds_the_pushes_of_its_own_and_no_others() {
    let tokens = vec![Secret::new("one"), Secret::new("two")];
    let rig = Rig::start(Settings { tokens, ..settings() }, &["android"]);
    let as_sender = |token: &str, head: &str| {
        format!("{head} HTTP/1.1\r\ncontent-type: application/json\r\nauthorization: Bearer {token}")
    };
    for (token, target) in [("one", "a"), ("two", "b"), ("one", "c")] {
        let body = format!(r#"{{"id":"mine-{target}","to":{{"token":"{target}"}}}}"#);
        assert_eq!(rig.send(&as_sender(token, "POST /v1/pushes"), body.as_bytes()).await.status, 202);
    }
    let find = async |token: &str, id: &str| {
        rig.send(&as_sender(token, &format!("GET /v1/pushes/{id}")), b"").await.status
    };
    assert_eq!((find("one", "mine-a").await, find("two", "mine-a").await), (200, 404), "while it is held");
    let taken = std::mem::take(&mut *rig.door.taken.lock());
    rig.results.ended(&taken, Outcome::Expired);
    let key = taken[0].key.to_string();
    assert_eq!((find("one", &key).await, find("two", &key).await), (200, 404), "and after it has ended");
    let read = async |token: &str, query: &str| {
        rig.send(&as_sender(token, &format!("GET /v1/results?{query}")), b"").await.json
    };
    let ids = |page: &Value| -> Vec<String> {
        let list = page["results"].as_array().unwrap();
        list.iter().map(|result| result["id"].as_str().unwrap().to_owned()).collect()
    };
    let (one, two) = (read("one", "").await, read("two", "").await);
    assert_eq!((ids(&one), ids(&two)), (vec!["mine-a".into(), "mine-c".into()], vec!["mine-b".into()]));
    let first = read("one", "limit=1").await;
    let rest = read("one", &format!("after={}", first["next"])).await;
    assert_eq!((ids(&rest), &rest["lost"]), (vec!["mine-c".into()], &json!(0)));
    let nothing = read("two", &format!("after={}&wait=10ms", two["next"])).await;
    assert_eq!((ids(&nothing), &nothing["next"]), (vec![], &one["next"]), "others' results are passed over");
    rig.stop().await;
}

#[actix_rt::test]
async fn a_body_that_a_read_carries_ends_where_it_ends_and_the_connection_goes_on() {
    let rig = Rig::start(settings(), &["android"]);
    for path in ["/v1/results", "/v1/pushes/none"] {
        let mut stream = rig.connect().await;
        let status = if path == "/v1/results" { 200 } else { 404 };
        // What would be a request of its own if the body were not read.
        let body = b"GET /smuggled HTTP/1.1\r\nhost: gateway\r\n\r\n";
        let head = format!("GET {path} HTTP/1.1\r\nhost: gateway\r\n");
        let announced = format!("{head}content-length: {}\r\n\r\n", body.len());
        for late in [false, true] {
            stream.write_all(announced.as_bytes()).await.unwrap();
            if late {
                // Enough turns for an answer that does not wait for the body.
                for _ in 0..200 {
                    tokio::task::yield_now().await;
                }
            }
            stream.write_all(body).await.unwrap();
            let reply = read_reply(&mut stream).await;
            assert_eq!(
                (reply.status, reply.head.contains("connection: close")),
                (status, false),
                "{}",
                reply.head
            );
        }
        stream
            .write_all(format!("{head}transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n").as_bytes())
            .await
            .unwrap();
        assert_eq!(read_reply(&mut stream).await.status, status);
        assert_eq!(exchange(&mut stream, &format!("GET {path} HTTP/1.1"), b"").await.status, status);
        let too_large = rig.send(&format!("GET {path} HTTP/1.1"), &[b' '; 4_096]).await;
        assert_eq!(too_large.status, 413);
        let mut slow = rig.connect().await;
        slow.write_all(format!("{head}transfer-encoding: chunked\r\n\r\n5\r\nhel").as_bytes()).await.unwrap();
        let reply = read_reply(&mut slow).await;
        assert_eq!((reply.status, reply.head.contains("connection: close")), (408, true), "{}", reply.head);
    }
    rig.stop().await;
}
