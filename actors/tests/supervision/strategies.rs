//! Which siblings a failed child takes with it, and in which order.

use super::*;

fn three(probes: &Probes) -> SupervisorSpec {
    bare(["a", "b", "c"].map(|id| probes.child(id)))
}

async fn crash_b(strategy: Strategy) -> Vec<String> {
    tokio::time::pause();
    let probes = Probes::default();
    let root = up(three(&probes).strategy(strategy)).await;
    settle().await;
    probes.take_log();
    probes.end("b", End::Exit(Exit::Failed("test".into()))).await;
    settle().await;
    let log = probes.take_log();
    assert_eq!(root.shutdown(secs(1)).await, Exit::Shutdown);
    log
}

#[actix::test]
async fn children_start_in_order_and_stop_in_reverse() {
    tokio::time::pause();
    let probes = Probes::default();
    let root = up(three(&probes)).await;
    assert_eq!(root.shutdown(secs(1)).await, Exit::Shutdown);
    assert_eq!(
        probes.take_log(),
        ["a up", "b up", "c up", "c stop", "c down", "b stop", "b down", "a stop", "a down"]
    );
}

#[actix::test]
async fn one_for_one_restarts_the_failed_child_alone() {
    assert_eq!(crash_b(Strategy::OneForOne).await, ["b down", "b up"]);
}

#[actix::test]
async fn rest_for_one_restarts_those_after_it_too() {
    assert_eq!(crash_b(Strategy::RestForOne).await, ["b down", "c stop", "c down", "b up", "c up"]);
}

#[actix::test]
async fn one_for_all_restarts_all() {
    assert_eq!(
        crash_b(Strategy::OneForAll).await,
        ["b down", "c stop", "c down", "a stop", "a down", "a up", "b up", "c up"]
    );
}

#[actix::test]
async fn a_temporary_sibling_stopped_by_the_strategy_is_not_started_again() {
    tokio::time::pause();
    let probes = Probes::default();
    let spec = bare([probes.child("a"), probes.child("t").restart(Restart::Temporary), probes.child("b")]);
    let root = up(spec.strategy(Strategy::OneForAll)).await;
    settle().await;
    probes.take_log();
    probes.end("a", End::Panic).await;
    settle().await;
    assert_eq!(probes.take_log(), ["a down", "b stop", "b down", "t stop", "t down", "a up", "b up"]);
    let ids: Vec<String> = root.which_children().into_iter().map(|child| child.id).collect();
    assert_eq!(ids, ["a", "b"]);
    root.shutdown(secs(1)).await;
}
