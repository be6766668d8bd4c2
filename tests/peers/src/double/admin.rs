//! The control calls that all doubles have: from an HTTP request to a command and back.
//!
//! Called by the control face for each request. Every change is a POST.

use serde_json::json;

use super::knobs::KnobError;
use crate::control::{Request, Response};

/// What a double does about control calls.
pub trait Steered: Send + Sync + 'static {
    /// What connections are told.
    type Command;

    /// Returns all calls, for unknown paths and for `--help`.
    fn calls(&self) -> String;

    /// Returns the report as indented JSON.
    fn report(&self) -> String;

    /// Changes knobs.
    ///
    /// # Errors
    /// [`KnobError`] when a name or value is unknown; nothing changes then.
    fn set(&self, pairs: &[(String, String)]) -> Result<(), KnobError>;

    /// Forgets what happened.
    fn reset(&self);

    /// Sends a command to one connection or to all; returns how many got it.
    fn send(&self, command: Self::Command, only: Option<u64>) -> usize;

    /// Says what a POST to a path means that not all doubles have.
    fn call(&self, request: &Request) -> Call<Self::Command>;
}

/// What a call means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call<C> {
    /// It was carried out.
    Done(Response),
    /// A command for connections.
    Command(C),
    /// There is no such call.
    Unknown,
}

/// Carries out one request.
#[must_use]
pub fn answer<S: Steered>(double: &S, request: &Request) -> Response {
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/report") => Response::fine(double.report()),
        ("POST", "/set") => match double.set(&request.query) {
            Ok(()) => Response::fine(json!({"set": request.query.len()}).to_string()),
            Err(error) => Response::fault(400, &error.to_string()),
        },
        ("POST", "/reset") => {
            double.reset();
            Response::fine(json!({"reset": true}).to_string())
        }
        ("POST", _) => match double.call(request) {
            Call::Done(response) => response,
            Call::Command(command) => pass_on(double, command, request),
            Call::Unknown => unknown(double),
        },
        _ => unknown(double),
    }
}

fn unknown<S: Steered>(double: &S) -> Response {
    Response::fault(404, &format!("no such call; there are: {}", double.calls()))
}

fn pass_on<S: Steered>(double: &S, command: S::Command, request: &Request) -> Response {
    let only = match request.parameter("connection").map(str::parse) {
        None => None,
        Some(Ok(id)) => Some(id),
        Some(Err(_)) => return Response::fault(400, "connection must be a connection's number"),
    };
    let reached = double.send(command, only);
    if reached == 0 && only.is_some() {
        return Response::fault(404, "no open connection has that number");
    }
    Response::fine(json!({"connections": reached}).to_string())
}
