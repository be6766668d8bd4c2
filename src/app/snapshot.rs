//! The operator's view: cells, books, rates and tree put together on demand, and the operator's commands.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::control;
use super::figures::{Figures, Rates};
use super::routes::LiveRoute;
use super::service::Service;
use crate::admin::Record;
use crate::admin::actions::Backend;
use crate::admin::measured::Measured;
use crate::admin::state::{
    self, AnswerCount, BreakerRow, CollectorState, PusherRow, ResultCounts, RouteRow, Snapshot, TreeNode,
    WebhookState,
};
use crate::feedback::results::Counts;
use crate::feedback::webhook;
use crate::flow::{Command, CommandError, PusherCell};
use crate::ledger::Books;

/// The service as `admin` knows it.
#[derive(Debug, Clone)]
pub struct Operator(pub Arc<Service>);

impl Backend for Operator {
    fn snapshot(&self) -> Snapshot {
        self.0.snapshot()
    }

    fn record(&self) -> &Record {
        &self.0.record
    }

    fn measured(&self) -> Measured {
        self.0.measured()
    }

    fn configuration(&self) -> String {
        self.0.parts.live.lock().effective.clone()
    }

    fn command(&self, command: Command) -> BoxFuture<'static, Result<Value, CommandError>> {
        let service = Arc::clone(&self.0);
        Box::pin(async move {
            let subject = Subject::of(&command);
            let carrier = Arc::clone(&service);
            // A task of its own: an operator who hangs up must not leave a route half scaled.
            let task = actix::spawn(async move { control::carry_out(&carrier, command).await });
            let broken = |error| CommandError::Conflict(format!("the command broke off: {error}"));
            let found = task.await.map_err(broken)??;
            Ok(found.unwrap_or_else(|| subject.show(&service)))
        })
    }
}

/// The thing that a command changes, to show its new state.
enum Subject {
    Pusher(String, u32),
    Route(String),
    Telemetry,
    Service,
}

// === impl Subject ===

impl Subject {
    fn of(command: &Command) -> Self {
        match command {
            Command::RestartPusher { route, number, .. }
            | Command::PausePusher { route, number }
            | Command::ResumePusher { route, number } => Self::Pusher(route.clone(), *number),
            Command::RestartRoute { route, .. }
            | Command::ScaleRoute { route, .. }
            | Command::PauseRoute { route }
            | Command::ResumeRoute { route } => Self::Route(route.clone()),
            Command::TestPush { .. } | Command::TraceNext { .. } | Command::SetLog { .. } => Self::Telemetry,
            Command::Panic { .. } | Command::Drain | Command::Resume => Self::Service,
        }
    }

    fn show(self, service: &Service) -> Value {
        let snapshot = service.snapshot();
        match self {
            Self::Pusher(route, number) => {
                let id = format!("{route}/{number}");
                json!({ "pusher": snapshot.pushers.iter().find(|pusher| pusher.id == id) })
            }
            Self::Route(name) => json!({ "route": snapshot.routes.iter().find(|route| route.name == name) }),
            Self::Telemetry => json!({ "log": snapshot.telemetry.log, "traces": snapshot.telemetry.traces }),
            Self::Service => json!({ "state": snapshot.state }),
        }
    }
}

// === impl Service ===

impl Service {
    /// Returns the service at this instant. Books are read route by route, each under its lock, so that every sum balances.
    pub fn snapshot(&self) -> Snapshot {
        let parts = &self.parts;
        let figures = self.figures.lock();
        let tree = self.tree();
        let books: Vec<_> = parts.routes.partitions().map(|each| parts.routes.books(each)).collect();
        let ledger = parts.ledger.sum(books.iter().copied());
        let (mut routes, mut pushers) = (Vec::new(), Vec::new());
        for route in self.listed() {
            let rows = self.pusher_rows(route, &figures, &tree);
            let row = self.route_row(route, &books, &rows);
            // What a route did before it was removed is part of the sums.
            if route.is_present() || row.ledger.received > 0 {
                routes.push(row);
                pushers.extend(rows);
            }
        }
        let rates = rates(&figures.total);
        let out_per_second = figures.total.ended.per_second();
        let collector = self.collector_state(&ledger, rates.accepted_per_second, out_per_second);
        let codes = parts.feedback.codes().into_iter();
        let answers = codes.map(|(code, count)| AnswerCount { code, count }).collect();
        Snapshot {
            state: state::overall(parts.intake.is_draining(), &collector, &rates, &routes),
            version: env!("CARGO_PKG_VERSION"),
            uptime_seconds: parts.clock.now().since(crate::units::Moment::default()).as_secs_f64(),
            ledger,
            collector,
            rates,
            answers,
            maybe_delivered: parts.feedback.maybe_delivered(),
            results: result_counts(parts.results.counts()),
            reloads: *self.reloads.lock(),
            telemetry: self.telemetry(),
            webhook: webhook_state(parts.hook.counts()),
            routes,
            pushers,
            tree,
        }
    }

