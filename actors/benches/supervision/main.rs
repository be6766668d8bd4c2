//! What supervision costs: start, memory, restart and stop of many children, next to actix actors without it.
//!
//! `cargo bench -p pushweir-actors --bench supervision` prints one table of medians of five processes and writes
//! `target/bench/actors-supervision.json`; `-- --quick` makes it three. The baseline for the same machine is Erlang's, in
//! `reference/genstage.md` 3.5 (e).

#[path = "../common/report.rs"]
mod report;

use std::{
    fs,
    process::Command,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use actix::{Actor, ActorContext, Addr, Context, Handler, Message};
use parking_lot::Mutex;
use pushweir_actors::{
    Backoff, ChildSpec, Exit, Intensity, Link, Stop, Strategy, Supervisor, SupervisorHandle, SupervisorSpec,
};
use report::{Report, quantile};
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

/// Prints a figure for the process that measures.
fn tell(name: &str, value: f64) {
    println!("{name}\t{value}");
}

async fn crowd(children: usize) {
    let bench = Arc::<Bench>::default();
    let (before, begun) = (resident(), Instant::now());
    let root = family(&bench, children, Strategy::Dynamic).await;
    tell("start of all, s", begun.elapsed().as_secs_f64());
    // One more turn, so that every actor has been polled once.
    tokio::task::yield_now().await;
    tell("memory each, bytes", (resident().saturating_sub(before) / children) as f64);
    let watcher = root.clone();
    let reader = thread::spawn(move || {
        let begun = Instant::now();
        assert_eq!(watcher.tree().len(), children + 1);
        begun.elapsed()
    });
    // The supervisor's thread works on while another one takes the picture.
    let mut longest = Duration::ZERO;
    while !reader.is_finished() {
        let begun = Instant::now();
        let child = bench.last.lock().clone().expect("a child is up");
        child.send(Fall).await.expect("the child is up");
        bench.back.notified().await;
        longest = longest.max(begun.elapsed());
    }
    tell("snapshot of all, ms", reader.join().expect("it does not panic").as_secs_f64() * 1e3);
    tell("longest restart meanwhile, us", longest.as_secs_f64() * 1e6);
    let begun = Instant::now();
    assert_eq!(root.shutdown(Duration::from_secs(60)).await, Exit::Shutdown);
    tell("stop of all, ms", begun.elapsed().as_secs_f64() * 1e3);
}

async fn bare(actors: usize) {
    let (before, begun) = (resident(), Instant::now());
    let addrs: Vec<Addr<Bare>> = (0..actors).map(|_| Bare.start()).collect();
    tell("start of all, s", begun.elapsed().as_secs_f64());
    tokio::task::yield_now().await;
    tell("memory each, bytes", (resident().saturating_sub(before) / addrs.len()) as f64);
}

async fn restarts(siblings: usize) {
    let bench = Arc::<Bench>::default();
    let root = family(&bench, siblings, Strategy::OneForOne).await;
    let begun = Instant::now();
    for _ in 0..RESTARTS {
        let addr = bench.last.lock().clone().expect("a child is up");
        addr.send(Fall).await.expect("the child is up");
        bench.back.notified().await;
    }
    tell("restarts, thousand/s", RESTARTS as f64 / begun.elapsed().as_secs_f64() / 1e3);
    let mut latencies = std::mem::take(&mut *bench.latencies.lock());
    latencies.sort_unstable();
    tell("exit to start p50, us", quantile(&latencies, 0.5).as_secs_f64() * 1e6);
    tell("exit to start p99, us", quantile(&latencies, 0.99).as_secs_f64() * 1e6);
    root.shutdown(Duration::from_secs(60)).await;
}

/// Runs one part in this process.
fn part(name: &str) {
    let system = actix::System::new();
    match name {
        "bare" => system.block_on(bare(100_000)),
        "crowd" => system.block_on(crowd(100_000)),
        "small" => system.block_on(crowd(10_000)),
        "one" => system.block_on(restarts(1)),
        "among" => system.block_on(restarts(10_000)),
        other => panic!("there is no part {other:?}"),
    }
}

/// Runs each part in processes of its own, because memory that one run has freed would hide what the next one needs.
fn main() {
    if let Some(name) = std::env::args().skip_while(|argument| argument != "--part").nth(1) {
        return part(&name);
    }
    let parts = [
        ("bare", "100,000 bare actors", ""),
        ("crowd", "100,000 children", ""),
        ("small", "10,000 children", "GenServer: 7.9 us start, 3,465 bytes"),
        ("one", "one child", "GenServer: p50 17.7, p99 65.9 us"),
        ("among", "one of 10,000 children", "GenServer: p50 17.7, p99 65.9 us"),
    ];
    let mut report = Report::new("supervision");
    let program = std::env::current_exe().expect("a running program has a file");
    for (name, title, baseline) in parts {
        title.clone_into(&mut report.group);
        if !report.wants("") {
            continue;
        }
        let mut figures: Vec<(String, Vec<f64>)> = Vec::new();
        for _ in 0..report.runs() {
            let output = Command::new(&program).args(["--part", name]).output().expect("it ran a moment ago");
            assert!(output.status.success(), "part {name} failed");
            let text = String::from_utf8(output.stdout).expect("it prints text");
            for (figure, value) in text.lines().filter_map(|line| line.split_once('\t')) {
                let value: f64 = value.parse().expect("it prints numbers");
                match figures.iter_mut().find(|(known, _)| known == figure) {
                    Some((_, values)) => values.push(value),
                    None => figures.push((figure.to_owned(), vec![value])),
                }
            }
        }
        for (figure, values) in figures {
            report.figure(&format!("{title}: {figure}"), "", &values, baseline);
        }
    }
    report.finish();
}
