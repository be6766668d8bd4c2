//! The cases 137 to 150 of `reference/genstage.md` part 2: a supervisor of children that come and go.

use super::*;

/// Workers and those of them that are up.
fn counts(supervisor: &SupervisorHandle) -> (usize, usize) {
    let count = supervisor.count_children();
    (count.workers, count.active)
}

async fn dynamic(children: impl IntoIterator<Item = ChildSpec>, intensity: Intensity) -> SupervisorHandle {
    up(bare(children).strategy(Strategy::Dynamic).intensity(intensity)).await
}

#[actix::test]
async fn case_137_a_temporary_child_is_not_restarted_whatever_the_reason() {
    tokio::time::pause();
    let probes = Probes::default();
    let child = |id| probes.child(id).restart(Restart::Temporary);
    let root = dynamic([child("a"), child("b")], Intensity::default()).await;
    for (id, exit, left) in [("a", Exit::Shutdown, 1), ("b", failed("oops"), 0)] {
        probes.end(id, End::Exit(exit)).await;
        settle().await;
        assert_eq!(counts(&root), (left, left));
    }
}

#[actix::test]
async fn case_138_a_transient_child_is_restarted_unless_its_end_is_clean() {
    tokio::time::pause();
    let probes = Probes::default();
    for (exit, left) in [(Exit::Shutdown, 0), (Exit::Normal, 0), (failed("oops"), 1), (Exit::Killed, 1)] {
        let root = dynamic([probes.child("a").restart(Restart::Transient)], Intensity::default()).await;
        probes.end("a", End::Exit(exit)).await;
        settle().await;
        assert_eq!(counts(&root), (left, left));
        root.shutdown(secs(1)).await;
    }
}

#[actix::test]
async fn case_139_a_start_during_a_restart_may_work_have_nothing_to_do_or_fail() {
    tokio::time::pause();
    let probes = Probes::default();
    let root = dynamic([probes.child("a"), probes.child("b")], Intensity::new(1000, secs(5))).await;
    probes.next_starts("a", [Start::Up, Start::Error(StartError::Ignore)]);
    for expected in [(2, 2), (1, 1)] {
        probes.end("a", End::Exit(failed("oops"))).await;
        settle().await;
        assert_eq!(counts(&root), expected, "a child with nothing to do is removed");
    }
    let slowly = Backoff::try_new(secs(1), secs(1), 0.0, secs(9)).unwrap();
    let spec = bare([probes.child("c")]).backoff(slowly).intensity(Intensity::new(1000, secs(5)));
    let root = up(spec.strategy(Strategy::Dynamic)).await;
    probes.next_starts("c", [Start::Error(StartError::failed("oops")), Start::Panic]);
    probes.end("c", End::Exit(failed("oops"))).await;
    for retry in 1..=2 {
        pass(millis(1005)).await;
        assert_eq!(counts(&root), (1, 0), "it counts, and is not up");
        let child = &root.which_children()[0];
        assert_eq!((child.state, child.restarts), (NodeState::BackingOff, retry));
    }
    pass(millis(1005)).await;
    assert_eq!(counts(&root), (1, 1));
}

#[actix::test]
async fn case_140_a_child_is_up_again_when_the_second_try_works() {
    tokio::time::pause();
    let probes = Probes::default();
    let root = dynamic([probes.child("a")], Intensity::new(2, secs(5))).await;
    probes.next_starts("a", [Start::Error(StartError::failed("oops"))]);
    probes.end("a", End::Exit(failed("oops"))).await;
    settle().await;
    assert_eq!(counts(&root), (1, 1));
}

#[actix::test]
async fn case_141_tries_count_so_that_the_supervisor_gives_up() {
    tokio::time::pause();
    let probes = Probes::default();
    let fail = || Start::Error(StartError::failed("oops"));
    for (max, period) in [(1, secs(5)), (1, Duration::ZERO), (10, secs(5))] {
        probes.next_starts("a", [Start::Up].into_iter().chain((0..max).map(|_| fail())));
        let root = dynamic([probes.child("a")], Intensity::new(max, period)).await;
        probes.end("a", End::Exit(failed("oops"))).await;
        assert_eq!(root.exited().await, Exit::Escalated);
    }
}

