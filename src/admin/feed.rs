//! The stream of snapshots: Server-Sent Events, one a second, computed once for all viewers.
//!
//! All viewers tick together on the feed's seconds, and whoever ticks first computes. A viewer that does not read is not written to, and
//! sees the latest state when it reads again.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, stream};
use parking_lot::Mutex;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::actions::Backend;
use super::view::View;

const PERIOD: Duration = Duration::from_secs(1);
/// How many may watch at once.
pub(super) const MAX_VIEWERS: usize = 32;

/// What all viewers share.
pub(super) struct Feed {
    backend: Arc<dyn Backend>,
    epoch: Instant,
    latest: Mutex<Option<(u128, Bytes)>>,
    viewers: AtomicUsize,
}

/// A place among the viewers, free again when dropped.
struct Viewer {
    feed: Arc<Feed>,
    ticks: Interval,
}

// === impl Feed ===

impl Feed {
    pub(super) fn new(backend: Arc<dyn Backend>) -> Self {
        Self { backend, epoch: Instant::now(), latest: Mutex::new(None), viewers: AtomicUsize::new(0) }
    }

    /// Returns a stream of events, the first at once; `None` when there are too many viewers.
    pub(super) fn watch(self: &Arc<Self>) -> Option<impl Stream<Item = Result<Bytes, Infallible>> + use<>> {
        let join = |viewers| (viewers < MAX_VIEWERS).then_some(viewers + 1);
        self.viewers.fetch_update(Ordering::Relaxed, Ordering::Relaxed, join).ok()?;
        let next = u32::try_from(self.second() + 1).unwrap_or(u32::MAX);
        let mut ticks = interval_at(self.epoch + PERIOD * next, PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let viewer = Viewer { feed: Arc::clone(self), ticks };
        Some(stream::unfold((viewer, true), |(mut viewer, first)| async move {
            if !first {
                viewer.ticks.tick().await;
            }
            let event = viewer.feed.event();
            Some((Ok(event), (viewer, false)))
        }))
    }

    fn second(&self) -> u128 {
        self.epoch.elapsed().as_millis() / PERIOD.as_millis()
    }

    fn event(&self) -> Bytes {
        let second = self.second();
        let mut latest = self.latest.lock();
        if let Some((computed, event)) = &*latest
            && *computed == second
        {
            return event.clone();
        }
        let event = Bytes::from(event(&*self.backend));
        *latest = Some((second, event.clone()));
        event
    }
}

fn event(backend: &dyn Backend) -> Vec<u8> {
    let mut event = b"event: state\ndata: ".to_vec();
    // A snapshot has text keys only, and writing to a Vec cannot fail.
    let _ = serde_json::to_writer(&mut event, &View::of(backend));
    event.extend_from_slice(b"\n\n");
    event
}

// === impl Viewer ===

impl Drop for Viewer {
    fn drop(&mut self) {
        self.feed.viewers.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;
    use futures_util::future::BoxFuture;

    use super::super::record::Record;
    use super::super::state::{Snapshot, tests::fresh};
    use super::*;
    use crate::flow::{Command, CommandError};

    #[derive(Default)]
    struct Counting(AtomicUsize, Record);

    // === impl Counting ===

    impl Backend for Counting {
        fn snapshot(&self) -> Snapshot {
            self.0.fetch_add(1, Ordering::Relaxed);
            fresh(1)
        }

        fn record(&self) -> &Record {
            &self.1
        }

        fn configuration(&self) -> String {
            String::new()
        }

        fn command(&self, _: Command) -> BoxFuture<'static, Result<serde_json::Value, CommandError>> {
            unreachable!("a feed sends no commands")
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_is_computed_once_for_all_viewers() {
        let backend = Arc::new(Counting::default());
        let feed = Arc::new(Feed::new(Arc::clone(&backend) as Arc<dyn Backend>));
        let mut first = Box::pin(feed.watch().unwrap());
        assert!(first.next().await.unwrap().unwrap().starts_with(b"event: state\ndata: {\"state\":\"ok\""));
        tokio::time::advance(Duration::from_millis(300)).await;
        let mut second = Box::pin(feed.watch().unwrap());
        second.next().await;
        assert_eq!(backend.0.load(Ordering::Relaxed), 1);
        let start = Instant::now();
        let both = futures_util::future::join(first.next(), second.next());
        both.await;
        assert_eq!(start.elapsed().as_millis(), 700);
        assert_eq!(backend.0.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_viewer_that_did_not_read_sees_only_the_latest() {
        let backend = Arc::new(Counting::default());
        let feed = Arc::new(Feed::new(Arc::clone(&backend) as Arc<dyn Backend>));
        let mut viewer = Box::pin(feed.watch().unwrap());
        viewer.next().await;
        tokio::time::advance(Duration::from_secs(60)).await;
        viewer.next().await;
        assert_eq!(backend.0.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn viewers_are_bounded_and_leave_their_places() {
        let feed = Arc::new(Feed::new(Arc::new(Counting::default())));
        let viewers: Vec<_> = (0..MAX_VIEWERS).map(|_| feed.watch().unwrap()).collect();
        assert!(feed.watch().is_none());
        drop(viewers);
        assert!(feed.watch().is_some());
    }
}
