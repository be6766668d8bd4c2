//! The XMPP double from outside: its switchboard, its books, and what the control face does with them.

use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::json;
use tokio::time::Instant;

use crate::control::{Request, Response};
use crate::double::admin::{Call, Steered};
use crate::double::books::Books;
use crate::double::knobs::KnobError;
use crate::double::quota::Quota;
use crate::double::report::Report;
use crate::double::switchboard::{self, Switchboard};
use crate::xmpp::knobs::{CloseStyle, Knobs};
use crate::xmpp::session::Command;

/// The calls, as shown by `--help` and for unknown paths.
pub const CALLS: &str = "GET /report, POST /set?KNOB=VALUE&…, POST /drain, POST /close[?style=STYLE], POST /stall, \
                         POST /unstall, POST /garbage, POST /upstream?n=N, POST /reset; \
                         drain, close, stall, unstall and garbage take ?connection=ID";

/// What the hub tells a connection.
pub type Line = switchboard::Line<Knobs, Command>;

/// The double's shared parts.
#[derive(Debug)]
pub struct Hub {
    /// Where everything is recorded.
    pub books: Arc<Books>,
    /// The open connections.
    pub switchboard: Switchboard<Knobs, Command>,
    /// Connections per minute.
    arrivals: Mutex<Quota>,
}

impl Hub {
    /// Returns a hub without connections.
    #[must_use]
    pub fn new(knobs: Knobs) -> Self {
        let (books, arrivals) = (Arc::new(Books::default()), Mutex::default());
        Self { books, switchboard: Switchboard::new(knobs), arrivals }
    }

    /// Registers a new connection, unless there are too many, or too many in this minute.
    pub fn open(&self) -> Line {
        let now = Instant::now().into_std();
        let line = self.switchboard.open(|knobs, open| {
            let in_time = self.arrivals.lock().admit("", knobs.connection_rate, now);
            in_time && (knobs.max_connections == 0 || open < knobs.max_connections)
        });
        let mut ledger = self.books.ledger.lock();
        ledger.opened(line.connection);
        ledger.refused += u64::from(line.surplus);
        line
    }

    /// Forgets a closed connection and offers its upstream messages to the others.
    pub fn close(&self, connection: u64) {
        self.switchboard.close(connection);
        if self.books.pool.lock().waiting() > 0 {
            self.offer_upstream();
        }
    }

    /// Creates upstream messages and offers them to all connections in equal shares; returns how many wait now.
    pub fn create_upstream(&self, count: u64) -> usize {
        self.books.pool.lock().create(count);
        self.offer_upstream();
        self.books.pool.lock().waiting()
    }

    fn offer_upstream(&self) {
        let waiting = self.books.pool.lock().waiting();
        let open = self.switchboard.count().max(1);
        self.switchboard.send(&Command::Upstream(waiting.div_ceil(open)), None);
    }

    fn close_style(&self, request: &Request) -> Result<CloseStyle, KnobError> {
        let mut knobs = Knobs::clone(&self.switchboard.knobs());
        if let Some(style) = request.parameter("style") {
            knobs.set([("close-style", style)].into_iter())?;
        }
        Ok(knobs.close_style)
    }
}

impl Steered for Hub {
    type Command = Command;

    fn calls(&self) -> String {
        CALLS.to_owned()
    }

    fn report(&self) -> String {
        Report::of(&self.books).json()
    }

    fn set(&self, pairs: &[(String, String)]) -> Result<(), KnobError> {
        self.switchboard.set(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    }

    fn reset(&self) {
        self.books.reset();
    }

    fn send(&self, command: Command, only: Option<u64>) -> usize {
        self.switchboard.send(&command, only)
    }

    fn call(&self, request: &Request) -> Call<Command> {
        match request.path.as_str() {
            "/drain" => Call::Command(Command::Drain),
            "/stall" => Call::Command(Command::Stall),
            "/unstall" => Call::Command(Command::Unstall),
            "/garbage" => Call::Command(Command::Garbage),
            "/close" => match self.close_style(request) {
                Ok(style) => Call::Command(Command::Close(style)),
                Err(error) => Call::Done(Response::fault(400, &error.to_string())),
            },
            "/upstream" => Call::Done(match request.parameter("n").unwrap_or("1").parse() {
                Ok(count) => Response::fine(json!({"waiting": self.create_upstream(count)}).to_string()),
                Err(_) => Response::fault(400, "n must be a whole number"),
            }),
            _ => Call::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::double::admin::answer;

    fn call(hub: &Hub, line: &str) -> Response {
        answer(hub, &Request::parse(&format!("{line} HTTP/1.1\r\n\r\n")).unwrap())
    }

    #[test]
    fn knobs_change_by_post_and_never_by_get() {
        let hub = Hub::new(Knobs::default());
        let knobs = || hub.switchboard.knobs();
        assert_eq!(call(&hub, "GET /set?latency=5ms").status, 404);
        assert_eq!(*knobs(), Knobs::default());
        assert_eq!(call(&hub, "POST /set?latency=5ms&lose_acks=0.5").status, 200);
        assert_eq!((knobs().latency.as_millis(), knobs().lose_acks), (5, 0.5));
        assert_eq!(call(&hub, "POST /set?latency=fast").status, 400);
    }

    #[test]
    fn a_command_reaches_the_connection_it_names() {
        let hub = Hub::new(Knobs::default());
        let (mut first, mut second) = (hub.open(), hub.open());
        assert_eq!(call(&hub, "POST /drain?connection=2").body, "{\"connections\":1}");
        assert!(first.commands.try_recv().is_err());
        assert_eq!(second.commands.try_recv(), Ok(Command::Drain));
        assert_eq!(call(&hub, "POST /close?style=rst").body, "{\"connections\":2}");
        assert_eq!(first.commands.try_recv(), Ok(Command::Close(CloseStyle::Rst)));
        assert_eq!(call(&hub, "POST /drain?connection=7").status, 404);
        assert_eq!(call(&hub, "POST /close?style=soft").status, 400);
        assert_eq!(call(&hub, "POST /nowhere").status, 404);
    }

    #[test]
    fn connections_beyond_the_rate_are_surplus_and_get_no_commands() {
        let hub = Hub::new(Knobs { connection_rate: 2, ..Knobs::default() });
        let lines: Vec<_> = (0..3).map(|_| hub.open()).collect();
        assert_eq!(lines.iter().map(|line| line.surplus).collect::<Vec<_>>(), [false, false, true]);
        assert_eq!(call(&hub, "POST /drain").body, "{\"connections\":2}");
    }

    #[test]
    fn upstream_messages_are_shared_out_and_a_reset_clears_the_counters() {
        let hub = Hub::new(Knobs::default());
        let mut line = hub.open();
        assert_eq!(call(&hub, "POST /upstream?n=3").body, "{\"waiting\":3}");
        assert_eq!(line.commands.try_recv(), Ok(Command::Upstream(3)));
        assert_eq!(call(&hub, "POST /reset").status, 200);
        let report: serde_json::Value = serde_json::from_str(&call(&hub, "GET /report").body).unwrap();
        assert_eq!(
            (&report["connections"]["opened"], &report["connections"]["open"]),
            (&json!(0), &json!(1))
        );
    }
}
