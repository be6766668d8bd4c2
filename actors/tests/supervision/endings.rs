//! How a supervisor ends: when it is asked to, when its significant children have, and when children do not.

use super::*;

fn significant(probes: &Probes, auto_shutdown: AutoShutdown) -> SupervisorSpec {
    let child = |id| probes.child(id).restart(Restart::Transient).significant();
    bare([child("a"), child("b"), probes.child("c")]).auto_shutdown(auto_shutdown)
}

#[actix::test]
async fn any_significant_child_that_ends_by_itself_ends_the_supervisor() {
    tokio::time::pause();
    let probes = Probes::default();
    let root = up(significant(&probes, AutoShutdown::AnySignificant)).await;
    probes.end("a", End::Panic).await;
    settle().await;
    assert_eq!(states(&root)[0].1, NodeState::Running, "a restart is no end");
    probes.take_log();
    probes.end("a", End::Exit(Exit::Normal)).await;
    assert_eq!(root.exited().await, Exit::Shutdown);
    assert_eq!(probes.take_log(), ["a down", "c stop", "c down", "b stop", "b down"]);
}

#[actix::test]
async fn the_last_significant_child_that_ends_by_itself_ends_the_supervisor() {
    tokio::time::pause();
    let probes = Probes::default();
    let root = up(significant(&probes, AutoShutdown::AllSignificant)).await;
    probes.end("b", End::Exit(Exit::Normal)).await;
    settle().await;
    assert_eq!(states(&root)[2].1, NodeState::Running);
    probes.end("a", End::Exit(Exit::Normal)).await;
    assert_eq!(root.exited().await, Exit::Shutdown);
}

#[actix::test]
async fn a_significant_child_stopped_by_a_command_does_not_end_the_supervisor() {
    tokio::time::pause();
    let probes = Probes::default();
    let root = up(significant(&probes, AutoShutdown::AnySignificant)).await;
    root.terminate_child("a").await.unwrap();
    settle().await;
    assert_eq!(root.count_children().active, 2);
}

#[actix::test]
async fn a_child_that_does_not_end_at_all_is_abandoned() {
    tokio::time::pause();
    let probes = Probes::default();
    let hang = probes.child_that("b", OnStop::Hang).shutdown(Shutdown::After(secs(2)));
    let root = up(bare([probes.child("a"), hang, probes.child("c")])).await;
    probes.take_log();
    let asked = tokio::time::Instant::now();
    assert_eq!(root.shutdown(secs(60)).await, Exit::Shutdown);
    assert_eq!(probes.take_log(), ["c stop", "c down", "b stop", "b kill", "a stop", "a down"]);
    assert_eq!(asked.elapsed().as_secs(), 3, "its time and the grace");
    // Its late exit reaches nobody.
    probes.end("b", End::Exit(Exit::Normal)).await;
}

#[actix::test]
async fn the_deadline_holds_for_the_whole_tree() {
    tokio::time::pause();
    let probes = Probes::default();
    let inner = {
        let probes = probes.clone();
        let resist = move |id| probes.child_that(id, OnStop::Resist).shutdown(Shutdown::Infinite);
        move || bare([resist("x"), resist("y")])
    };
    let root = up(bare([
        probes.child_that("a", OnStop::Resist),
        ChildSpec::supervisor("inner", inner),
        probes.child("b"),
    ]))
    .await;
    probes.take_log();
    let asked = tokio::time::Instant::now();
    assert_eq!(root.shutdown(secs(10)).await, Exit::Shutdown);
    assert_eq!(asked.elapsed().as_secs(), 10);
    let log = probes.take_log();
    assert_eq!(log[..3], ["b stop", "b down", "y stop"]);
    for id in ["x", "y", "a"] {
        assert!(log.contains(&format!("{id} kill")) && log.contains(&format!("{id} down")), "{log:?}");
    }
}

#[actix::test]
async fn a_second_shutdown_can_only_hurry() {
    tokio::time::pause();
    let probes = Probes::default();
    let root = up(bare([probes.child_that("a", OnStop::Resist).shutdown(Shutdown::Infinite)])).await;
    let patient = root.clone();
    let first = actix::spawn(async move { patient.shutdown(Duration::MAX).await });
    probes.logged("a stop", 1).await;
    let asked = tokio::time::Instant::now();
    let hurried = root.clone();
    let second = actix::spawn(async move { hurried.shutdown(secs(2)).await });
    settle().await;
    root.shutdown(secs(60)).await;
    assert_eq!(asked.elapsed().as_secs(), 2, "a longer time given later changes nothing");
    assert_eq!(second.await.unwrap(), Exit::Shutdown);
    assert_eq!(first.await.unwrap(), Exit::Shutdown);
}

#[actix::test]
async fn a_supervisor_that_is_killed_takes_its_children_with_it() {
    tokio::time::pause();
    let probes = Probes::default();
    let inner = {
        let probes = probes.clone();
        move || bare([probes.child_that("x", OnStop::Linger(secs(99)))])
    };
    let root = up(bare([ChildSpec::supervisor("inner", inner)])).await;
    root.restart_child("inner", StopMode::Force).await.unwrap();
    assert_eq!(probes.take_log(), ["x up", "x kill", "x down", "x up"]);
}
