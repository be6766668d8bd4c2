//! Who is logged in: sessions by cookie, and Basic credentials that were compared lately, so that a hash is not computed per request. Pure.
//!
//! An id is kept as a keyed digest only, and found by it, so neither memory nor timing gives one away. A login makes a new id each time
//! and takes none from outside, which leaves nothing to fixate. Bounded by user: whoever logs in often ends sessions of their own.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom, SystemRandom};
use ring::{digest, hmac};
use tokio::time::Instant;

use super::Role;

/// Sessions of one user and kind; the one that was not used longest makes room.
const MOST_OF_A_USER: usize = 16;
/// 256 bits from the system's randomness.
const ID_BYTES: usize = 32;

/// What a session is found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Given<'a> {
    /// The cookie's value.
    Cookie(&'a str),
    /// The header `Authorization`, Basic.
    Basic(&'a str),
}

/// A digest that stands for a session where it may be copied.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key([u8; digest::SHA256_OUTPUT_LEN]);

/// Who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Session {
    pub(super) name: String,
    pub(super) role: Role,
    is_login: bool,
    opened: Instant,
    used: Instant,
}

/// All of them.
pub(super) struct Sessions {
    secret: hmac::Key,
    random: SystemRandom,
    idle: Duration,
    longest: Duration,
    open: HashMap<Key, Session>,
}

// === impl Sessions ===

impl Sessions {
    /// Returns none yet; one ends `idle` after its last use, and `longest` after it began.
    pub(super) fn new(idle: Duration, longest: Duration) -> Self {
        let random = SystemRandom::new();
        let secret = hmac::Key::generate(hmac::HMAC_SHA256, &random).expect("the system has randomness");
        Self { secret, random, idle, longest, open: HashMap::new() }
    }

    /// Returns what stands for a session.
    pub(super) fn key(&self, given: Given<'_>) -> Key {
        let (kind, text) = match given {
            Given::Cookie(id) => (b'c', id),
            Given::Basic(header) => (b'b', header),
        };
        let mut context = hmac::Context::with_key(&self.secret);
        context.update(&[kind]);
        context.update(text.as_bytes());
        let mut key = Key([0; digest::SHA256_OUTPUT_LEN]);
        key.0.copy_from_slice(context.sign().as_ref());
        key
    }

    /// Logs somebody in and returns the new session's id, which is kept nowhere.
    pub(super) fn log_in(&mut self, name: &str, role: Role, now: Instant) -> String {
        let mut bytes = [0; ID_BYTES];
        self.random.fill(&mut bytes).expect("the system has randomness");
        let id = URL_SAFE_NO_PAD.encode(bytes);
        self.enter(self.key(Given::Cookie(&id)), name, role, true, now);
        id
    }

    /// Remembers Basic credentials that were right.
    pub(super) fn remember(&mut self, header: &str, name: &str, role: Role, now: Instant) {
        self.enter(self.key(Given::Basic(header)), name, role, false, now);
    }

    /// Returns whose session it is, and counts as a use.
    pub(super) fn look(&mut self, key: Key, now: Instant) -> Option<&Session> {
        let session = self.open.get_mut(&key)?;
        if now.duration_since(session.used) >= self.idle || now.duration_since(session.opened) >= self.longest
        {
            self.open.remove(&key);
            return None;
        }
        session.used = now;
        self.open.get(&key)
    }

    /// Ends a session; returns whose it was.
    pub(super) fn log_out(&mut self, key: Key) -> Option<Session> {
        self.open.remove(&key)
    }

