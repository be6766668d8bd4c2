//! Random faults over a running system, from a seed that is printed: after each one the books balance, and both sides' counts explain each other.
//!
//! `CHAOS_SEED` and `CHAOS_FAULTS` choose what happens and how much of it; `scripts/bench chaos` runs a long one.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::agreement::assert_explained;
use crate::support::gateway::Gateway;
use crate::support::load::push;
use crate::support::peer::count;
use crate::support::sampler::Sampler;
use crate::support::{Config, Load, Peer, batch, http};

const FAULTS: usize = 25;
const PUSHERS: usize = 3;
/// Panics of the collector in a minute; the root of the tree gives up after 15.
const COLLECTOR_PANICS: usize = 10;
/// Deliveries that show that it goes on.
const FLOWING: u64 = 30;
const STYLES: [&str; 6] = ["fin", "rst", "half-stanza", "garbage", "stream-error", "graceful"];
/// What the provider may do all the time; the last one ends it all.
const MOODS: [&str; 9] = [
    "lose_acks=0.02",
    "duplicate_acks=0.2&ack_unknown=0.2",
    "order=shuffled&jitter=15ms",
    "nack=0.1:SERVICE_UNAVAILABLE,0.05:INTERNAL_SERVER_ERROR,0.02:NEVER_HEARD_OF",
    "nack=0.02:DEVICE_UNREGISTERED,0.02:INVALID_JSON",
    "close_after=400&drain_after=300&drain_mode=both&drain_close=100ms",
    "latency=40ms&slow_read=200000",
    "prefix=alternate&ping=50ms",
    CALM,
];
const CALM: &str = "lose_acks=0&duplicate_acks=0&ack_unknown=0&order=fifo&jitter=0&nack=0&close_after=0&drain_after=0&latency=5ms&slow_read=0\
                    &auth_fail=false&max_connections=0&prefix=gcm&ping=0";

struct Chaos {
    peer: Peer,
    gateway: Gateway,
    config: Config,
    rng: fastrand::Rng,
    /// When the collector was made to panic in the last minute.
    panics: Vec<Instant>,
}

impl Chaos {
    fn start(seed: u64) -> Self {
        let peer = Peer::start(&["--latency", "5ms"]);
        let config = Config::to(&peer)
            .set("runtime.fault_injection", true)
            .set("runtime.delivery_threads", 2)
            .set("collector.buffer", 3_000)
            .text("feedback.breaker.open_min", "50ms")
            .text("feedback.breaker.open_max", "200ms")
            .route("connections", PUSHERS)
            .route("restart_limit", 1_000_000)
            .route_text("answer_timeout", "500ms")
            .route_text("drain_timeout", "1s")
            .route_text("login_retry", "1s");
        let gateway = Gateway::start_ready(&config).allow_panics();
        Self { peer, gateway, config, rng: fastrand::Rng::with_seed(seed), panics: Vec::new() }
    }

    /// Gives an operator's command; one that makes no sense at the moment is refused.
    fn operator(&self, command: &str, body: &str) {
        let status = self.gateway.command_with(command, body).status;
        assert!(matches!(status, 200 | 404 | 409), "{command}: {status}");
    }

    fn connection(&mut self) -> String {
        let open = self.peer.open_connections();
        self.rng.choice(open).map_or_else(String::new, |id| format!("&connection={id}"))
    }

    /// Makes one thing go wrong; returns its name.
    fn happen(&mut self) -> String {
        let pusher = self.rng.usize(..PUSHERS);
        match self.rng.u8(..16) {
            0 => {
                let (style, which) = (STYLES[self.rng.usize(..STYLES.len())], self.connection());
                self.peer(format!("close?style={style}{which}"))
            }
            1 => {
                let style = STYLES[self.rng.usize(..STYLES.len())];
                self.peer(format!("close?style={style}"))
            }
            2 => {
                let which = self.connection();
                self.peer(format!("stall?x=1{which}").replace("x=1&", ""))
            }
            3 => self.peer("drain".to_owned()),
            4 => self.peer("garbage".to_owned()),
            5 | 6 => {
                let mood = MOODS[self.rng.usize(..MOODS.len())];
                self.peer(format!("set?{mood}"))
            }
            7 => self.refuse(),
            8 => self.command(format!("faults/panic?target=android/{pusher}"), ""),
            9 => self.panic_collector(),
            10 => {
                let mode = if self.rng.bool() { "force" } else { "graceful" };
                self.command(format!("pushers/android/{pusher}/restart?mode={mode}"), "")
            }
            11 => {
                let connections = self.rng.usize(PUSHERS..=PUSHERS + 2);
                self.command("routes/android/scale".to_owned(), &format!("{{\"connections\":{connections}}}"))
            }
            12 => self.pause(pusher),
            13 => self.reload(),
            14 => self.nonsense(),
            _ => {
                self.gateway.post(&low(1_000)).expect(202);
                "a burst".to_owned()
            }
        }
    }

    /// The collector panics, unless it has done so nearly as often in a minute as the root lets its parts fail before it ends the process.
    fn panic_collector(&mut self) -> String {
        let now = Instant::now();
        self.panics.retain(|at| now.duration_since(*at) < Duration::from_secs(60));
        if self.panics.len() >= COLLECTOR_PANICS {
            return self.nonsense();
        }
        self.panics.push(now);
        self.command("faults/panic?target=collector".to_owned(), "")
    }

    fn peer(&self, command: String) -> String {
        // A connection may have ended since it was chosen.
        self.peer.try_command(&command);
        command
    }

