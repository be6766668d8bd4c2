//! The double's control calls: from an HTTP request to a command and back.
//!
//! Called by the control face for each request. Every change is a POST.

use serde_json::json;

use crate::control::{Request, Response};
use crate::double::report::Report;
use crate::xmpp::hub::Hub;
use crate::xmpp::knobs::{CloseStyle, Knobs};
use crate::xmpp::session::Command;

/// The calls, as shown by `--help` and for unknown paths.
pub const CALLS: &str = "GET /report, POST /set?KNOB=VALUE&…, POST /drain, POST /close[?style=STYLE], POST /stall, \
                         POST /unstall, POST /garbage, POST /upstream?n=N, POST /reset; \
                         drain, close, stall, unstall and garbage take ?connection=ID";

/// Carries out one request.
#[must_use]
pub fn answer(hub: &Hub, request: &Request) -> Response {
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/report") => Response::fine(Report::of(&hub.books).json()),
        ("POST", "/set") => {
            let pairs = request.query.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            match hub.set(pairs) {
                Ok(()) => Response::fine(json!({"set": request.query.len()}).to_string()),
                Err(error) => Response::fault(400, &error.to_string()),
            }
        }
        ("POST", "/upstream") => match request.parameter("n").unwrap_or("1").parse() {
            Ok(count) => Response::fine(json!({"waiting": hub.create_upstream(count)}).to_string()),
            Err(_) => Response::fault(400, "n must be a whole number"),
        },
        ("POST", "/reset") => {
            hub.books.reset();
            Response::fine(json!({"reset": true}).to_string())
        }
        ("POST", path) => command(hub, path, request),
        _ => Response::fault(404, &format!("no such call; there are: {CALLS}")),
    }
}

fn command(hub: &Hub, path: &str, request: &Request) -> Response {
    let command = match path {
        "/drain" => Command::Drain,
        "/stall" => Command::Stall,
        "/unstall" => Command::Unstall,
        "/garbage" => Command::Garbage,
        "/close" => match close_style(hub, request) {
            Ok(style) => Command::Close(style),
            Err(text) => return Response::fault(400, &text),
        },
        _ => return Response::fault(404, &format!("no such call; there are: {CALLS}")),
    };
    let only = match request.parameter("connection").map(str::parse) {
        None => None,
        Some(Ok(id)) => Some(id),
        Some(Err(_)) => return Response::fault(400, "connection must be a connection's number"),
    };
    let reached = hub.send(command, only);
    if reached == 0 && only.is_some() {
        return Response::fault(404, "no open connection has that number");
    }
    Response::fine(json!({"connections": reached}).to_string())
}

fn close_style(hub: &Hub, request: &Request) -> Result<CloseStyle, String> {
    let mut knobs: Knobs = hub.knobs();
    if let Some(style) = request.parameter("style") {
        knobs.set([("close-style", style)].into_iter()).map_err(|error| error.to_string())?;
    }
    Ok(knobs.close_style)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(hub: &Hub, line: &str) -> Response {
        answer(hub, &Request::parse(&format!("{line} HTTP/1.1\r\n\r\n")).unwrap())
    }

    #[test]
    fn knobs_change_by_post_and_never_by_get() {
        let hub = Hub::new(Knobs::default());
        assert_eq!(call(&hub, "GET /set?latency=5ms").status, 404);
        assert_eq!(hub.knobs(), Knobs::default());
        assert_eq!(call(&hub, "POST /set?latency=5ms&lose_acks=0.5").status, 200);
        assert_eq!((hub.knobs().latency.as_millis(), hub.knobs().lose_acks), (5, 0.5));
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
