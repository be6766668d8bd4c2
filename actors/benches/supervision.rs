//! What supervision costs: start, memory, restart and stop of many children, next to actix actors without it.
//!
//! Run with `cargo bench -p pushweir-actors --bench supervision`; the baseline for the same machine is Erlang's, in
//! `reference/genstage.md` 3.5 (e).

use std::{
    fs,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use actix::{Actor, ActorContext, Addr, Context, Handler, Message};
use parking_lot::Mutex;
use pushweir_actors::{
    Backoff, ChildSpec, Exit, Intensity, Link, Stop, Strategy, Supervisor, SupervisorHandle, SupervisorSpec,
};
use tokio::sync::Notify;

const RESTARTS: usize = 20_000;

/// Does nothing until it is told to fall.
struct Idle {
    _link: Link,
    bench: Arc<Bench>,
}

/// An actor that nobody supervises.
struct Bare;

/// What the children of a run share.
#[derive(Default)]
struct Bench {
    last: Mutex<Option<Addr<Idle>>>,
    fell: Mutex<Option<Instant>>,
    latencies: Mutex<Vec<Duration>>,
    back: Notify,
}

#[derive(Message)]
#[rtype(result = "()")]
struct Fall;

impl Actor for Idle {
    type Context = Context<Self>;
}

impl Actor for Bare {
    type Context = Context<Self>;
}

impl Handler<Fall> for Idle {
    type Result = ();

    fn handle(&mut self, _: Fall, ctx: &mut Self::Context) {
        *self.bench.fell.lock() = Some(Instant::now());
        ctx.stop();
    }
}

impl Handler<Stop> for Idle {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

impl Bench {
    fn child(self: &Arc<Self>, id: usize) -> ChildSpec {
        let bench = self.clone();
        ChildSpec::worker(id.to_string(), move |link| {
            if let Some(fell) = bench.fell.lock().take() {
                bench.latencies.lock().push(fell.elapsed());
                bench.back.notify_one();
            }
            let addr = Idle { _link: link, bench: bench.clone() }.start();
            *bench.last.lock() = Some(addr.clone());
            Ok(addr.into())
        })
    }
}

fn resident() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").expect("this runs on Linux");
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.expect("the second word is the resident set in pages") * 4096
}

async fn family(bench: &Arc<Bench>, children: usize, strategy: Strategy) -> SupervisorHandle {
    let mut spec = SupervisorSpec::new("root")
        .strategy(strategy)
        .intensity(Intensity::unlimited())
        .backoff(Backoff::none());
    spec.children = (0..children).map(|id| bench.child(id)).collect();
    let root = Supervisor::start(spec, None).expect("the specification is in order");
    root.ready().await.expect("idle children start");
    root
}

async fn crowd(children: usize) {
    let bench = Arc::<Bench>::default();
    let (before, begun) = (resident(), Instant::now());
    let root = family(&bench, children, Strategy::Dynamic).await;
    let started = begun.elapsed();
    // One more turn, so that every actor has been polled once.
    tokio::task::yield_now().await;
    let memory = resident().saturating_sub(before);
    let begun = Instant::now();
    let nodes = root.tree().len();
    let observed = begun.elapsed();
    let begun = Instant::now();
    assert_eq!(root.shutdown(Duration::from_secs(60)).await, Exit::Shutdown);
    println!(
        "{children:>7} children: start {:.2} us each, {} bytes each, snapshot of {nodes} nodes {:.1} ms, stop all {:.1} ms",
        started.as_secs_f64() * 1e6 / children as f64,
        memory / children,
        observed.as_secs_f64() * 1e3,
        begun.elapsed().as_secs_f64() * 1e3,
    );
}

async fn bare(actors: usize) {
    let (before, begun) = (resident(), Instant::now());
    let addrs: Vec<Addr<Bare>> = (0..actors).map(|_| Bare.start()).collect();
    let started = begun.elapsed();
    tokio::task::yield_now().await;
    println!(
        "{:>7} bare actors: start {:.2} us each, {} bytes each",
        addrs.len(),
        started.as_secs_f64() * 1e6 / actors as f64,
        resident().saturating_sub(before) / actors,
    );
}

async fn restarts(siblings: usize) {
    let bench = Arc::<Bench>::default();
    let root = family(&bench, siblings, Strategy::OneForOne).await;
    for _ in 0..RESTARTS {
        let addr = bench.last.lock().clone().expect("a child is up");
        addr.send(Fall).await.expect("the child is up");
        bench.back.notified().await;
    }
    let mut latencies = std::mem::take(&mut *bench.latencies.lock());
    latencies.sort_unstable();
    let at = |share: f64| latencies[(latencies.len() as f64 * share) as usize].as_secs_f64() * 1e6;
    println!(
        "{RESTARTS} restarts among {siblings}: exit to start p50 {:.1} us, p99 {:.1} us",
        at(0.5),
        at(0.99)
    );
    root.shutdown(Duration::from_secs(60)).await;
}

/// Runs each part in a process of its own, because memory that one part has freed would hide what the next one needs.
fn main() {
    let system = actix::System::new();
    match std::env::args().nth(1).as_deref() {
        Some("bare") => system.block_on(bare(100_000)),
        Some("crowd") => system.block_on(crowd(100_000)),
        Some("small") => system.block_on(crowd(10_000)),
        Some("one") => system.block_on(restarts(1)),
        Some("among") => system.block_on(restarts(10_000)),
        _ => {
            let program = std::env::current_exe().expect("a running program has a file");
            for part in ["bare", "crowd", "small", "one", "among"] {
                let status = Command::new(&program).arg(part).status().expect("it ran a moment ago");
                assert!(status.success(), "part {part} failed");
            }
        }
    }
}
