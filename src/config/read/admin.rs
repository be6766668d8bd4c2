//! `[admin]`: where operators come in, and who they are.

use super::{DAY, MINUTE, guarded, is_host, ordered, unique};
use crate::admin::password::Hashed;
use crate::admin::{Proof, Role, Settings, Token, User};
use crate::config::section::Section;
use crate::units::Secret;

const ROLES: [(&str, Role); 2] = [("operator", Role::Operator), ("viewer", Role::Viewer)];

pub(super) fn read(section: &Section<'_>) -> Settings {
    let users = section.tables("users", &["name", "password", "password_hash", "role"]);
    let tokens = section.tables("tokens", &["name", "token", "role"]);
    let settings = Settings {
        listen: section.address("listen"),
        users: users.iter().map(user).collect(),
        tokens: tokens.iter().map(token).collect(),
        hosts: section.texts("hosts", "a host name without a port", is_host),
        session_idle: section.duration("session_idle", MINUTE..=DAY),
        session_longest: section.duration("session_longest", MINUTE..=7 * DAY),
    };
    let hint = "set admin.users, or listen on 127.0.0.1";
    guarded(section, settings.listen, ("users", settings.is_open()), hint);
    ordered(section, ("session_idle", settings.session_idle), ("session_longest", settings.session_longest));
    unique(settings.users.iter().map(|user| user.name.as_str()), &users, "name");
    unique(settings.tokens.iter().map(|token| token.name.as_str()), &tokens, "name");
    settings
}

fn user(section: &Section<'_>) -> User {
    let proof = match (section.has("password"), section.has("password_hash")) {
        (_, false) => Proof::Plain(section.secret("password")),
        (false, true) => hashed(section),
        (true, true) => {
            let hint = "keep the hash and remove the password";
            section.fault("password", "is there besides password_hash", "one of the two", hint);
            Proof::Plain(Secret::default())
        }
    };
    User { name: name(section), proof, role: role(section) }
}

fn hashed(section: &Section<'_>) -> Proof {
    let hash = section.document("password_hash", Hashed::read);
    hash.map_or_else(|| Proof::Plain(Secret::default()), Proof::Hash)
}

fn token(section: &Section<'_>) -> Token {
    Token { name: name(section), secret: section.secret("token"), role: role(section) }
}

fn name(section: &Section<'_>) -> String {
    // RFC 7617 section 2: a user-id cannot hold a colon.
    section.text("name", "1 to 64 visible characters without a colon", |name| {
        (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':')
    })
}

fn role(section: &Section<'_>) -> Role {
    if section.has("role") { section.choice("role", &ROLES) } else { Role::default() }
}
