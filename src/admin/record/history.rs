//! Fifteen minutes at a second each, as in the two graphs of Discord's incident (`reference/observability.md` 2.1), and what happened
//! meanwhile. Pure.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use crate::admin::state::{Snapshot, State, TreeNode};
use crate::admin::words::grouped;
use crate::ledger::Books;
use crate::units::Stamp;

/// Samples kept: 15 minutes.
const SAMPLES: usize = 900;
const MARKS: usize = 200;
/// Samples of one pusher's answers: a minute.
const ACKS: usize = 60;
/// Pushers whose answers are kept.
const PUSHERS: usize = 200;
/// Restarts within it are one mark, so that a storm of them hides nothing else.
const RESTARTS_WITHIN: Duration = Duration::from_secs(10);
/// Characters of a mark's reason.
const LONGEST_REASON: usize = 80;
const MINUTE: Duration = Duration::from_secs(60);

/// One second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Sample {
    /// Counted from the start.
    pub(crate) number: u64,
    /// When it was taken.
    pub(crate) at: Stamp,
    /// Pushes accepted per second since the sample before.
    pub(crate) accepted: u64,
    /// Pushes delivered per second.
    pub(crate) delivered: u64,
    /// Pushes shed per second.
    pub(crate) shed: u64,
    /// Pushes in the buffer.
    pub(crate) buffered: u64,
    /// Pushes without an answer.
    pub(crate) in_flight: u64,
}

/// Something that explains a bend in the graphs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Mark {
    /// Counted from the start.
    pub(crate) number: u64,
    /// When it was seen.
    pub(crate) at: Stamp,
    /// `state`, `restart`, or an operator's action such as `pause`.
    pub(crate) kind: &'static str,
    /// What happened.
    pub(crate) text: String,
}

/// Restarts that have not been marked yet.
#[derive(Debug, Default)]
struct Restarted {
    marked: Option<Stamp>,
    times: u64,
    /// Who, and why it ended.
    who: BTreeMap<String, Option<String>>,
}

#[derive(Debug, Default)]
pub(super) struct History {
    samples: VecDeque<Sample>,
    marks: VecDeque<Mark>,
    acks: HashMap<String, VecDeque<u32>>,
    restarts: HashMap<String, u64>,
    restarted: Restarted,
    before: Option<(Stamp, Books, State)>,
    /// Shed in all at the end of each sample kept.
    shed: VecDeque<u64>,
    sampled: u64,
    marked: u64,
}

// === impl History ===

impl History {
    /// Enters a second, and returns the state of the one before.
    pub(super) fn sample(&mut self, at: Stamp, snapshot: &Snapshot) -> Option<State> {
        let books = &snapshot.ledger;
        let (since, before) = match &self.before {
            Some((since, before, _)) => (*since, *before),
            None => (at, *books),
        };
        let seconds = at.since(since).as_secs_f64();
        let rate = |now: u64, then: u64| {
            if seconds > 0.0 { (now.saturating_sub(then) as f64 / seconds).round() as u64 } else { 0 }
        };
        self.sampled += 1;
        let sample = Sample {
            number: self.sampled,
            at,
            accepted: rate(books.accepted, before.accepted),
            delivered: rate(books.delivered, before.delivered),
            shed: rate(books.shed, before.shed),
            buffered: books.buffered,
            in_flight: books.in_flight,
        };
        push_bounded(&mut self.samples, sample, SAMPLES);
        push_bounded(&mut self.shed, books.shed, SAMPLES);
        self.mark_state(at, snapshot.state);
        self.mark_restarts(at, &snapshot.tree);
        self.sample_acks(snapshot);
        self.before.replace((at, *books, snapshot.state)).map(|(_, _, state)| state)
    }

    pub(super) fn mark(&mut self, at: Stamp, kind: &'static str, text: String) {
        self.marked += 1;
        push_bounded(&mut self.marks, Mark { number: self.marked, at, kind, text }, MARKS);
    }

    pub(super) fn last_samples(&self, count: usize) -> Vec<Sample> {
        self.samples.iter().skip(self.samples.len().saturating_sub(count)).copied().collect()
    }

    pub(super) fn last_marks(&self, count: usize) -> Vec<Mark> {
        self.marks.iter().skip(self.marks.len().saturating_sub(count)).cloned().collect()
    }