    fn collector_state(&self, ledger: &Books, in_per_second: f64, out_per_second: f64) -> CollectorState {
        let intake = &self.parts.intake;
        let (load, bound) = (intake.load(), intake.bound());
        let (at_door, most) = intake.at_the_door();
        CollectorState {
            buffered: ledger.buffered,
            capacity: bound.pushes,
            buffered_bytes: load.bytes,
            capacity_bytes: bound.bytes,
            refused_deadline: intake.refused_late(),
            intake_pushes: at_door.pushes,
            intake_capacity: most.pushes,
            intake_batches: intake.waiting_batches() as u64,
            intake_capacity_batches: intake.most_batches() as u64,
            shed_behind: intake.gauges().shed_behind(),
            oldest_age_seconds: intake.oldest_age().as_secs_f64(),
            projected_drain_seconds: state::projected_drain(ledger.buffered, in_per_second, out_per_second),
        }
    }

    /// Returns the routes in the configuration's order, and behind them those that were removed.
    fn listed(&self) -> Vec<&Arc<LiveRoute>> {
        let config = Arc::clone(&self.parts.live.lock());
        let mut listed: Vec<_> = self.parts.routes.iter().collect();
        let place = |route: &&Arc<LiveRoute>| {
            let place = config.routes.iter().position(|configured| configured.name == route.cell.name);
            place.unwrap_or(usize::MAX)
        };
        listed.sort_by_key(place);
        listed
    }

    /// Returns a route's row; `books` are those of all partitions, in their order.
    fn route_row(&self, route: &LiveRoute, books: &[Books], pushers: &[PusherRow]) -> RouteRow {
        let parts = &self.parts;
        let mut sum = Books::default();
        let (mut stretched_retries, mut drain_per_second) = (0, None);
        let (mut breaker, now) = (BreakerRow::default(), parts.clock.now());
        for partition in parts.routes.partitions_of(route) {
            let id = partition.id();
            // One that was opened a moment ago has no books yet.
            books.get(id.index()).into_iter().for_each(|books| sum.add(books));
            stretched_retries += parts.feedback.stretched_retries(id);
            breaker.add(&parts.intake.gate_of(id).view(now));
            if let Some(rate) = parts.intake.capacity(id) {
                drain_per_second = Some(drain_per_second.unwrap_or(0.0) + rate);
            }
        }
        let share = parts.intake.share(route.cell.id);
        let row = RouteRow::new(&route.cell, sum, pushers, breaker);
        let bounds = route.connections();
        let (connections_min, connections_max) = (bounds.min, bounds.max);
        RouteRow { stretched_retries, share, drain_per_second, connections_min, connections_max, ..row }
    }

    fn pusher_rows(&self, route: &LiveRoute, figures: &Figures, tree: &TreeNode) -> Vec<PusherRow> {
        let now = self.parts.clock.now();
        let named = |nodes: &'_ [TreeNode], name: &str| nodes.iter().position(|node| node.id == name);
        let routes = named(&tree.children, "routes").map_or(&[][..], |at| &tree.children[at].children);
        let children = named(routes, &route.cell.name).map_or(&[][..], |at| &routes[at].children);
        let restarts: HashMap<&str, u64> =
            children.iter().map(|child| (child.id.as_str(), child.restarts)).collect();
        let row = |cell: &Arc<PusherCell>| {
            let answers = figures.answers_per_second(route.cell.id, cell.number);
            let mut row = PusherRow::new(&route.cell.name, cell, 0, answers, now);
            row.restarts = restarts.get(row.id.as_str()).copied().unwrap_or(0);
            row
        };
        route.cell.pushers().iter().map(row).collect()
    }

    fn tree(&self) -> TreeNode {
        match self.root() {
            Some(root) => node(root.tree()),
            None => TreeNode {
                id: "root".to_owned(),
                kind: "supervisor".to_owned(),
                strategy: None,
                state: "starting".to_owned(),
                restarts: 0,
                last_exit: None,
                children: Vec::new(),
            },
        }
    }
}

fn node(node_of_library: pushweir_actors::TreeNode) -> TreeNode {
    let pushweir_actors::TreeNode { id, kind, strategy, state, restarts, last_exit, children, .. } =
        node_of_library;
    TreeNode {
        id,
        kind: kind.as_str().to_owned(),
        strategy: strategy.map(|strategy| strategy.as_str().to_owned()),
        state: state.as_str().to_owned(),
        restarts: u64::from(restarts),
        last_exit: last_exit.map(|exit| exit.to_string()),
        children: children.into_iter().map(node).collect(),
    }
}

const fn result_counts(counts: Counts) -> ResultCounts {
    let Counts { recorded, held, dropped, awaited, readers } = counts;
    ResultCounts { recorded, held, dropped, awaited, readers }
}

fn webhook_state(counts: webhook::Counts) -> WebhookState {
    let webhook::Counts { peer, sent, failures, lost, pending, last_error } = counts;
    WebhookState { peer, sent, failures, lost, pending, last_error }
}

fn rates(rates: &Rates) -> state::Rates {
    state::Rates {
        accepted_per_second: rates.accepted.per_second(),
        delivered_per_second: rates.delivered.per_second(),
        shed_per_second: rates.shed.per_second(),
        shed_behind_per_second: rates.shed_behind.per_second(),
    }
}