/// Stops three children that treat it as told and returns how they ended.
async fn stopped(shutdown: Shutdown, on_stop: [OnStop; 3]) -> Vec<Exit> {
    let probes = Probes::default();
    let [a, b, c] = on_stop;
    let children = [("a", a), ("b", b), ("c", c)];
    let children = children.map(|(id, on_stop)| probes.child_that(id, on_stop).shutdown(shutdown));
    let root = dynamic(children, Intensity::default()).await;
    assert_eq!(root.shutdown(secs(3600)).await, Exit::Shutdown);
    last_exits(&root).into_iter().map(|exit| exit.expect("it has ended")).collect()
}

fn three(on_stop: OnStop) -> [OnStop; 3] {
    [on_stop.clone(), on_stop.clone(), on_stop]
}

#[actix::test]
async fn case_142_brutal_kill_kills() {
    tokio::time::pause();
    assert_eq!(
        stopped(Shutdown::Brutal, three(OnStop::End)).await,
        [Exit::Killed, Exit::Killed, Exit::Killed]
    );
}

#[actix::test]
async fn case_143_with_infinite_time_a_slow_end_is_in_order() {
    tokio::time::pause();
    let slow = OnStop::Linger(secs(1800));
    assert_eq!(
        stopped(Shutdown::Infinite, three(slow)).await,
        [Exit::Shutdown, Exit::Shutdown, Exit::Shutdown]
    );
}

#[actix::test]
async fn case_144_with_infinite_time_a_reason_of_its_own_is_kept() {
    tokio::time::pause();
    let ends = three(OnStop::Exit(failed("own")));
    assert_eq!(stopped(Shutdown::Infinite, ends).await, [failed("own"), failed("own"), failed("own")]);
}

#[actix::test]
async fn case_145_within_its_time_an_end_is_in_order() {
    tokio::time::pause();
    let ends = three(OnStop::Linger(millis(900)));
    assert_eq!(
        stopped(Shutdown::After(secs(1)), ends).await,
        [Exit::Shutdown, Exit::Shutdown, Exit::Shutdown]
    );
}

#[actix::test]
async fn case_146_within_its_time_a_reason_of_its_own_is_kept() {
    tokio::time::pause();
    let ends = three(OnStop::Exit(failed("own")));
    assert_eq!(stopped(Shutdown::After(secs(1)), ends).await, [failed("own"), failed("own"), failed("own")]);
}

#[actix::test]
async fn case_147_whoever_overruns_its_time_is_killed() {
    tokio::time::pause();
    let ends = [OnStop::End, OnStop::Resist, OnStop::End];
    assert_eq!(
        stopped(Shutdown::After(millis(1)), ends).await,
        [Exit::Shutdown, Exit::Killed, Exit::Shutdown]
    );
}

async fn terminated(shutdown: Shutdown, expected: &[&str]) {
    let probes = Probes::default();
    let root = dynamic([probes.child("a").shutdown(shutdown)], Intensity::default()).await;
    root.terminate_child("a").await.expect("it is up");
    assert_eq!(probes.take_log(), expected);
    assert_eq!(counts(&root), (0, 0));
    let gone = root.terminate_child("a").await;
    assert!(matches!(gone, Err(SupervisorError::NotFound { .. })));
}

#[actix::test]
async fn case_148_terminate_child_with_brutal_kill() {
    tokio::time::pause();
    terminated(Shutdown::Brutal, &["a up", "a kill", "a down"]).await;
}

#[actix::test]
async fn case_149_terminate_child_with_time_to_end() {
    tokio::time::pause();
    terminated(Shutdown::After(secs(1)), &["a up", "a stop", "a down"]).await;
}

#[actix::test]
async fn case_150_terminate_child_while_it_is_restarting() {
    tokio::time::pause();
    let probes = Probes::default();
    let slowly = Backoff::try_new(secs(1), secs(1), 0.0, secs(9)).unwrap();
    let root = up(bare([probes.child("a")]).backoff(slowly).strategy(Strategy::Dynamic)).await;
    probes.end("a", End::Exit(failed("oops"))).await;
    settle().await;
    assert_eq!(counts(&root), (1, 0));
    root.terminate_child("a").await.unwrap();
    assert_eq!(counts(&root), (0, 0));
    pass(secs(60)).await;
    assert_eq!(probes.take_log(), ["a up", "a down"]);
}
