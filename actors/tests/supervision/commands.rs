//! What an operator may ask of a running supervisor.

use super::*;

async fn pair(probes: &Probes) -> SupervisorHandle {
    tokio::time::pause();
    let root = up(bare([probes.child("a"), probes.child("b")])).await;
    probes.take_log();
    root
}

#[actix::test]
async fn a_child_added_at_run_time_is_up_when_the_answer_comes() {
    let probes = Probes::default();
    let root = pair(&probes).await;
    root.start_child(probes.child("c")).await.unwrap();
    assert_eq!(probes.take_log(), ["c up"]);
    assert_eq!(states(&root)[2], ("c".to_owned(), NodeState::Running));
    let twice = root.start_child(probes.child("c")).await;
    assert_eq!(twice, Err(SupervisorError::AlreadyStarted("c".into())));
}

#[actix::test]
async fn a_child_that_does_not_start_is_not_kept() {
    let probes = Probes::default();
    let root = pair(&probes).await;
    probes.next_starts("c", [Start::Error(StartError::failed("no port"))]);
    let answer = root.start_child(probes.child("c")).await;
    assert_eq!(answer, Err(SupervisorError::StartFailed { id: "c".into(), reason: "no port".into() }));
    assert_eq!(root.count_children().specs, 2);
}

#[actix::test]
async fn a_terminated_child_is_kept_until_it_is_restarted_or_deleted() {
    let probes = Probes::default();
    let root = pair(&probes).await;
    root.terminate_child("a").await.unwrap();
    assert_eq!(states(&root)[0], ("a".to_owned(), NodeState::Stopped));
    let present = root.start_child(probes.child("a")).await;
    assert_eq!(present, Err(SupervisorError::AlreadyPresent("a".into())));
    root.restart_child("a", StopMode::Force).await.unwrap();
    assert_eq!(root.delete_child("a").await, Err(SupervisorError::NotDown("a".into())));
    root.terminate_child("a").await.unwrap();
    root.delete_child("a").await.unwrap();
    assert_eq!(states(&root), [("b".to_owned(), NodeState::Running)]);
}

#[actix::test]
async fn errors_name_the_children_there_are() {
    let probes = Probes::default();
    let root = pair(&probes).await;
    let error = root.terminate_child("z").await.unwrap_err();
    assert_eq!(error.to_string(), r#"supervisor "root" has no child "z" (hint: it has a, b)"#);
}

#[actix::test]
async fn restart_child_lets_the_child_end_in_order_within_the_time() {
    tokio::time::pause();
    let probes = Probes::default();
    let root = up(bare([probes.child_that("a", OnStop::Linger(secs(2)))])).await;
    root.restart_child("a", StopMode::Graceful(secs(3))).await.unwrap();
    assert_eq!(probes.take_log(), ["a up", "a stop", "a down", "a up"]);
    root.restart_child("a", StopMode::Graceful(secs(1))).await.unwrap();
    assert_eq!(probes.take_log(), ["a stop", "a kill", "a down", "a up"]);
}

#[actix::test]
async fn restart_child_by_force_does_not_wait_and_does_not_count() {
    let probes = Probes::default();
    let root = pair(&probes).await;
    for _ in 0..20 {
        root.restart_child("a", StopMode::Force).await.unwrap();
        assert_eq!(probes.take_log(), ["a kill", "a down", "a up"]);
    }
    assert_eq!(root.which_children()[0].restarts, 20);
}

#[actix::test]
async fn restart_child_of_one_that_waits_out_its_delay_starts_it_now() {
    tokio::time::pause();
    let probes = Probes::default();
    let slowly = Backoff::try_new(secs(60), secs(60), 0.0, secs(90)).unwrap();
    let root = up(bare([probes.child("a")]).backoff(slowly)).await;
    probes.end("a", End::Panic).await;
    settle().await;
    assert_eq!(states(&root)[0].1, NodeState::BackingOff);
    root.restart_child("a", StopMode::Force).await.unwrap();
    assert_eq!(states(&root)[0].1, NodeState::Running);
}

#[actix::test]
async fn a_forced_restart_that_fails_is_told_and_tried_again() {
    let probes = Probes::default();
    let root = pair(&probes).await;
    probes.next_starts("a", [Start::Error(StartError::failed("no port"))]);
    let answer = root.restart_child("a", StopMode::Force).await;
    assert_eq!(answer, Err(SupervisorError::StartFailed { id: "a".into(), reason: "no port".into() }));
    settle().await;
    assert_eq!(states(&root)[0].1, NodeState::Running);
}

#[actix::test]
async fn after_the_end_commands_are_refused() {
    let probes = Probes::default();
    let root = pair(&probes).await;
    root.shutdown(secs(1)).await;
    let refused = Err(SupervisorError::ShuttingDown("root".into()));
    assert_eq!(root.start_child(probes.child("c")).await, refused);
    assert_eq!(root.restart_child("a", StopMode::Force).await, refused);
}

#[actix::test]
async fn a_command_that_waits_when_the_supervisor_stops_is_answered() {
    tokio::time::pause();
    let probes = Probes::default();
    let root = up(bare([])).await;
    probes.next_starts("slow", [Start::Silent]);
    let slow = probes.child("slow").announced(None);
    let starter = root.clone();
    let start = actix::spawn(async move { starter.start_child(slow).await });
    probes.logged("slow begin", 1).await;
    root.shutdown(secs(1)).await;
    assert_eq!(start.await.unwrap(), Err(SupervisorError::ShuttingDown("slow".into())));
}
