//! Runs a plan of load from its first scheduled push to the last response.
//!
//! One task paces, one samples each second, and a worker per connection sends. The pacer wakes at the timer's resolution
//! of a millisecond; what that costs is in the report as the generator's lag.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};

use crate::load::body::{Shape, Writer};
use crate::load::profile::{Profile, Schedule};
use crate::load::score::{Percentiles, Report, Sample, Score};
use crate::load::source::{Job, JobQueue, Source};
use crate::load::worker::Worker;

/// How many overdue requests the pacer queues before it lets workers run.
const PACER_BUDGET: u32 = 64;

/// Everything a run needs to know.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Host and port of the gateway.
    pub target: String,
    /// The path to post to.
    pub path: String,
    /// The bearer token, if one is needed.
    pub bearer: Option<String>,
    /// The shape of the load.
    pub profile: Profile,
    /// Pushes per second at the peak.
    pub rate: f64,
    /// How long to offer load.
    pub length: Duration,
    /// The most pushes to offer.
    pub count: Option<u64>,
    /// The pushes.
    pub shape: Shape,
    /// Connections.
    pub connections: u32,
    /// Requests that may wait for a connection before further ones are skipped.
    pub backlog: usize,
    /// How long a response may take, and how long to wait for the last ones.
    pub patience: Duration,
    /// Requests at once on a connection, as fast as possible, instead of the schedule.
    pub flat_out: Option<usize>,
}

/// Runs the plan; `each_second` is given a sample per second.
pub async fn run(plan: &Plan, each_second: impl Fn(&Sample) + Send + 'static) -> Report {
    let score = Arc::new(Mutex::new(Score::default()));
    let start = Instant::now();
    let source = Arc::new(source(plan, start));
    let mut workers = JoinSet::new();
    for _ in 0..plan.connections {
        workers.spawn(worker(plan, &source, &score).run());
    }
    let sampled = Arc::clone(&score);
    let sampler = tokio::spawn(async move {
        let mut seconds = interval_at(start + Duration::from_secs(1), Duration::from_secs(1));
        seconds.set_missed_tick_behavior(MissedTickBehavior::Burst);
        loop {
            seconds.tick().await;
            let sample = sampled.lock().sample();
            each_second(&sample);
        }
    });
    if let Source::Queue(queue) = &*source {
        pace(plan, queue, &score, start).await;
        queue.close();
    }
    finish(plan, &mut workers, &source, &score).await;
    sampler.abort();
    report(plan, &mut score.lock(), start.elapsed())
}

fn source(plan: &Plan, start: Instant) -> Source {
    if plan.flat_out.is_none() {
        return Source::Queue(JobQueue::new(plan.backlog));
    }
    Source::Counter {
        next: AtomicU64::new(0),
        batch: plan.shape.batch,
        most: plan.count.unwrap_or(u64::MAX),
        until: start + plan.length,
    }
}

fn worker(plan: &Plan, source: &Arc<Source>, score: &Arc<Mutex<Score>>) -> Worker {
    Worker {
        target: plan.target.clone(),
        writer: Writer::new(plan.shape.clone(), &plan.target, &plan.path, plan.bearer.as_deref()),
        source: Arc::clone(source),
        score: Arc::clone(score),
        pipeline: plan.flat_out.unwrap_or(1),
        patience: plan.patience,
    }
}

/// Queues every request at its time.
async fn pace(plan: &Plan, queue: &JobQueue, score: &Mutex<Score>, start: Instant) {
    let batch = plan.shape.batch;
    let most = plan.count.map_or(u64::MAX, |count| count.div_ceil(u64::from(batch)));
    let mut first = 0;
    let mut budget = PACER_BUDGET;
    for offset in Schedule::new(plan.profile.stretches(plan.rate, plan.length), batch, most) {
        let due = start + offset;
        if due > Instant::now() {
            sleep_until(due).await;
            budget = PACER_BUDGET;
        } else if budget == 0 {
            tokio::task::yield_now().await;
            budget = PACER_BUDGET;
        }
        budget -= 1;
        let left = plan.count.map_or(u64::MAX, |count| count - first);
        let pushes = u32::try_from(left).map_or(batch, |left| left.min(batch));
        let queued = queue.push(Job { first, pushes, due });
        let mut score = score.lock();
        score.counts.offered += u64::from(pushes);
        score.counts.skipped += if queued { 0 } else { u64::from(pushes) };
        first += u64::from(pushes);
    }
}

/// Waits for the last responses, and counts what never came.
async fn finish(plan: &Plan, workers: &mut JoinSet<()>, source: &Source, score: &Mutex<Score>) {
    let grace = if plan.flat_out.is_some() { plan.length + plan.patience } else { plan.patience };
    if timeout(grace, async { while workers.join_next().await.is_some() {} }).await.is_err() {
        workers.shutdown().await;
    }
    let mut score = score.lock();
    if let Source::Queue(queue) = source {
        score.counts.skipped += queue.drain();
    }
    let counts = &mut score.counts;
    if plan.flat_out.is_some() {
        counts.offered = counts.sent + counts.skipped;
    }
    let answered = counts.accepted + counts.shed + counts.refused;
    counts.unanswered = counts.unanswered.max(counts.sent.saturating_sub(answered));
}

fn report(plan: &Plan, score: &mut Score, elapsed: Duration) -> Report {
    score.sample();
    let seconds = elapsed.as_secs_f64().max(1e-9);
    let counts = score.counts.clone();
    let fates = [counts.skipped, counts.accepted, counts.shed, counts.refused, counts.unanswered];
    Report {
        mode: if plan.flat_out.is_some() { "max" } else { "open" },
        profile: format!("{:?}", plan.profile).to_lowercase(),
        rate: plan.rate,
        batch: plan.shape.batch,
        connections: plan.connections,
        elapsed_seconds: seconds,
        offered_per_second: counts.offered as f64 / seconds,
        accepted_per_second: counts.accepted as f64 / seconds,
        unaccounted: i128::from(counts.offered) - fates.into_iter().map(i128::from).sum::<i128>(),
        counts,
        latency_ms: Percentiles::of(&score.latency),
        service_ms: Percentiles::of(&score.service),
        lag_ms: Percentiles::of(&score.lag),
        series: std::mem::take(&mut score.series),
    }
}

#[cfg(test)]
mod tests;
