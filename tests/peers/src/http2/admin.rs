//! The double's control calls: from an HTTP request to a command and back.
//!
//! Called by the control face for each request. Every change is a POST.

use serde_json::json;

use super::hub::{Command, Hub};
use super::report::FcmReport;
use crate::control::{Request, Response};

/// The calls, as shown by `--help` and for unknown paths.
pub const CALLS: &str = "GET /report, POST /set?KNOB=VALUE&…, POST /drain, POST /close[?style=fin|rst], POST /stall, POST /unstall, \
                         POST /revoke (makes every access token invalid), POST /reset; drain, close, stall and unstall take \
                         ?connection=ID";

/// Carries out one request.
#[must_use]
pub fn answer(hub: &Hub, request: &Request) -> Response {
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/report") => Response::fine(FcmReport::of(hub).json()),
        ("POST", "/set") => {
            let pairs = request.query.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            match hub.set(pairs) {
                Ok(()) => Response::fine(json!({"set": request.query.len()}).to_string()),
                Err(error) => Response::fault(400, &error.to_string()),
            }
        }
        ("POST", "/revoke") => {
            hub.tokens.lock().revoke();
            Response::fine(json!({"revoked": true}).to_string())
        }
        ("POST", "/reset") => {
            hub.books.reset();
            Response::fine(json!({"reset": true}).to_string())
        }
        ("POST", path) => command(hub, path, request),
        _ => Response::fault(404, &format!("no such call; there are: {CALLS}")),
    }
}

fn command(hub: &Hub, path: &str, request: &Request) -> Response {
    let command = match (path, request.parameter("style").unwrap_or("fin")) {
        ("/drain", _) => Command::Drain,
        ("/stall", _) => Command::Stall,
        ("/unstall", _) => Command::Unstall,
        ("/close", "fin") => Command::Close { with_reset: false },
        ("/close", "rst") => Command::Close { with_reset: true },
        ("/close", _) => return Response::fault(400, "style must be fin or rst"),
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

#[cfg(test)]
mod tests {
    use super::super::knobs::Knobs;
    use super::*;
    use crate::fcm::account::Account;

    #[test]
    fn calls_reach_the_knobs_and_the_connections() {
        let directory = tempfile::tempdir().unwrap();
        let account = Account::prepare(directory.path(), "127.0.0.1:9".parse().unwrap()).unwrap();
        let hub = Hub::new(account, Knobs::default());
        let call = |line: &str| answer(&hub, &Request::parse(&format!("{line} HTTP/1.1\r\n\r\n")).unwrap());
        let (mut first, mut second) = (hub.open(), hub.open());
        assert_eq!(call("POST /set?max_streams=5").status, 200);
        assert_eq!(hub.knobs().max_streams, 5);
        assert_eq!(call("GET /set?max_streams=6").status, 404);
        assert_eq!(call("POST /set?window=5").status, 400);
        assert_eq!(call("POST /drain?connection=2").body, "{\"connections\":1}");
        assert!(first.commands.try_recv().is_err());
        assert_eq!(second.commands.try_recv(), Ok(Command::Drain));
        assert_eq!(call("POST /close?style=rst").body, "{\"connections\":2}");
        assert_eq!(first.commands.try_recv(), Ok(Command::Close { with_reset: true }));
        assert_eq!(call("POST /close?style=soft").status, 400);
        assert_eq!(call("POST /nowhere").status, 404);
        assert!(call("GET /report").body.contains("tokens_granted"));
    }
}