    /// By the counter, not by the rates, so that no rounding hides a single push.
    pub(super) fn shed_last_minute(&self) -> u64 {
        let (Some(last), Some(total)) = (self.samples.back(), self.shed.back()) else { return 0 };
        let young = |sample: &Sample| last.at.since(sample.at) < MINUTE;
        let before = self.samples.iter().position(young).and_then(|first| first.checked_sub(1));
        // A process that is younger than a minute began with none.
        total.saturating_sub(before.map_or(0, |index| self.shed[index]))
    }

    /// Column by column, which is a third of the size of a list of samples.
    pub(super) fn columns(&self) -> Value {
        let column = |pick: fn(&Sample) -> u64| -> Vec<u64> { self.samples.iter().map(pick).collect() };
        json!({
            "period_seconds": 1,
            "first": self.samples.front().map(|sample| sample.number),
            "at": column(|sample| sample.at.as_millis()),
            "accepted": column(|sample| sample.accepted),
            "delivered": column(|sample| sample.delivered),
            "shed": column(|sample| sample.shed),
            "buffered": column(|sample| sample.buffered),
            "in_flight": column(|sample| sample.in_flight),
            "marks": self.marks,
            "acks": self.acks,
        })
    }

    fn mark_state(&mut self, at: Stamp, state: State) {
        match self.before {
            None => self.mark(at, "state", format!("started: {}", state.as_str())),
            Some((_, _, before)) if before != state => {
                self.mark(at, "state", format!("{} → {}", before.as_str(), state.as_str()));
            }
            Some(_) => {}
        }
    }

    fn mark_restarts(&mut self, at: Stamp, tree: &TreeNode) {
        let mut now = HashMap::with_capacity(self.restarts.len());
        walk(tree, &mut |node| {
            let more = self.restarts.get(&node.id).map_or(0, |then| node.restarts.saturating_sub(*then));
            if more > 0 {
                self.restarted.times += more;
                self.restarted.who.insert(node.id.clone(), node.last_exit.clone());
            }
            now.insert(node.id.clone(), node.restarts);
        });
        self.restarts = now;
        if let Some(text) = self.restarted.take(at) {
            self.mark(at, "restart", text);
        }
    }

    fn sample_acks(&mut self, snapshot: &Snapshot) {
        let shown = &snapshot.pushers[..snapshot.pushers.len().min(PUSHERS)];
        if self.acks.len() > shown.len() {
            self.acks.retain(|id, _| shown.iter().any(|pusher| pusher.id == *id));
        }
        for pusher in shown {
            let acks = match self.acks.get_mut(&pusher.id) {
                Some(acks) => acks,
                None => self.acks.entry(pusher.id.clone()).or_default(),
            };
            push_bounded(acks, pusher.acks_per_second.round() as u32, ACKS);
        }
    }
}

// === impl Restarted ===

impl Restarted {
    /// Returns what is to be marked: the first at once, then what came together since.
    fn take(&mut self, at: Stamp) -> Option<String> {
        if self.marked.is_some_and(|marked| at.since(marked) < RESTARTS_WITHIN) {
            return None;
        }
        let who = std::mem::take(&mut self.who);
        let (first, why) = who.first_key_value()?;
        let times = std::mem::take(&mut self.times);
        self.marked = Some(at);
        let more = match who.len() - 1 {
            0 => String::new(),
            others => format!(" and {} more", grouped(others as u64)),
        };
        let repeated =
            if times > who.len() as u64 { format!(" {} times", grouped(times)) } else { String::new() };
        let why = why.as_deref().map_or_else(String::new, |why| {
            let why = why.strip_prefix("failed: ").unwrap_or(why);
            let short: String = why.chars().take(LONGEST_REASON).collect();
            format!(": {short}{}", if short.len() < why.len() { "…" } else { "" })
        });
        Some(format!("{first}{more} restarted{repeated}{why}"))
    }
}

fn walk<'t>(node: &'t TreeNode, visit: &mut impl FnMut(&'t TreeNode)) {
    visit(node);
    node.children.iter().for_each(|child| walk(child, visit));
}

fn push_bounded<T>(ring: &mut VecDeque<T>, item: T, bound: usize) {
    if ring.len() == bound {
        ring.pop_front();
    }
    ring.push_back(item);
}
