//! The tree can be read from anywhere, at any time, as the admin page shows it.

use std::{sync::mpsc, thread};

use super::*;

#[actix::test]
async fn the_tree_is_written_as_the_contract_says() {
    tokio::time::pause();
    let probes = Probes::default();
    let inner = {
        let probes = probes.clone();
        move || bare([probes.child("x")]).strategy(Strategy::RestForOne)
    };
    let root = up(bare([ChildSpec::supervisor("inner", inner)])).await;
    probes.end("x", End::Exit(failed("no port"))).await;
    pass(secs(2)).await;
    let mut json = serde_json::to_value(root.tree()).unwrap();
    let worker = json.pointer_mut("/children/0/children/0").unwrap();
    let since = worker["since_seconds"].take().as_f64().unwrap();
    assert!((1.9..2.1).contains(&since), "{since}");
    assert_eq!(
        *worker,
        serde_json::json!({
            "id": "x", "kind": "worker", "state": "running", "restarts": 1, "last_exit": "failed: no port",
            "since_seconds": null, "children": [],
        })
    );
    for (node, id, strategy) in [("", "root", "one_for_one"), ("/children/0", "inner", "rest_for_one")] {
        let node = json.pointer(node).unwrap();
        assert_eq!(node["id"], id);
        assert_eq!(node["kind"], "supervisor");
        assert_eq!(node["strategy"], strategy);
        assert_eq!(node["state"], "running");
        assert_eq!(node["restarts"], 0);
        assert_eq!(node["children"].as_array().unwrap().len(), 1);
    }
}

#[actix::test]
async fn each_state_is_seen() {
    tokio::time::pause();
    let probes = Probes::default();
    let slowly = Backoff::try_new(secs(1), secs(1), 0.0, secs(9)).unwrap();
    let transient = probes.child("done").restart(Restart::Transient);
    let root = up(bare([
        probes.child("running"),
        transient,
        probes.child("backing off"),
        probes.child("restarting").announced(None),
        probes.child_that("stopping", OnStop::Linger(secs(3))),
    ])
    .backoff(slowly))
    .await;
    probes.next_starts("restarting", [Start::Silent]);
    probes.end("restarting", End::Panic).await;
    pass(millis(1005)).await;
    probes.end("done", End::Exit(Exit::Normal)).await;
    probes.end("backing off", End::Panic).await;
    let stopper = root.clone();
    actix::spawn(async move { stopper.terminate_child("stopping").await });
    settle().await;
    let expected = [
        ("running", NodeState::Running),
        ("done", NodeState::Stopped),
        ("backing off", NodeState::BackingOff),
        ("restarting", NodeState::Restarting),
        ("stopping", NodeState::Stopping),
    ];
    assert_eq!(states(&root), expected.map(|(id, state)| (id.to_owned(), state)));
}

#[actix::test]
async fn the_tree_can_be_read_while_its_thread_is_stuck() {
    let probes = Probes::default();
    let root = up(bare([probes.child("a")])).await;
    let (sender, trees) = mpsc::channel();
    let watcher = root.clone();
    let reader = thread::spawn(move || sender.send(watcher.tree()).expect("the test waits"));
    // Blocks the supervisor's own thread until the other one has read the tree.
    let tree = trees.recv().unwrap();
    reader.join().unwrap();
    assert_eq!(tree.find(&["a"]).map(|node| node.state), Some(NodeState::Running));
}

#[actix::test]
async fn a_child_that_has_its_failures_told_is_told_each_with_its_number_and_the_wait() {
    tokio::time::pause();
    let probes = Probes::default();
    let (tell, told) = mpsc::channel();
    let child = probes.child("a").on_failure(move |setback| {
        tell.send((setback.reason.to_owned(), setback.failures, setback.after)).unwrap();
    });
    let slowly = Backoff::try_new(secs(1), secs(8), 0.0, secs(9)).unwrap();
    let root = up(bare([child]).backoff(slowly).intensity(Intensity::new(100, secs(5)))).await;
    for exit in [failed("no port"), failed("no route"), Exit::Normal] {
        probes.end("a", End::Exit(exit)).await;
        pass(millis(4_005)).await;
    }
    probes.end("a", End::Panic).await;
    pass(millis(8_005)).await;
    let expected = [("no port".to_owned(), 1, secs(1)), ("no route".to_owned(), 2, secs(2))];
    assert_eq!(told.try_iter().collect::<Vec<_>>(), expected, "other ends are the supervisor's to tell");
    root.shutdown(secs(1)).await;
}