    fn command(&self, command: String, body: &str) -> String {
        self.operator(&command, body);
        command
    }

    /// All connections end, and for a moment logins fail or connections are turned away.
    fn refuse(&mut self) -> String {
        let (knob, counter) = match self.rng.bool() {
            true => ("auth_fail=true", "logins_refused"),
            false => ("max_connections=1", "connections/refused"),
        };
        let seen = self.peer.count(counter);
        self.peer.command(&format!("set?{knob}"));
        self.peer.command("close?style=graceful");
        self.peer.wait_for(counter, seen + 1);
        self.peer.command("set?auth_fail=false&max_connections=0");
        knob.to_owned()
    }

    /// A pusher, the route or the intake rests for a moment.
    fn pause(&mut self, pusher: usize) -> String {
        let what = match self.rng.u8(..3) {
            0 => format!("pushers/android/{pusher}/"),
            1 => "routes/android/".to_owned(),
            _ => String::new(),
        };
        let stop = if what.is_empty() { "drain" } else { "pause" };
        self.operator(&format!("{what}{stop}"), "");
        if !what.starts_with("pushers") {
            self.gateway.post(&push()).expect(503);
        }
        self.operator(&format!("{what}resume"), "");
        format!("{what}{stop}")
    }

    /// The configuration changes, or is bad.
    fn reload(&mut self) -> String {
        if self.rng.bool() {
            self.gateway.reload("[collector]\nbuffer = 0\n");
            return "a bad reload".to_owned();
        }
        let attempts = self.rng.u8(15..=20);
        self.gateway.reload(&self.config.clone().set("feedback.max_attempts", attempts).render());
        "a reload".to_owned()
    }

    /// A sender that does not know how to.
    fn nonsense(&mut self) -> String {
        let bodies: [&[u8]; 4] = [b"{", b"\xff\xfe", b"{\"pushes\":[{\"to\":{}}]}", b"[[[[[[[[[[[["];
        let body = bodies[self.rng.usize(..bodies.len())];
        self.gateway.post_with(&[("content-type", "application/json")], body).expect(400);
        drop(http::Client::connect(self.gateway.ingest));
        "nonsense".to_owned()
    }

    /// Waits until pushes flow again, and checks what must be true of every moment.
    fn check(&self, fault: &str) {
        let seen = self.gateway.state().ledger("delivered");
        let state = self.gateway.wait_for(&format!("pushes flow after {fault}"), |state| {
            state.ledger("delivered") >= seen + FLOWING
        });
        assert_eq!(state.ledger("lost"), 0, "after {fault}: {:#}", state.0);
        assert_explained(&self.gateway, &[&self.peer]);
    }

    /// Lets everything come to rest and checks the books for good.
    fn finish(self, accepted: u64, sampler: Sampler) -> Value {
        self.peer.command(&format!("set?{CALM}"));
        self.gateway
            .wait_for("every pusher is ready", |state| state.pushers_in("ready") == state.pushers().len());
        let state = self.gateway.settled();
        sampler.finish();
        assert!(state.ledger("accepted") >= accepted, "{:#}", state.0);
        let explained =
            ["delivered", "unregistered", "rejected", "shed", "exhausted"].map(|word| state.ledger(word));
        assert_eq!(explained.iter().sum::<u64>(), state.ledger("accepted"), "{:#}", state.0);
        assert_explained(&self.gateway, &[&self.peer]);
        let report = self.peer.report();
        self.gateway.finish();
        json!({
            "accepted": state.ledger("accepted"), "delivered": state.ledger("delivered"), "shed": state.ledger("shed"),
            "lost": state.ledger("lost"), "maybe_delivered": count(&state.0, "maybe_delivered"),
            "delivered_twice": count(&report, "delivered_duplicates"), "violations": count(&report, "violations/total"),
            "highest_unacked": count(&report, "highest_unacked"), "connections": count(&report, "connections/opened"),
        })
    }
}

fn low(size: usize) -> Value {
    let mut batch = batch(size);
    for push in batch["pushes"].as_array_mut().expect("it is a list") {
        push["priority"] = json!("low");
    }
    batch
}

fn run(seed: u64, faults: usize) {
    println!("chaos: CHAOS_SEED={seed} CHAOS_FAULTS={faults}");
    let start = Instant::now();
    let mut chaos = Chaos::start(seed);
    let sampler = Sampler::start(&chaos.gateway);
    let loads: Vec<Load> = (0..2).map(|_| Load::start(&chaos.gateway, 20)).collect();
    for number in 1..=faults {
        let fault = chaos.happen();
        println!("chaos: {number} {fault}");
        chaos.check(&fault);
    }
    let accepted = loads.into_iter().map(|load| load.finish().accepted).sum();
    let mut figures = chaos.finish(accepted, sampler);
    figures["faults"] = json!(faults);
    figures["seconds"] = json!(start.elapsed().as_secs_f64());
    println!("chaos: {figures}");
}

#[test]
fn faults_in_the_order_of_a_known_seed_cost_no_push_and_no_count() {
    run(20_161_212, FAULTS);
}

#[test]
fn faults_in_the_order_of_a_new_seed_cost_no_push_and_no_count() {
    let chosen = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let faults = chosen("CHAOS_FAULTS").and_then(|faults| usize::try_from(faults).ok());
    run(chosen("CHAOS_SEED").unwrap_or_else(|| fastrand::u64(..)), faults.unwrap_or(FAULTS));
}
