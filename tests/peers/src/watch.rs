//! Watches a gateway from outside: a live line a second, and at the end its ledger beside the double's report.
//!
//! `pushweir-peers watch` is the command around it. It believes neither side: the books must balance in every snapshot it sees, and what
//! the gateway says was delivered must be what the double says it acknowledged.

mod fetch;
mod judge;
mod view;

use std::time::Duration;

use anyhow::Context;
pub use judge::{Verdict, judge};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
pub use view::{PeerView, View};

/// How often a line is printed.
const EVERY: Duration = Duration::from_secs(1);
/// How often the end waits for the last pushes.
const LOOK: Duration = Duration::from_millis(100);

/// Whom to watch and for how long.
#[derive(Debug, Clone)]
pub struct Plan {
    /// `host:port` of the gateway's admin interface.
    pub admin: String,
    /// `host:port` of the double's control face.
    pub control: Option<String>,
    /// How long to watch; until a signal if not given.
    pub length: Option<Duration>,
    /// How long the gateway then has to end everything it holds.
    pub settle: Duration,
}

/// Watches, prints, and returns what there is to complain about.
///
/// # Errors
/// The gateway or the double cannot be reached or answers something else.
pub async fn run(plan: &Plan, stop: impl Future<Output = ()>) -> anyhow::Result<Vec<String>> {
    let mut complaints = Vec::new();
    tokio::select! {
        result = live(plan, &mut complaints) => result?,
        () = stop => {}
    }
    let end = Instant::now() + plan.settle;
    let mut view = View::read(&fetch::json(&plan.admin, "/admin/api/state").await?)?;
    while view.held() > 0 && Instant::now() < end {
        sleep(LOOK).await;
        view = View::read(&fetch::json(&plan.admin, "/admin/api/state").await?)?;
    }
    let peer = match &plan.control {
        Some(control) => Some(PeerView::read(&fetch::json(control, "/report").await?)?),
        None => None,
    };
    let Verdict { table, complaints: last } = judge(&view, peer.as_ref());
    println!("\n{table}");
    complaints.extend(last);
    Ok(complaints)
}

async fn live(plan: &Plan, complaints: &mut Vec<String>) -> anyhow::Result<()> {
    let start = Instant::now();
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    println!("{}", View::heading());
    loop {
        ticks.tick().await;
        let snapshot = fetch::json(&plan.admin, "/admin/api/state").await.context("watch the gateway")?;
        let view = View::read(&snapshot)?;
        println!("{}", view.line(start.elapsed()));
        if !view.is_balanced() {
            complaints.push(format!("the books did not balance {:?} into the watch", start.elapsed()));
        }
        if plan.length.is_some_and(|length| start.elapsed() >= length) {
            return Ok(());
        }
    }
}
