//! Every order in which the messages of a producer and two consumers can be handled, with crashes and new subscriptions.
//!
//! The books are the real ones ([`Supply`](pushweir_actors::Supply), [`AutomaticDemand`](pushweir_actors::AutomaticDemand));
//! mailboxes, links and the actors around the books are played by `stages`, a message at a time, as two threads would
//! interleave them. The search visits every reachable state once. A step that breaks a promise prints the way to it, which
//! `INTERLEAVING='<scenario>:<choices>' cargo test -p pushweir-actors --test interleavings replay -- --nocapture`
//! walks again, step by step.

mod stages;
mod world;

use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use pushweir_actors::{Keep, Policy};
use world::{Scenario, World};

/// What is searched. Each is small enough for seconds and big enough for its kind of trouble.
const SCENARIOS: [Scenario; 6] = [
    Scenario { name: "greedy", consumer_crashes: 1, ..Scenario::DEFAULT },
    Scenario { name: "even", consumer_crashes: 1, policy: Policy::Even, ..Scenario::DEFAULT },
    Scenario { name: "shed-oldest", capacity: 1, cancels: 1, ..Scenario::DEFAULT },
    Scenario {
        name: "shed-newest",
        capacity: 1,
        keep: Keep::Oldest,
        consumer_crashes: 1,
        ..Scenario::DEFAULT
    },
    Scenario { name: "resubscribe", events: 2, replacements: 1, cancels: 1, ..Scenario::DEFAULT },
    Scenario { name: "producer-crash", events: 2, producer_crashes: 1, ..Scenario::DEFAULT },
];

/// The way to the present state: the choices made among the actions that were possible.
struct Path {
    scenario: &'static str,
    choices: Vec<usize>,
}

struct Search {
    path: Path,
    seen: HashSet<u64>,
    ends: usize,
}

// === impl Path ===

impl Drop for Path {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let choices: Vec<_> = self.choices.iter().map(usize::to_string).collect();
            eprintln!(
                "replay with: INTERLEAVING='{}:{}' cargo test -p pushweir-actors --test interleavings replay -- --nocapture",
                self.scenario,
                choices.join(",")
            );
        }
    }
}

// === impl Search ===

impl Search {
    fn visit(&mut self, world: &World) {
        let mut hasher = DefaultHasher::new();
        format!("{world:?}").hash(&mut hasher);
        if !self.seen.insert(hasher.finish()) {
            return;
        }
        let actions = world.actions();
        if actions.is_empty() {
            self.ends += 1;
            world.check_end();
        }
        for (choice, action) in actions.into_iter().enumerate() {
            self.path.choices.push(choice);
            let mut next = world.clone();
            next.act(action);
            next.check();
            self.visit(&next);
            self.path.choices.pop();
        }
    }
}

fn explore(name: &str) {
    let scenario = *SCENARIOS.iter().find(|scenario| scenario.name == name).expect("it is listed");
    let path = Path { scenario: scenario.name, choices: Vec::new() };
    let mut search = Search { path, seen: HashSet::new(), ends: 0 };
    search.visit(&World::new(scenario));
    println!("{name}: {} states, {} of them ends", search.seen.len(), search.ends);
    assert!(search.seen.len() > 1_000, "a search this small shows nothing: {} states", search.seen.len());
    assert!(search.ends > 0, "some way comes to an end");
}

#[test]
fn greedy_service_survives_a_consumer_crash_in_any_order() {
    explore("greedy");
}

#[test]
fn even_service_survives_a_consumer_crash_in_any_order() {
    explore("even");
}

#[test]
fn shedding_the_oldest_counts_every_event_in_any_order() {
    explore("shed-oldest");
}

#[test]
fn shedding_the_newest_counts_every_event_in_any_order() {
    explore("shed-newest");
}

#[test]
fn replacing_a_subscription_keeps_every_promise_in_any_order() {
    explore("resubscribe");
}

#[test]
fn a_producer_crash_is_survived_in_any_order() {
    explore("producer-crash");
}

/// Walks the way named in the environment; without one there is nothing to do.
#[test]
fn replay() {
    let Ok(way) = std::env::var("INTERLEAVING") else { return };
    let (name, choices) = way.split_once(':').expect("a scenario, a colon, and choices");
    let scenario = *SCENARIOS.iter().find(|scenario| scenario.name == name).expect("a known scenario");
    let mut world = World::new(scenario);
    for choice in choices.split(',') {
        let actions = world.actions();
        let action = actions[choice.parse::<usize>().expect("a number")];
        println!("{action:?}");
        world.act(action);
        println!("    {world:?}");
        world.check();
    }
    if world.actions().is_empty() {
        world.check_end();
    }
}
