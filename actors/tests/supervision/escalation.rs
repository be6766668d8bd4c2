//! Too much failure is passed on: up the tree, and out of the root.

use super::*;

#[actix::test]
async fn a_restart_too_many_stops_all_in_reverse_order_and_ends_the_root() {
    tokio::time::pause();
    let probes = Probes::default();
    let root =
        up(bare(["a", "b", "c"].map(|id| probes.child(id))).intensity(Intensity::new(1, secs(5)))).await;
    probes.take_log();
    probes.end("b", End::Panic).await;
    settle().await;
    probes.end("b", End::Panic).await;
    assert_eq!(root.exited().await, Exit::Escalated);
    assert_eq!(probes.take_log(), ["b down", "b up", "b down", "c stop", "c down", "a stop", "a down"]);
    assert_eq!((root.tree().state, root.tree().last_exit), (NodeState::Failed, Some(Exit::Escalated)));
}

#[actix::test]
async fn restarts_further_apart_than_the_period_go_on_for_ever() {
    tokio::time::pause();
    let probes = Probes::default();
    let root = up(bare([probes.child("a")]).intensity(Intensity::new(1, secs(5)))).await;
    for _ in 0..1000 {
        pass(millis(5001)).await;
        probes.end("a", End::Panic).await;
    }
    settle().await;
    assert_eq!(root.which_children()[0].restarts, 1000);
}

fn nested(probes: &Probes, restart: Restart) -> SupervisorSpec {
    let inner = {
        let probes = probes.clone();
        move || bare([probes.child("x"), probes.child("y")]).intensity(Intensity::new(0, secs(5)))
    };
    bare([probes.child("a"), ChildSpec::supervisor("inner", inner).restart(restart), probes.child("b")])
}

#[actix::test]
async fn a_nested_supervisor_that_gave_up_is_restarted_with_its_children() {
    tokio::time::pause();
    for restart in [Restart::Permanent, Restart::Transient] {
        let probes = Probes::default();
        let root = up(nested(&probes, restart)).await;
        assert_eq!(probes.take_log(), ["a up", "x up", "y up", "b up"]);
        probes.end("x", End::Panic).await;
        settle().await;
        assert_eq!(probes.take_log(), ["x down", "y stop", "y down", "x up", "y up"]);
        let tree = root.tree();
        let inner = tree.find(&["inner"]).unwrap();
        assert_eq!((inner.restarts, inner.last_exit.clone()), (1, Some(Exit::Escalated)));
        assert_eq!(inner.children.len(), 2);
        assert_eq!(root.shutdown(secs(1)).await, Exit::Shutdown);
    }
}

#[actix::test]
async fn escalation_goes_up_to_the_root() {
    tokio::time::pause();
    let probes = Probes::default();
    let root = up(nested(&probes, Restart::Permanent).intensity(Intensity::new(0, secs(5)))).await;
    probes.end("y", End::Panic).await;
    assert_eq!(root.exited().await, Exit::Escalated);
    settle().await;
    assert_eq!(root.count_children().active, 0);
}

#[actix::test]
async fn a_nested_supervisor_is_reached_by_its_path_in_each_of_its_lives() {
    tokio::time::pause();
    let probes = Probes::default();
    let root = up(nested(&probes, Restart::Permanent)).await;
    for _ in 0..2 {
        let inner = root.nested(&["inner"]).unwrap();
        inner.start_child(probes.child("z")).await.unwrap();
        assert_eq!(inner.count_children().active, 3);
        probes.end("x", End::Panic).await;
        assert_eq!(inner.exited().await, Exit::Escalated);
        settle().await;
    }
    assert!(root.nested(&["inner", "x"]).is_none());
    assert!(root.nested(&["outer"]).is_none());
}

#[actix::test]
async fn a_nested_supervisor_whose_start_fails_is_tried_again() {
    tokio::time::pause();
    let probes = Probes::default();
    let root = up(nested(&probes, Restart::Permanent)).await;
    probes.next_starts("x", [Start::Error(StartError::failed("no port"))]);
    probes.take_log();
    probes.end("x", End::Panic).await;
    settle().await;
    assert_eq!(probes.take_log(), ["x down", "y stop", "y down", "x fail", "x up", "y up"]);
    assert_eq!(root.tree().find(&["inner"]).unwrap().restarts, 2);
}

#[actix::test]
async fn a_tree_starts_and_stops_in_order_across_its_levels() {
    tokio::time::pause();
    let probes = Probes::default();
    let root = up(nested(&probes, Restart::Permanent)).await;
    root.shutdown(secs(1)).await;
    let log = probes.take_log();
    assert_eq!(log[..4], ["a up", "x up", "y up", "b up"]);
    assert_eq!(log[4..], ["b stop", "b down", "y stop", "y down", "x stop", "x down", "a stop", "a down"]);
}
