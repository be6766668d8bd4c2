//! Starting in order, and what a start that fails means.

use std::{cell::Cell, rc::Rc, task::Poll};

use super::*;

#[actix::test]
async fn the_next_child_starts_when_the_one_before_has_announced_itself() {
    tokio::time::pause();
    let probes = Probes::default();
    probes.next_starts("a", [Start::Silent]);
    let spec = bare([probes.child("a").announced(secs(9)), probes.child("b")]);
    let root = Supervisor::start(spec, None).unwrap();
    settle().await;
    assert_eq!(probes.take_log(), ["a begin"]);
    assert_eq!(states(&root)[0].1, NodeState::Starting);
    probes.announce("a").await;
    root.ready().await.unwrap();
    assert_eq!(probes.take_log(), ["a up", "b up"]);
}

#[actix::test]
async fn a_first_start_that_fails_stops_what_was_started_and_fails_the_supervisor() {
    tokio::time::pause();
    let probes = Probes::default();
    probes.next_starts("c", [Start::Error(StartError::failed("no port"))]);
    let spec = bare(["a", "b", "c", "d"].map(|id| probes.child(id)));
    let root = Supervisor::start(spec, None).unwrap();
    let exit = failed("child \"c\" did not start: no port");
    assert_eq!(root.ready().await, Err(exit.clone()));
    assert_eq!(root.exited().await, exit);
    assert_eq!(probes.take_log(), ["a up", "b up", "c fail", "b stop", "b down", "a stop", "a down"]);
    assert_eq!(root.tree().state, NodeState::Failed);
}

#[actix::test]
async fn a_child_that_never_announces_itself_fails_at_its_deadline() {
    tokio::time::pause();
    let probes = Probes::default();
    probes.next_starts("a", [Start::Silent]);
    let root = Supervisor::start(bare([probes.child("a").announced(secs(9))]), None).unwrap();
    let started = tokio::time::Instant::now();
    assert_eq!(root.exited().await, failed("child \"a\" did not start: it was not up in time"));
    assert_eq!(started.elapsed().as_secs(), 9);
    assert_eq!(probes.take_log(), ["a begin", "a kill", "a down"]);
}

#[actix::test]
async fn a_child_with_nothing_to_do_counts_as_started() {
    tokio::time::pause();
    let probes = Probes::default();
    probes.next_starts("a", [Start::Error(StartError::Ignore)]);
    let root = up(bare([probes.child("a"), probes.child("b")])).await;
    let expected = [("a".to_owned(), NodeState::Stopped), ("b".to_owned(), NodeState::Running)];
    assert_eq!(states(&root), expected);
}

#[actix::test]
async fn a_specification_that_makes_no_sense_is_refused() {
    let probes = Probes::default();
    let refused = |spec| Supervisor::start(spec, None).unwrap_err();
    let twice = bare([probes.child("a"), probes.child("a")]);
    assert_eq!(refused(twice), SpecError::Duplicate("a".into()));
    let never = bare([probes.child("a").significant().restart(Restart::Transient)]);
    assert_eq!(refused(never), SpecError::SignificantIgnored("a".into()));
    let permanent = bare([probes.child("a").significant()]).auto_shutdown(AutoShutdown::AnySignificant);
    assert_eq!(refused(permanent), SpecError::SignificantPermanent("a".into()));
}

#[actix::test]
async fn a_supervisor_of_20_000_children_comes_up_without_stalling_its_thread() {
    tokio::time::pause();
    let silent = |id: usize| {
        ChildSpec::worker(id.to_string(), |link| {
            Ok(ChildHandle::from_fn({
                let link = Cell::new(Some(link));
                move |_| drop(link.take())
            }))
        })
    };
    let root = Supervisor::start(bare((0..20_000).map(silent)), None).unwrap();
    let turns = Rc::new(Cell::new(0));
    let other = turns.clone();
    let other = actix::spawn(std::future::poll_fn(move |task| -> Poll<()> {
        other.set(other.get() + 1);
        task.waker().wake_by_ref();
        Poll::Pending
    }));
    root.ready().await.unwrap();
    other.abort();
    assert!(turns.get() > 500, "another task of the thread got {} turns only", turns.get());
    assert_eq!(root.tree().len(), 20_001);
    assert_eq!(root.shutdown(secs(1)).await, Exit::Shutdown);
}
