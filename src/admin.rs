//! The operator's HTTP: state, actions, health, metrics, and a page.
//!
//! It names no stage: it reads [`state::Snapshot`]s and sends commands through the [`Backend`], which `app` implements. `feed` and
//! `http` are the shell, the others are pure; `record` is what is remembered between two looks. Nothing changes by GET.

pub mod actions;
mod assets;
mod attempts;
mod feed;
mod forms;
mod guard;
pub mod http;
pub mod measured;
mod metrics;
mod page;
mod process;
pub mod record;
pub mod state;
mod view;
mod words;

use std::net::SocketAddr;

pub use actions::Backend;
pub use record::Record;

use crate::units::Secret;

/// Somebody who may use the admin interface.
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    /// Name.
    pub name: String,
    /// Password, as for HTTP Basic authentication.
    pub password: Secret,
    /// What the user may do.
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
    /// Users; none means that anybody who can connect is the operator (loopback only).
    pub users: Vec<User>,
    /// Host names, besides loopback names and `listen`, under which browsers may reach it.
    pub hosts: Vec<String>,
}
