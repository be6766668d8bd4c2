//! Where is my push: looks for one push wherever it can be, and tells its story.
//!
//! Nothing is written for it while pushes move, but the entry of each delivery: queue, pushers and results are searched on demand. A look-up
//! costs a look at every queued push, in steps between which others get at the queue, and a message to every pusher, so only one runs at a
//! time.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::Ingest;
use crate::feedback::results::{Done, Record};
use crate::flow::{Sighting, Wanted, Whereabouts, find_in_flight, find_queued};
use crate::push::{PushKey, SenderId};
use crate::units::{Clock, Moment};

/// A push can move on between two looks, and back: looked for again after this.
const SECOND_LOOK: Duration = Duration::from_millis(20);

/// Looks for a push by the sender's id or ours, among those of `sender` if one is given; `None` if it is not held and not remembered.
pub(super) async fn find(ingest: &Ingest, id: &str, sender: Option<SenderId>) -> Option<Value> {
    let _turn = ingest.look_ups.acquire().await;
    let wanted = Arc::new(Wanted::new(id, sender));
    match look(ingest, &wanted).await {
        None => {
            tokio::time::sleep(SECOND_LOOK).await;
            look(ingest, &wanted).await
        }
        found => found,
    }
}

/// Looks in the order in which a push moves, so that one that moves on meanwhile is met later.
async fn look(ingest: &Ingest, wanted: &Arc<Wanted>) -> Option<Value> {
    let held = match find_queued(&*ingest.door, wanted).await {
        None => find_in_flight(&ingest.cells(), wanted).await,
        found => found,
    };
    if let Some(held) = held {
        return Some(story_of_held(ingest, &held));
    }
    if let Some(done) = ingest.results.find_delivery(wanted) {
        return Some(story_of_delivered(ingest, &done));
    }
    ingest.results.find(wanted).map(|record| story_of_ended(&record))
}

fn story_of_held(ingest: &Ingest, held: &Sighting) -> Value {
    let wall = |moment| wall(&ingest.clock, moment);
    let route = ingest.results.route_name(held.route);
    let mut timeline = opening(held.key, wall(held.accepted_at));
    let (state, pusher) = match held.place {
        Whereabouts::Buffered => ("buffered", None),
        Whereabouts::WaitingRetry { due } => {
            timeline.push(step("retry_due", wall(due)));
            ("waiting_retry", None)
        }
        Whereabouts::InFlight { pusher, sent_at } => {
            timeline.push(step("sent", wall(sent_at)));
            ("in_flight", Some(format!("{route}/{pusher}")))
        }
    };
    json!({
        "id": id(held.key, held.name.as_deref()), "message_id": held.key.to_string(), "route": route, "state": state,
        "priority": held.lane, "attempts": held.attempts, "maybe_delivered": held.maybe_delivered, "pusher": pusher,
        "deadline_ms": wall(held.deadline), "timeline": timeline,
    })
}

fn story_of_delivered(ingest: &Ingest, done: &Done) -> Value {
    let wall = |moment| wall(&ingest.clock, moment);
    let route = ingest.results.route_name(done.route);
    let mut timeline = opening(done.key, wall(done.accepted_at));
    timeline.push(step("sent", wall(done.sent_at)));
    timeline.push(step("answered", wall(done.answered_at)));
    json!({
        "id": id(done.key, done.name.as_deref()), "message_id": done.key.to_string(), "route": route, "state": "delivered",
        "attempts": done.attempts, "maybe_delivered": done.maybe_delivered, "pusher": format!("{route}/{}", done.pusher),
        "timeline": timeline,
    })
}

fn story_of_ended(record: &Record) -> Value {
    let mut timeline = opening(record.key, record.accepted_at);
    timeline.push(step(record.outcome.as_str(), record.ended_at));
    json!({
        "id": id(record.key, record.name.as_deref()), "message_id": record.key.to_string(), "route": record.route,
        "state": record.outcome, "attempts": record.attempts, "maybe_delivered": record.maybe_delivered,
        "timeline": timeline, "result": record,
    })
}

fn opening(key: PushKey, accepted: u64) -> Vec<Value> {
    vec![step("received", key.unix_millis()), step("accepted", accepted)]
}

fn step(name: &str, at: u64) -> Value {
    json!({ "step": name, "at_ms": at })
}

fn id(key: PushKey, name: Option<&str>) -> String {
    name.map_or_else(|| key.to_string(), str::to_owned)
}

fn wall(clock: &Clock, moment: Moment) -> u64 {
    u64::try_from(clock.unix_millis(moment)).unwrap_or(u64::MAX)
}
