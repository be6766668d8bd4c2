//! The operator's HTTP.

use std::net::SocketAddr;

use crate::units::Secret;

/// Somebody who may use the admin interface.
#[derive(Debug, Clone)]
pub struct User {
    /// Name.
    pub name: String,
    /// Password, as for HTTP Basic authentication.
    pub password: Secret,
}

/// `[admin]`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Users; none means that anybody who can connect is the operator (loopback only).
    pub users: Vec<User>,
    /// Host names, besides loopback names and `listen`, under which browsers may reach it.
    pub hosts: Vec<String>,
}
