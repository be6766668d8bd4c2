//! The tasks that talk to a running service.

use std::fmt::Display;
use std::io::Write;
use std::time::Duration;

use super::{Admin, Exit, Health, Top};
use crate::top::{self, Client, Options, Proof, TopError};
use crate::units::Secret;

pub(super) fn top(task: &Top) -> Exit {
    let options = Options { once: task.once, every: Duration::from_secs(task.every) };
    match client(&task.admin) {
        Ok(client) => end(top::run(&client, options)),
        Err(exit) => exit,
    }
}

pub(super) fn health(task: &Health) -> Exit {
    match client(&task.admin) {
        Ok(client) => end(top::health(&client, task.ready).map(|text| {
            // A closed pipe is no reason to fail differently.
            let _ = writeln!(std::io::stdout(), "{text}");
        })),
        Err(exit) => exit,
    }
}

fn end(result: Result<(), TopError>) -> Exit {
    match result {
        Ok(()) => Exit::Fine,
        // Whoever reads has seen enough.
        Err(TopError::Terminal(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => Exit::Fine,
        Err(error) => fail(&error, Exit::StartFailed),
    }
}

fn client(admin: &Admin) -> Result<Client, Exit> {
    let secret = |text: &str| find(text).map_err(|error| fail(&error, Exit::Usage));
    let proof = match (&admin.token, &admin.user, &admin.password) {
        (Some(token), ..) => Proof::Token(secret(token)?),
        (None, Some(name), Some(password)) => Proof::User(name.clone(), secret(password)?),
        _ => Proof::Nobody,
    };
    Client::new(&admin.admin, &proof, admin.ca.clone()).map_err(|error| fail(&error, Exit::Usage))
}

/// Returns what a secret's text refers to, as in the configuration.
fn find(text: &str) -> Result<Secret, String> {
    let found = if let Some(name) = text.strip_prefix("env:") {
        std::env::var(name).map_err(|error| format!("the variable {name}: {error}"))?
    } else if let Some(path) = text.strip_prefix("file:") {
        std::fs::read_to_string(path).map_err(|error| format!("the file {path}: {error}"))?
    } else {
        text.to_owned()
    };
    Ok(Secret::new(found.trim_end_matches(['\r', '\n'])))
}

fn fail(error: &dyn Display, exit: Exit) -> Exit {
    let _ = writeln!(std::io::stderr(), "{error}");
    exit
}
