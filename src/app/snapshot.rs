//! The operator's view: cells, books, rates and tree put together on demand, and the operator's commands.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::control;
use super::figures::{Figures, Rates};
use super::service::Service;
use crate::admin::Record;
use crate::admin::actions::Backend;
use crate::admin::state::{
    self, AnswerCount, CollectorState, PusherRow, ResultCounts, RouteRow, Snapshot, TreeNode, WebhookState,
};
use crate::feedback::results::Counts;
use crate::feedback::webhook;
use crate::flow::{Command, CommandError};
use crate::pusher::Wiring;

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
            task.await.map_err(broken)??;
            Ok(subject.show(&service))
        })
    }
}

/// The thing that a command changes, to show its new state.
enum Subject {
    Pusher(String, u32),
    Route(String),
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
        let books: Vec<_> = parts.wirings.iter().map(|wiring| parts.ledger.read(wiring.route.id)).collect();
        let ledger = parts.ledger.sum(&books);
        let mut routes = Vec::with_capacity(books.len());
        let mut pushers = Vec::new();
        for (index, (wiring, books)) in parts.wirings.iter().zip(&books).enumerate() {
            let rows = self.rows(wiring, index, &figures, &tree);
            let mut row = RouteRow::new(&wiring.route, *books, &rows, parts.clock.now());
            row.stretched_retries = parts.feedback.stretched_retries(wiring.route.id);
            row.share = parts.intake.share(wiring.route.id);
            row.drain_per_second = parts.intake.capacity(wiring.route.id);
            routes.push(row);
            pushers.extend(rows);
        }
        let (load, bound) = (parts.intake.load(), parts.intake.bound());
        let rates = rates(&figures.total);
        let out_per_second = figures.total.ended.per_second() + rates.shed_per_second;
        let collector = CollectorState {
            buffered: ledger.buffered,
            capacity: bound.pushes,
            buffered_bytes: load.bytes,
            capacity_bytes: bound.bytes,
            refused_deadline: parts.intake.refused_late(),
            oldest_age_seconds: parts.intake.oldest_age().as_secs_f64(),
            projected_drain_seconds: state::projected_drain(
                ledger.buffered,
                rates.accepted_per_second,
                out_per_second,
            ),
        };
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
            webhook: webhook_state(parts.hook.counts()),
            routes,
            pushers,
            tree,
        }
    }

    fn rows(&self, wiring: &Wiring, index: usize, figures: &Figures, tree: &TreeNode) -> Vec<PusherRow> {
        let now = self.parts.clock.now();
        let supervised = tree
            .children
            .iter()
            .find(|child| child.id == "routes")
            .and_then(|routes| routes.children.iter().find(|route| route.id == wiring.route.name));
        let row = |(number, cell): (usize, Arc<_>)| {
            let restarts =
                supervised.and_then(|route| route.children.get(number)).map_or(0, |child| child.restarts);
            let answers = figures.pushers.get(index).and_then(|rates| rates.get(number));
            PusherRow::new(
                &wiring.route.name,
                &cell,
                restarts,
                answers.map_or(0.0, |rate| rate.per_second()),
                now,
            )
        };
        wiring.route.pushers().into_iter().enumerate().map(row).collect()
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
    }
}
