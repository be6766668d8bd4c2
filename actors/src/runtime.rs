//! The program's own runtime: named worker threads, one single-threaded actix arbiter each, placed by plan.
//!
//! `Arbiter::new` names its threads by number and lets nobody wait for their end, so each worker is a thread of ours
//! that runs an actix `System` of its own; the system's arbiter is the worker's. Two consequences: the name is seen in
//! `top -H` (its first 15 bytes) and in panic messages, and `System::current().stop()` called on a worker ends that
//! worker only, which is noticed ([`Runtime::worker_ended`]). A panic inside an actor or task does not end a worker.
//!
//! ```
//! use std::time::Duration;
//!
//! use pushweir_actors::{Runtime, WorkerExit, WorkerSpec, runtime::spread};
//!
//! # fn main() {
//! # actix::System::new().block_on(async {
//! let names = ["delivery-0", "delivery-1"];
//! let runtime = Runtime::start(names.map(WorkerSpec::new).to_vec()).expect("two threads can be made");
//! for worker in spread(4, names.len()) {
//!     let arbiter = runtime.worker(names[worker]).expect("it was started");
//!     arbiter.spawn_fn(|| println!("on {:?}", std::thread::current().name()));
//! }
//! let exits = runtime.stop(Duration::from_secs(5)).await;
//! assert_eq!(exits[0], ("delivery-1".to_owned(), WorkerExit::Stopped));
//! # });
//! # }
//! ```

use std::{io, sync::mpsc, thread, time::Duration};

use actix::{ArbiterHandle, System};
use futures_util::future::select_all;
use log::{error, info};
use thiserror::Error;
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

pub use self::placement::spread;

mod placement;

#[cfg(test)]
mod tests;

/// One worker to start.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WorkerSpec {
    /// The name of the thread, unique among the workers.
    pub name: String,
}

/// How a worker ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WorkerExit {
    /// Its system was stopped.
    Stopped,
    /// Its thread panicked, outside of any actor or task.
    Panicked,
    /// It did not end within its deadline; the thread was left to itself.
    Stuck,
}

/// Why the workers were not started.
#[derive(Debug, Error)]
pub enum RuntimeError {
    /// Two workers have the same name.
    #[error("worker {0:?} is there twice (hint: name each worker differently)")]
    Duplicate(String),
    /// The thread or its event loop could not be made.
    #[error("worker {name:?} did not start (hint: check the limits on threads and open files)")]
    Start {
        /// The worker.
        name: String,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
}

/// The running workers, in start order. Dropping it tells them all to stop, and waits for none.
#[derive(Debug)]
pub struct Runtime {
    workers: Vec<Worker>,
}

#[derive(Debug)]
struct Worker {
    name: String,
    system: System,
    arbiter: ArbiterHandle,
    ended: watch::Receiver<Option<WorkerExit>>,
}

/// Reports the end of a worker's thread, whichever way it goes.
struct EndGuard(watch::Sender<Option<WorkerExit>>);

// === impl WorkerSpec ===

impl WorkerSpec {
    /// Names a worker.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }
}

// === impl Runtime ===

impl Runtime {
    /// Starts the workers one after the other; if one fails, those before it are told to stop.
    ///
    /// # Errors
    /// A name is there twice, or a thread could not be made.
    pub fn start(plan: Vec<WorkerSpec>) -> Result<Self, RuntimeError> {
        let mut runtime = Self { workers: Vec::with_capacity(plan.len()) };
        for WorkerSpec { name } in plan {
            if runtime.worker(&name).is_some() {
                return Err(RuntimeError::Duplicate(name));
            }
            let worker =
                Worker::start(name.clone()).map_err(|source| RuntimeError::Start { name, source })?;
            info!("worker started name={}", worker.name);
            runtime.workers.push(worker);
        }
        Ok(runtime)
    }

    /// The arbiter of a worker, to start actors on.
    pub fn worker(&self, name: &str) -> Option<ArbiterHandle> {
        self.workers.iter().find(|worker| worker.name == name).map(|worker| worker.arbiter.clone())
    }

    /// The names of the workers, in start order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.workers.iter().map(|worker| worker.name.as_str())
    }

    /// Waits until any worker has ended; while the runtime is not being stopped, that is an accident.
    ///
    /// Never returns if there are no workers.
    pub async fn worker_ended(&self) -> (&str, WorkerExit) {
        if self.workers.is_empty() {
            return std::future::pending().await;
        }
        let ends = self.workers.iter().map(|worker| Box::pin(worker.ended()));
        let (exit, index, _) = select_all(ends).await;
        (&self.workers[index].name, exit)
    }

    /// Stops the workers in reverse order, each after the one before it has ended, all within one deadline.
    ///
    /// Stop what runs on them first: an actor that is still there is dropped. A worker that does not end in time is
    /// left alone, and those after it are told to stop without being waited for any longer than the deadline.
    pub async fn stop(self, deadline: Duration) -> Vec<(String, WorkerExit)> {
        let until = Instant::now().checked_add(deadline);
        let mut exits = Vec::with_capacity(self.workers.len());
        for worker in self.workers.iter().rev() {
            worker.system.stop();
            let exit = match until {
                Some(until) => timeout_at(until, worker.ended()).await.unwrap_or(WorkerExit::Stuck),
                None => worker.ended().await,
            };
            match exit {
                WorkerExit::Stopped => info!("worker stopped name={}", worker.name),
                exit => error!("worker did not stop in order name={} exit={exit:?}", worker.name),
            }
            exits.push((worker.name.clone(), exit));
        }
        exits
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        for worker in self.workers.iter().rev() {
            worker.system.stop();
        }
    }
}

// === impl Worker ===

impl Worker {
    fn start(name: String) -> io::Result<Self> {
        let (ready, started) = mpsc::sync_channel(1);
        let ended = spawn(name.clone(), move || {
            let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
            match built {
                Ok(tokio) => {
                    let runner = System::with_tokio_rt(move || tokio);
                    let system = System::current();
                    // Nobody waits any more only if the thread that starts the runtime is gone.
                    let _ = ready.send(Ok(system));
                    if let Err(error) = runner.run() {
                        error!("worker's system ended badly error={error}");
                    }
                }
                Err(error) => {
                    let _ = ready.send(Err(error));
                }
            }
        })?;
        let system = started.recv().map_err(|_| io::Error::other("the thread panicked at its start"))??;
        let arbiter = system.arbiter().clone();
        Ok(Self { name, system, arbiter, ended })
    }

    async fn ended(&self) -> WorkerExit {
        let mut ended = self.ended.clone();
        // The guard sends before it drops the sender, so a closed channel has a value too.
        let exit = ended.wait_for(Option::is_some).await.map(|exit| *exit);
        exit.ok().flatten().unwrap_or(WorkerExit::Stopped)
    }
}

fn spawn(
    name: String,
    body: impl FnOnce() + Send + 'static,
) -> io::Result<watch::Receiver<Option<WorkerExit>>> {
    let (sender, ended) = watch::channel(None);
    thread::Builder::new().name(name).spawn(move || {
        let _guard = EndGuard(sender);
        body();
    })?;
    Ok(ended)
}

impl Drop for EndGuard {
    fn drop(&mut self) {
        let exit = if thread::panicking() { WorkerExit::Panicked } else { WorkerExit::Stopped };
        self.0.send_replace(Some(exit));
    }
}
