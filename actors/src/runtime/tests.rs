//! Workers are named, stop in order within one deadline, and their end is noticed.

use std::sync::{Arc, atomic::AtomicBool, atomic::Ordering, mpsc};

use super::*;

fn plan(names: &[&str]) -> Vec<WorkerSpec> {
    names.iter().map(|name| WorkerSpec::new(*name)).collect()
}

#[actix::test]
async fn a_worker_runs_what_it_is_given_on_a_thread_of_its_name() {
    let runtime = Runtime::start(plan(&["ingest", "delivery"])).unwrap();
    let (sender, names) = tokio::sync::oneshot::channel();
    let name = || thread::current().name().map(str::to_owned);
    assert!(runtime.worker("delivery").unwrap().spawn_fn(move || sender.send(name()).unwrap()));
    assert_eq!(names.await.unwrap().as_deref(), Some("delivery"));
    assert!(runtime.worker("other").is_none());
    assert_eq!(runtime.names().collect::<Vec<_>>(), ["ingest", "delivery"]);
    runtime.stop(Duration::from_secs(5)).await;
}

#[actix::test]
async fn workers_stop_in_reverse_order() {
    let runtime = Runtime::start(plan(&["a", "b", "c"])).unwrap();
    let exits = runtime.stop(Duration::from_secs(5)).await;
    let expected = ["c", "b", "a"].map(|name| (name.to_owned(), WorkerExit::Stopped));
    assert_eq!(exits, expected);
}

#[test]
fn a_name_names_one_worker() {
    assert!(matches!(Runtime::start(plan(&["a", "a"])), Err(RuntimeError::Duplicate(name)) if name == "a"));
}

#[actix::test]
async fn a_worker_that_is_busy_for_ever_is_left_alone_at_the_deadline() {
    let runtime = Runtime::start(plan(&["idle", "busy"])).unwrap();
    let (release, blocked) = mpsc::channel::<()>();
    let (entered, waiting) = tokio::sync::oneshot::channel();
    runtime.worker("busy").unwrap().spawn_fn(move || {
        entered.send(()).unwrap();
        let _ = blocked.recv();
    });
    waiting.await.unwrap();
    let exits = runtime.stop(Duration::from_millis(20)).await;
    assert_eq!(exits[0], ("busy".to_owned(), WorkerExit::Stuck));
    drop(release);
}

#[actix::test]
async fn a_worker_that_ends_unasked_is_noticed() {
    let runtime = Runtime::start(plan(&["steady", "gone"])).unwrap();
    runtime.worker("gone").unwrap().spawn_fn(|| System::current().stop());
    assert_eq!(runtime.worker_ended().await, ("gone", WorkerExit::Stopped));
    runtime.stop(Duration::from_secs(5)).await;
}

#[actix::test]
async fn a_panic_of_a_task_does_not_end_its_worker() {
    let runtime = Runtime::start(plan(&["hardy"])).unwrap();
    runtime.worker("hardy").unwrap().spawn_fn(|| panic!("a task of a worker panics in this test"));
    let (sender, alive) = tokio::sync::oneshot::channel();
    runtime.worker("hardy").unwrap().spawn_fn(move || sender.send(()).unwrap());
    alive.await.unwrap();
    assert_eq!(runtime.stop(Duration::from_secs(5)).await, [("hardy".to_owned(), WorkerExit::Stopped)]);
}

#[actix::test]
async fn a_panic_of_the_thread_itself_is_noticed() {
    let mut ended = spawn("frail".to_owned(), || panic!("a worker's thread panics in this test")).unwrap();
    assert_eq!(*ended.wait_for(Option::is_some).await.unwrap(), Some(WorkerExit::Panicked));
}

#[actix::test]
async fn dropping_the_runtime_stops_its_workers() {
    struct Flag(Arc<AtomicBool>, Option<tokio::sync::oneshot::Sender<()>>);
    impl Drop for Flag {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
            self.1.take().unwrap().send(()).unwrap();
        }
    }
    let runtime = Runtime::start(plan(&["brief"])).unwrap();
    let dropped = Arc::new(AtomicBool::new(false));
    let (sender, gone) = tokio::sync::oneshot::channel();
    let flag = Flag(dropped.clone(), Some(sender));
    runtime.worker("brief").unwrap().spawn(async move {
        let _flag = flag;
        std::future::pending::<()>().await;
    });
    drop(runtime);
    gone.await.unwrap();
    assert!(dropped.load(Ordering::SeqCst));
}
