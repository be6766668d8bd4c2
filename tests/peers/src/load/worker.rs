//! One keep-alive connection of the generator.
//!
//! The runner starts one per `--connections`. A worker writes a request, or several when it goes flat out, reads the
//! responses, and scores them. A broken connection costs what was on it and is opened again for the next request.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use log::debug;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};

use crate::load::body::Writer;
use crate::load::response::{Verdict, take};
use crate::load::score::{Score, Times};
use crate::load::source::{Job, Source};

/// How long a worker waits after a failed connect.
const RECONNECT: Duration = Duration::from_millis(100);

/// A worker's belongings.
#[derive(Debug)]
pub struct Worker {
    /// Where to connect, as host and port.
    pub target: String,
    /// Makes the requests.
    pub writer: Writer,
    /// Where jobs come from.
    pub source: Arc<Source>,
    /// Where results go.
    pub score: Arc<Mutex<Score>>,
    /// Requests on the connection at once.
    pub pipeline: usize,
    /// How long a response may take.
    pub patience: Duration,
}

/// An open connection and what is on it.
#[derive(Debug)]
struct Link {
    stream: TcpStream,
    input: Vec<u8>,
    out: Vec<u8>,
    pending: VecDeque<(Job, Instant)>,
}

impl Worker {
    /// Sends until the source ends and every response is in.
    pub async fn run(mut self) {
        let mut link = None;
        while let Some(job) = self.source.next().await {
            let mut open = match link.take() {
                Some(open) => open,
                None => match self.connect().await {
                    Ok(open) => open,
                    Err(error) => {
                        debug!("connect failed target={} error={error}", self.target);
                        self.score.lock().unsendable(u64::from(job.pushes));
                        sleep_until(Instant::now() + RECONNECT).await;
                        continue;
                    }
                },
            };
            match self.exchange(&mut open, job).await {
                Ok(true) => link = Some(open),
                Ok(false) => {}
                Err(error) => {
                    debug!("connection broke target={} error={error}", self.target);
                    let kind = if error.kind() == io::ErrorKind::TimedOut { "timeout" } else { "broken" };
                    self.lose(kind, &open);
                }
            }
        }
    }

    async fn connect(&self) -> io::Result<Link> {
        let stream = self.within(TcpStream::connect(&self.target)).await?;
        stream.set_nodelay(true)?;
        Ok(Link {
            stream,
            input: Vec::with_capacity(16 * 1024),
            out: Vec::with_capacity(64 * 1024),
            pending: VecDeque::new(),
        })
    }

    async fn within<T>(&self, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        timeout(self.patience, work).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    fn lose(&self, kind: &'static str, link: &Link) {
        let pushes = link.pending.iter().map(|(job, _)| u64::from(job.pushes)).sum();
        self.score.lock().failed(kind, pushes);
    }

    /// Sends a job, and more when pipelining, until nothing is pending; returns whether the connection may be used again.
    async fn exchange(&mut self, link: &mut Link, first: Job) -> io::Result<bool> {
        let mut next = Some(first);
        loop {
            while let Some(job) = next.take() {
                self.writer.request_into(&mut link.out, job.first, job.pushes);
                let now = Instant::now();
                self.score.lock().sent(u64::from(job.pushes), now - job.due);
                link.pending.push_back((job, now));
                if link.pending.len() < self.pipeline {
                    next = self.source.next().await;
                }
            }
            if !link.out.is_empty() {
                self.within(link.stream.write_all(&link.out)).await?;
                link.out.clear();
            }
            if link.pending.is_empty() {
                return Ok(true);
            }
            if self.within(link.stream.read_buf(&mut link.input)).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if self.score_responses(link)? {
                self.lose_rest(link);
                return Ok(false);
            }
            if self.pipeline > 1 && link.pending.len() < self.pipeline {
                next = self.source.next().await;
            }
        }
    }

    /// Scores every whole response; returns whether the server closes the connection.
    fn score_responses(&self, link: &mut Link) -> io::Result<bool> {
        while let Some(response) = take(&mut link.input).map_err(io::Error::other)? {
            let Some((job, sent)) = link.pending.pop_front() else {
                return Err(io::Error::other("a response without a request"));
            };
            let now = Instant::now();
            let verdict = Verdict::of(&response, u64::from(job.pushes));
            let times = Times { latency: now - job.due, service: now - sent };
            self.score.lock().answered(response.status, verdict, times);
            if response.last {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn lose_rest(&self, link: &Link) {
        if !link.pending.is_empty() {
            self.lose("broken", link);
        }
    }
}
