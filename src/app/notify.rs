//! What the service manager is told, by systemd's protocol (sd_notify(3)): started, stopping, alive.
//!
//! Without `NOTIFY_SOCKET` in the environment nothing is told. `app` calls it; a message that cannot be sent is only logged, because the
//! service does not depend on its manager.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use actix::prelude::*;
use futures_util::future::join_all;
use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// What the manager may wait longer than the drain's deadline before it kills.
const AFTER_DRAIN: Duration = Duration::from_secs(15);

/// The way to the manager.
#[derive(Debug, Default)]
pub struct Manager {
    socket: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

// === impl Manager ===

impl Manager {
    /// Returns the manager that the environment names, if any.
    pub fn from_environment() -> Self {
        let variable = |name: &str| std::env::var_os(name);
        let number = |name: &str| variable(name)?.to_str()?.parse::<u64>().ok();
        // sd_watchdog_enabled(3): the variables may be another process's.
        let is_ours = number("WATCHDOG_PID").is_none_or(|id| id == u64::from(std::process::id()));
        let watchdog =
            number("WATCHDOG_USEC").filter(|micros| is_ours && *micros > 0).map(Duration::from_micros);
        Self::new(variable("NOTIFY_SOCKET"), watchdog)
    }

    fn new(address: Option<OsString>, watchdog: Option<Duration>) -> Self {
        let Some(address) = address.filter(|address| !address.is_empty()) else { return Self::default() };
        match open(&address) {
            Ok(socket) => Self { socket: Some(socket), watchdog },
            Err(error) => {
                log::warn!(
                    "the service manager cannot be told anything socket={} error={error}",
                    address.display()
                );
                Self::default()
            }
        }
    }

    /// Tells that the service runs.
    pub fn ready(&self, status: &str) {
        self.say(&format!("READY=1\nSTATUS={status}"));
    }

    /// Tells that it stops, and how long that may take.
    pub fn stopping(&self, deadline: Duration, status: &str) {
        let longest = (deadline + AFTER_DRAIN).as_micros();
        self.say(&format!("STOPPING=1\nSTATUS={status}\nEXTEND_TIMEOUT_USEC={longest}"));
    }

    /// Tells again and again that the service is alive, as long as each of `threads` takes its turn: one that hangs gets the service
    /// restarted. Returns at once if nobody wants to know.
    pub async fn keep_alive(&self, threads: Vec<ArbiterHandle>) {
        let Some(period) = self.watchdog.filter(|_| self.socket.is_some()).map(|limit| limit / 2) else {
            return;
        };
        let mut ticks = interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if take_their_turns(&threads, period).await {
                self.say("WATCHDOG=1");
            } else {
                log::error!(
                    "a thread does not take its turn within={period:?} (hint: the manager will restart us)"
                );
            }
        }
    }

    fn say(&self, text: &str) {
        let Some((socket, address)) = &self.socket else { return };
        if let Err(error) = socket.send_to_addr(text.as_bytes(), address) {
            log::debug!("the service manager was not told text={text:?} error={error}");
        }
    }
}

async fn take_their_turns(threads: &[ArbiterHandle], within: Duration) -> bool {
    let answers = threads.iter().map(|thread| {
        let (answer, answered) = oneshot::channel();
        thread.spawn(async move {
            // Whoever asked may not wait any more.
            let _ = answer.send(());
        });
        answered
    });
    timeout(within, join_all(answers)).await.is_ok_and(|answers| answers.iter().all(Result::is_ok))
}

/// An address that begins with `@` is in Linux's abstract namespace (unix(7)).
fn open(address: &OsStr) -> io::Result<(UnixDatagram, SocketAddr)> {
    let address = match address.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(address)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    Ok((socket, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        let mut bytes = [0; 512];
        let length = socket.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    }

    #[test]
    fn the_manager_hears_of_start_and_stop_by_path_and_by_name() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("notify");
        let name = format!("pushweir-test-{}", std::process::id());
        let abstract_address = SocketAddr::from_abstract_name(&name).unwrap();
        let sockets = [
            (path.clone().into_os_string(), UnixDatagram::bind(&path).unwrap()),
            (format!("@{name}").into(), UnixDatagram::bind_addr(&abstract_address).unwrap()),
        ];
        for (address, socket) in sockets {
            let manager = Manager::new(Some(address), None);
            manager.ready("listening");
            assert_eq!(heard(&socket), "READY=1\nSTATUS=listening");
            manager.stopping(Duration::from_secs(30), "draining");
            assert_eq!(heard(&socket), "STOPPING=1\nSTATUS=draining\nEXTEND_TIMEOUT_USEC=45000000");
        }
    }

    #[test]
    fn without_a_manager_nothing_happens() {
        for address in
            [None, Some(OsString::new()), Some("/does/not/exist".into()), Some("relative\0".into())]
        {
            Manager::new(address, None).ready("listening");
        }
    }

    #[test]
    fn a_thread_that_hangs_is_not_called_alive() {
        actix::System::new().block_on(async {
            let (busy, free) = (Arbiter::new(), Arbiter::new());
            let threads = [busy.handle(), free.handle()];
            assert!(take_their_turns(&threads, Duration::from_secs(10)).await);
            let (release, held) = std::sync::mpsc::channel::<()>();
            busy.spawn_fn(move || {
                let _ = held.recv();
            });
            assert!(!take_their_turns(&threads, Duration::from_millis(20)).await);
            drop(release);
            assert!(take_their_turns(&threads, Duration::from_secs(10)).await);
            busy.stop();
            assert!(
                busy.join().is_ok() && !take_their_turns(&threads, Duration::from_secs(10)).await,
                "it has ended"
            );
        });
    }
}
