//! Serves one connection: accepts streams within the limit, answers each in a task of its own, follows commands and knobs.
//!
//! The listener runs one per socket. Invariant: a stream's place is free before its answer can be read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use h2::server::{Connection, SendResponse};
use h2::{Reason, RecvStream};
use http::Request;
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};

use super::allowance::Allowance;
use super::call::Call;
use super::frames::Frames;
use super::hub::{Command, Hub, Line};
use super::knobs::{DrainMode, Knobs};
use super::provider::Provider;
use crate::double::ledger::{Breach, MessageKey, Tally};
use crate::double::listener::Secured;

/// Refused streams whose late bodies are passed over in silence.
const REFUSED_REMEMBERED: usize = 10_000;
/// How long a client may take to begin.
const BEGIN: Duration = Duration::from_secs(10);

type Server = Connection<Frames<Secured>, Bytes>;

/// Streams that are open, by number.
type Open = Arc<Mutex<BTreeMap<u32, Option<AbortHandle>>>>;

/// One connection at work.
struct Serving<P: Provider> {
    hub: Arc<Hub<P>>,
    connection: u64,
    knobs: Arc<P::Knobs>,
    allowance: Allowance,
    open: Open,
    calls: JoinSet<()>,
    /// Pushes so far.
    carried: u64,
    /// The last stream that is processed, once the end was announced by a cut.
    last: Option<u32>,
    close_at: Option<Instant>,
    is_stalled: bool,
    with_reset: bool,
}

/// Serves a secured connection until it ends; `socket` is the same socket again, for ending it rudely.
pub async fn run<P: Provider>(stream: Secured, socket: TcpStream, hub: Arc<Hub<P>>, mut line: Line<P>) {
    let knobs = line.knobs.borrow_and_update().clone();
    let allowance = Allowance::new((*knobs).as_ref());
    let frames = Frames::new(stream, allowance.wire().clone());
    // A double refuses by the thousand, which the library takes for a fault of its own unless it is told otherwise.
    let handshake = h2::server::Builder::new()
        .max_local_error_reset_streams(None)
        .max_concurrent_reset_streams(REFUSED_REMEMBERED)
        .handshake(frames);
    let Ok(Ok(mut server)) = timeout(BEGIN, handshake).await else { return };
    let mut serving = Serving {
        connection: line.connection,
        hub,
        knobs,
        allowance,
        open: Open::default(),
        calls: JoinSet::new(),
        carried: 0,
        last: None,
        close_at: None,
        is_stalled: false,
        with_reset: false,
    };
    serving.serve(&mut server, &mut line).await;
    serving.calls.abort_all();
    if serving.with_reset
        && let Err(error) = socket.set_zero_linger()
    {
        log::debug!("no reset possible error={error}");
    }
}

impl<P: Provider> Serving<P> {
    async fn serve(&mut self, server: &mut Server, line: &mut Line<P>) {
        loop {
            let close_at = self.close_at;
            tokio::select! {
                biased;
                () = async { sleep_until(close_at.unwrap_or_else(Instant::now)).await }, if close_at.is_some() => return,
                command = line.commands.recv() => match command {
                    Some(command) if self.follow(command, server) => {}
                    _ => return,
                },
                changed = line.knobs.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    self.knobs = line.knobs.borrow_and_update().clone();
                    self.allowance.follow((*self.knobs).as_ref());
                }
                asked = server.accept(), if !self.is_stalled => match asked {
                    Some(Ok((request, respond))) => {
                        if self.take(request, respond, server) {
                            return;
                        }
                    }
                    _ => return,
                },
            }
            while self.calls.try_join_next().is_some() {}
        }
    }

    /// Follows a command; returns whether the connection goes on.
    fn follow(&mut self, command: Command, server: &mut Server) -> bool {
        match command {
            Command::Drain => self.drain(server),
            Command::Stall => self.is_stalled = true,
            Command::Unstall => self.is_stalled = false,
            Command::Close { with_reset } => {
                self.with_reset = with_reset;
                return false;
            }
        }
        true
    }

    /// Takes a stream in; returns whether the connection ends now.
    fn take(
        &mut self,
        request: Request<RecvStream>,
        mut respond: SendResponse<Bytes>,
        server: &mut Server,
    ) -> bool {
        let id = respond.stream_id().as_u32();
        if self.last.is_some_and(|last| id > last) {
            // Sent before the client had read that this one will not be processed.
            return false;
        }
        let open = self.open.lock().len() + 1;
        if self.is_too_much(id, open) {
            self.hub.streams_refused.fetch_add(1, Ordering::Relaxed);
            respond.send_reset(Reason::REFUSED_STREAM);
            return false;
        }
        let counts = self.hub.provider.is_push(request.uri().path());
        self.open.lock().insert(id, None);
        if counts {
            self.carried += 1;
            self.hub.add(self.connection, Tally { highest_unacked: open as u64, ..Tally::default() });
        }
        let streams = Arc::clone(&self.open);
        let done = Box::new(move || {
            streams.lock().remove(&id);
        });
        let (hub, allowance) = (Arc::clone(&self.hub), self.allowance.clone());
        let call = Call { hub, connection: self.connection, allowance, respond, done };
        let handle = self.calls.spawn(call.run(request));
        if let Some(slot) = self.open.lock().get_mut(&id) {
            *slot = Some(handle);
        }
        counts && self.fire_triggers(server)
    }

    /// Returns whether a stream is one too many, which is a violation if the client could know.
    fn is_too_much(&self, id: u32, open: usize) -> bool {
        let allowed = self.allowance.wire().allowed(id);
        if open > allowed as usize {
            let text = format!("stream {id} is open stream number {open} of {allowed}");
            self.hub.breach(self.connection, Breach::OverWindow, text);
            return true;
        }
        self.common().refuse_racing && open > self.allowance.limit() as usize
    }

    fn common(&self) -> &Knobs {
        (*self.knobs).as_ref()
    }

    /// Does what a knob asks for after a number of pushes; returns whether the connection ends now.
    fn fire_triggers(&mut self, server: &mut Server) -> bool {
        let is_reached = |count: u64| count > 0 && self.carried == count;
        let (drain, stall) = (is_reached(self.common().drain_after), is_reached(self.common().stall_after));
        let close = is_reached(self.common().close_after);
        if drain {
            self.drain(server);
        }
        self.is_stalled |= stall;
        close
    }

    fn drain(&mut self, server: &mut Server) {
        if self.close_at.is_some() {
            return;
        }
        self.close_at = Some(Instant::now() + self.common().drain_close);
        match self.common().drain_mode {
            DrainMode::Graceful => server.graceful_shutdown(),
            DrainMode::Error => server.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM),
            DrainMode::Cut => self.cut(),
        }
    }

    /// Processes the older half of what is open and nothing else.
    fn cut(&mut self) {
        let mut open = self.open.lock();
        let last = open.keys().nth(open.len() / 2).copied().unwrap_or(u32::MAX >> 1);
        self.last = Some(last);
        self.allowance.wire().go_away(last, "{\"reason\":\"Shutdown\"}");
        // Behind the announcement, so that the client knows why when these are reset.
        for (id, handle) in open.split_off(&(last + 1)) {
            log::debug!("not processed connection={} stream={id}", self.connection);
            if let Some(handle) = handle {
                handle.abort();
            }
            self.hub.nack(self.connection, MessageKey::of(&format!("cut {id}")), "GOAWAY");
        }
    }
}
