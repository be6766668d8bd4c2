//! The operator's HTTP: state, actions, health, metrics, and a page.
//!
//! It names no stage: it reads [`state::Snapshot`]s and sends commands through the [`Backend`], which `app` implements. `state`,
//! `actions`, `guard`, `metrics` and `page` are pure; `feed` and `http` are the shell. Nothing changes by GET.

pub mod actions;
mod feed;
mod guard;
pub mod http;
mod metrics;
mod page;
mod process;
pub mod state;

use std::net::SocketAddr;

pub use actions::Backend;

use crate::units::Secret;

/// Somebody who may use the admin interface.
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    /// Name.
    pub name: String,
    /// Password, as for HTTP Basic authentication.
    pub password: Secret,
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