    fn enter(&mut self, key: Key, name: &str, role: Role, is_login: bool, now: Instant) {
        let (idle, longest) = (self.idle, self.longest);
        self.open.retain(|_, session| {
            now.duration_since(session.used) < idle && now.duration_since(session.opened) < longest
        });
        let own = |session: &&Session| session.name == name && session.is_login == is_login;
        if self.open.values().filter(own).count() >= MOST_OF_A_USER {
            let stale =
                self.open.iter().filter(|(_, session)| own(session)).min_by_key(|(_, session)| session.used);
            if let Some(stale) = stale.map(|(key, _)| *key) {
                self.open.remove(&stale);
            }
        }
        let session = Session { name: name.to_owned(), role, is_login, opened: now, used: now };
        self.open.insert(key, session);
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("open", &self.open.len()).finish_non_exhaustive()
    }
}

// === impl Key ===

impl Key {
    /// Returns it as text, for what is derived from it.
    pub(super) fn text(self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const IDLE: Duration = Duration::from_secs(1_800);
    const LONGEST: Duration = Duration::from_secs(43_200);

    fn name(sessions: &mut Sessions, given: Given<'_>, now: Instant) -> Option<String> {
        let key = sessions.key(given);
        sessions.look(key, now).map(|session| session.name.clone())
    }

    #[test]
    fn a_login_has_an_id_of_its_own_that_only_it_knows() {
        let (mut sessions, now) = (Sessions::new(IDLE, LONGEST), Instant::now());
        let (one, two) =
            (sessions.log_in("ops", Role::Operator, now), sessions.log_in("ops", Role::Operator, now));
        assert!(one != two && one.len() == 43, "{one} {two}");
        assert_eq!(name(&mut sessions, Given::Cookie(&one), now).as_deref(), Some("ops"));
        for made_up in ["", "x", &one[1..], &one.to_lowercase()] {
            assert_eq!(name(&mut sessions, Given::Cookie(made_up), now), None, "{made_up}");
        }
        assert_eq!(name(&mut sessions, Given::Basic(&one), now), None, "another kind of proof");
        let key = sessions.key(Given::Cookie(&one));
        assert_eq!(sessions.log_out(key).map(|session| session.name).as_deref(), Some("ops"));
        assert_eq!(name(&mut sessions, Given::Cookie(&one), now), None);
        assert_eq!(name(&mut sessions, Given::Cookie(&two), now).as_deref(), Some("ops"));
        let mut others = Sessions::new(IDLE, LONGEST);
        assert_eq!(name(&mut others, Given::Cookie(&two), now), None, "another process has other keys");
    }

    #[test]
    fn a_session_ends_when_it_is_idle_and_when_it_is_old() {
        let (mut sessions, start) = (Sessions::new(IDLE, LONGEST), Instant::now());
        let idle = sessions.log_in("ops", Role::Operator, start);
        let used = sessions.log_in("ops", Role::Operator, start);
        let mut now = start;
        while now + IDLE / 2 < start + LONGEST {
            now += IDLE / 2;
            assert!(name(&mut sessions, Given::Cookie(&used), now).is_some());
        }
        assert_eq!(name(&mut sessions, Given::Cookie(&idle), now), None);
        assert_eq!(name(&mut sessions, Given::Cookie(&used), start + LONGEST), None);
        assert!(sessions.open.is_empty());
    }

    proptest! {
        #[test]
        fn a_thousand_logins_do_not_end_the_sessions_of_others(names in prop::collection::vec(0..5_u8, 1..300)) {
            let (mut sessions, start) = (Sessions::new(IDLE, LONGEST), Instant::now());
            let witness = sessions.log_in("witness", Role::Viewer, start);
            for (step, user) in names.iter().enumerate() {
                let now = start + Duration::from_millis(step as u64);
                let user = format!("user {user}");
                let id = sessions.log_in(&user, Role::Operator, now);
                sessions.remember(&id, &user, Role::Operator, now);
                prop_assert_eq!(name(&mut sessions, Given::Cookie(&id), now), Some(user));
                prop_assert!(sessions.open.len() <= 1 + 5 * 2 * MOST_OF_A_USER);
            }
            prop_assert!(name(&mut sessions, Given::Cookie(&witness), start).is_some());
        }
    }
}
