//! Where workers get their requests from: a queue that the pacer fills on schedule, or a counter when it goes flat out.
//!
//! The queue is bounded; a request that finds it full is skipped and counted, never postponed silently.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

/// A request to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Job {
    /// The number of its first push.
    pub first: u64,
    /// How many pushes it has.
    pub pushes: u32,
    /// When it was due.
    pub due: Instant,
}

/// Hands out jobs; see the module's documentation.
#[derive(Debug)]
pub enum Source {
    /// Open loop.
    Queue(JobQueue),
    /// As fast as the workers can.
    Counter {
        /// The next push's number.
        next: AtomicU64,
        /// Pushes per request.
        batch: u32,
        /// How many pushes there are.
        most: u64,
        /// When to stop.
        until: Instant,
    },
}

/// The bounded queue between the pacer and the workers.
#[derive(Debug, Default)]
pub struct JobQueue {
    jobs: Mutex<VecDeque<Job>>,
    bell: Notify,
    closed: AtomicBool,
    limit: usize,
}

impl JobQueue {
    /// Returns an empty queue for at most `limit` waiting jobs.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Adds a job; returns whether there was room.
    pub fn push(&self, job: Job) -> bool {
        let mut jobs = self.jobs.lock();
        if jobs.len() >= self.limit {
            return false;
        }
        jobs.push_back(job);
        drop(jobs);
        self.bell.notify_one();
        true
    }

    /// Ends the queue: workers stop once it is empty.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.bell.notify_waiters();
    }

    /// Returns the pushes nobody took.
    pub fn drain(&self) -> u64 {
        self.jobs.lock().drain(..).map(|job| u64::from(job.pushes)).sum()
    }

    async fn next(&self) -> Option<Job> {
        loop {
            let bell = self.bell.notified();
            tokio::pin!(bell);
            bell.as_mut().enable();
            if let Some(job) = self.jobs.lock().pop_front() {
                return Some(job);
            }
            if self.closed.load(Ordering::Acquire) {
                return None;
            }
            bell.await;
        }
    }
}

impl Source {
    /// Returns the next job, waiting for it if need be; nothing when the run is over.
    ///
    /// # Cancel safety
    /// A dropped call takes no job.
    pub async fn next(&self) -> Option<Job> {
        match self {
            Self::Queue(queue) => queue.next().await,
            Self::Counter { next, batch, most, until } => {
                let now = Instant::now();
                if now >= *until {
                    return None;
                }
                let first = next.fetch_add(u64::from(*batch), Ordering::Relaxed);
                let left = most.checked_sub(first).filter(|left| *left > 0)?;
                let pushes = u32::try_from(left).map_or(*batch, |left| left.min(*batch));
                Some(Job { first, pushes, due: now })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn job(first: u64) -> Job {
        Job { first, pushes: 2, due: Instant::now() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_refuses_and_a_closed_one_still_gives_what_it_has() {
        let queue = JobQueue::new(2);
        assert!(queue.push(job(0)) && queue.push(job(2)) && !queue.push(job(4)));
        queue.close();
        assert_eq!(queue.next().await.map(|job| job.first), Some(0));
        assert_eq!(queue.drain(), 2);
        assert_eq!(queue.next().await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_workers_wake_for_jobs_and_for_the_end() {
        let queue = std::sync::Arc::new(JobQueue::new(10));
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                tokio::spawn({
                    let queue = std::sync::Arc::clone(&queue);
                    async move { queue.next().await.is_some() }
                })
            })
            .collect();
        tokio::task::yield_now().await;
        queue.push(job(0));
        queue.push(job(2));
        tokio::task::yield_now().await;
        queue.close();
        let mut woken = 0;
        for worker in waiting {
            woken += u32::from(worker.await.unwrap());
        }
        assert_eq!(woken, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn the_counter_stops_at_its_last_push_and_at_its_time() {
        let until = Instant::now() + Duration::from_secs(1);
        let counter = |most| Source::Counter { next: AtomicU64::new(0), batch: 4, most, until };
        let short = counter(6);
        assert_eq!(short.next().await.map(|job| (job.first, job.pushes)), Some((0, 4)));
        assert_eq!(short.next().await.map(|job| (job.first, job.pushes)), Some((4, 2)));
        assert_eq!(short.next().await, None);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(counter(100).next().await, None);
    }
}
