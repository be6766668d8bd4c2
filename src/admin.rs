//! The operator's HTTP: state, actions, health, metrics, and a page.
//!
//! It names no stage: it reads [`state::Snapshot`]s and sends commands through the [`Backend`], which `app` implements. `feed` and
//! `http` are the shell, the others are pure; `record` is what is remembered between two looks. Nothing changes by GET.

pub mod actions;
mod assets;
mod attempts;
mod credentials;
mod feed;
mod forms;
mod guard;
pub mod http;
pub mod measured;
mod metrics;
mod page;
pub mod password;
mod process;
pub mod record;
mod sessions;
pub mod state;
mod view;
pub(crate) mod words;

use std::net::SocketAddr;
use std::time::Duration;

pub use actions::Backend;
pub use password::Proof;
pub use record::Record;

use crate::units::Secret;

/// Somebody who may use the admin interface.
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    /// Name.
    pub name: String,
    /// What the user's password is compared with.
    pub proof: Proof,
    /// What the user may do.
    pub role: Role,
}

/// A bearer token, for scripts and scrapers.
#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    /// What it is listed as.
    pub name: String,
    /// It.
    pub secret: Secret,
    /// What it allows.
    pub role: Role,
}

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Role {
    /// Look.
    Viewer,
    /// Look and act.
    #[default]
    Operator,
}

/// `[admin]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Users; none and no tokens mean that anybody who can connect is the operator (loopback only).
    pub users: Vec<User>,
    /// Bearer tokens.
    pub tokens: Vec<Token>,
    /// A session that is not used for so long ends.
    pub session_idle: Duration,
    /// A session ends so long after the login.
    pub session_longest: Duration,
    /// Host names, besides loopback names and `listen`, under which browsers may reach it.
    pub hosts: Vec<String>,
}

// === impl Settings ===

impl Settings {
    /// Returns whether anybody who can connect is the operator.
    pub const fn is_open(&self) -> bool {
        self.users.is_empty() && self.tokens.is_empty()
    }
}
