//! Children and supervisors on other threads than their parent's. These run in real time, by events alone.

use actix::{Actor, Context, Handler};
use pushweir_actors::{Link, Runtime, Stop, WorkerSpec};

use super::*;

/// Lives on a worker; panics when it is told to.
struct Remote {
    _link: Link,
    up: tokio::sync::mpsc::Sender<String>,
}

#[derive(actix::Message)]
#[rtype(result = "()")]
struct Fall;

impl Actor for Remote {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        let thread = std::thread::current().name().unwrap_or_default().to_owned();
        self.up.try_send(thread).expect("the test listens");
    }
}

impl Handler<Fall> for Remote {
    type Result = ();

    fn handle(&mut self, _: Fall, _: &mut Self::Context) {
        panic!("a remote child panics in this test");
    }
}

impl Handler<Stop> for Remote {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        actix::ActorContext::stop(ctx);
    }
}

#[actix::test]
async fn a_child_on_a_worker_is_restarted_there_after_a_panic() {
    let runtime = Runtime::start(vec![WorkerSpec::new("delivery")]).unwrap();
    let arbiter = runtime.worker("delivery").unwrap();
    let (up_sender, mut ups) = tokio::sync::mpsc::channel(8);
    let (addr_sender, mut addrs) = tokio::sync::mpsc::channel(8);
    let remote = ChildSpec::worker("remote", move |link| {
        let up = up_sender.clone();
        let addr = Remote::start_in_arbiter(&arbiter, move |_| Remote { _link: link, up });
        addr_sender.try_send(addr.clone()).expect("the test listens");
        Ok(addr.into())
    });
    let root = up(bare([remote])).await;
    for _ in 0..3 {
        assert_eq!(ups.recv().await.as_deref(), Some("delivery"));
        let _ = addrs.recv().await.unwrap().send(Fall).await;
    }
    assert_eq!(ups.recv().await.as_deref(), Some("delivery"));
    assert_eq!(root.shutdown(secs(5)).await, Exit::Shutdown);
    runtime.stop(secs(5)).await;
}

#[actix::test]
async fn a_nested_supervisor_may_live_on_a_worker() {
    let runtime = Runtime::start(vec![WorkerSpec::new("delivery")]).unwrap();
    let arbiter = runtime.worker("delivery").unwrap();
    let probes = Probes::default();
    let inner = {
        let probes = probes.clone();
        move || bare([probes.child("x")]).intensity(Intensity::new(0, secs(5)))
    };
    let root = up(bare([ChildSpec::supervisor_in("inner", arbiter, inner)])).await;
    probes.end("x", End::Panic).await;
    probes.logged("x up", 2).await;
    assert_eq!(root.tree().find(&["inner"]).unwrap().restarts, 1);
    assert_eq!(root.shutdown(secs(5)).await, Exit::Shutdown);
    assert_eq!(probes.take_log(), ["x up", "x down", "x up", "x stop", "x down"]);
    runtime.stop(secs(5)).await;
}

#[actix::test]
async fn a_worker_that_goes_away_takes_its_supervisor_with_it_and_the_parent_sees_it() {
    let runtime = Runtime::start(vec![WorkerSpec::new("delivery")]).unwrap();
    let arbiter = runtime.worker("delivery").unwrap();
    let probes = Probes::default();
    let inner = {
        let probes = probes.clone();
        move || bare([probes.child("x")])
    };
    let root = up(bare([ChildSpec::supervisor_in("inner", arbiter, inner)])).await;
    runtime.stop(secs(5)).await;
    assert_eq!(root.exited().await, Exit::Escalated, "it cannot be started again");
}

#[actix::test]
async fn a_supervisor_whose_thread_goes_away_tells_its_children_elsewhere_to_end() {
    let runtime = Runtime::start(vec![WorkerSpec::new("control")]).unwrap();
    let arbiter = runtime.worker("control").unwrap();
    let (stops_sender, mut stops) = tokio::sync::mpsc::channel(8);
    // Children that live outside of the worker: here in their handle, as far as anybody can tell.
    let child = move |id: &'static str| {
        let stops = stops_sender.clone();
        ChildSpec::worker(id, move |link| {
            let stops = stops.clone();
            Ok(ChildHandle::from_fn(move |stop| {
                stops.try_send((link.id().to_owned(), stop.is_forced())).expect("the test listens");
            }))
        })
    };
    let root = Supervisor::start_in(&arbiter, bare([child("a"), child("b")]), None).unwrap();
    root.ready().await.unwrap();
    runtime.stop(secs(5)).await;
    assert_eq!(stops.recv().await, Some(("b".to_owned(), true)));
    assert_eq!(stops.recv().await, Some(("a".to_owned(), true)));
    assert_eq!(root.exited().await, Exit::Killed);
}
