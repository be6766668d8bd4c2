//! Who is let in: by session, password or token. Passwords with a hash are compared one at a time, on a thread of their own.
//!
//! Invariant: whatever is asked for, comparing hashes takes one core at most, and with wrong passwords only a part of it.

use std::net::IpAddr;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::Admin;
use crate::admin::credentials::{self, Credentials};
use crate::admin::guard::{self, Actor, Claims, Denial};
use crate::admin::password::Proof;
use crate::admin::sessions::Given;

/// Logins that may wait for their comparison; more are told to come back.
const WAITING: usize = 8;
/// How long a wrong password holds up the next comparison, which bounds what guesses from many addresses cost.
const PENALTY: Duration = Duration::from_millis(200);

/// Where passwords are compared.
#[derive(Debug)]
pub(super) struct Desk {
    line: Semaphore,
    turn: Semaphore,
}

// === impl Desk ===

impl Default for Desk {
    fn default() -> Self {
        Self { line: Semaphore::new(WAITING), turn: Semaphore::new(1) }
    }
}

// === impl Admin ===

impl Admin {
    /// Checks a request; whoever tries to change something and may not, or guesses, is remembered.
    pub(super) async fn admit(
        &self,
        claims: &Claims<'_>,
        from: Option<IpAddr>,
        change: bool,
    ) -> Result<Actor, Denial> {
        let admitted = self.check(claims, from, change).await;
        if let Err(denial) = &admitted {
            let proved = claims.authorization.is_some() || *denial == Denial::Session;
            if change || matches!(denial, Denial::Host(_)) || proved {
                self.enter_denial(denial, from);
            }
        }
        admitted
    }

    async fn check(&self, claims: &Claims<'_>, from: Option<IpAddr>, change: bool) -> Result<Actor, Denial> {
        guard::check_host(&self.settings, claims)?;
        let actor = self.identify(claims, from).await?;
        if change {
            guard::check_change(claims, &actor)?;
        }
        Ok(actor)
    }

    async fn identify(&self, claims: &Claims<'_>, from: Option<IpAddr>) -> Result<Actor, Denial> {
        if self.settings.is_open() {
            return Ok(Actor::anybody());
        }
        match Credentials::read(claims.authorization, claims.cookies, self.port) {
            Credentials::Absent => Err(Denial::Unknown),
            Credentials::Session(id) => self.resume(id),
            Credentials::Basic(header, name, password) => self.by_basic(header, &name, password, from).await,
            Credentials::Bearer(given) => self.counted(from, self.by_token(given)),
            Credentials::Unreadable => self.counted(from, Err(Denial::Unknown)),
        }
    }

    fn resume(&self, id: &str) -> Result<Actor, Denial> {
        let mut sessions = self.sessions.lock();
        let key = sessions.key(Given::Cookie(id));
        let session = sessions.look(key, Instant::now()).ok_or(Denial::Session)?;
        Ok(Actor::logged_in(session.name.clone(), session.role, key))
    }

    fn by_token(&self, given: &str) -> Result<Actor, Denial> {
        let token = credentials::token(&self.settings, given).ok_or(Denial::Unknown)?;
        Ok(Actor::new(format!("token {}", token.name), token.role))
    }

    /// Takes credentials that were right lately without another comparison, so that a scraper costs one hash in a while.
    async fn by_basic(
        &self,
        header: &str,
        name: &str,
        password: Vec<u8>,
        from: Option<IpAddr>,
    ) -> Result<Actor, Denial> {
        let known = {
            let mut sessions = self.sessions.lock();
            let key = sessions.key(Given::Basic(header));
            sessions.look(key, Instant::now()).map(|session| Actor::new(session.name.clone(), session.role))
        };
        if let Some(actor) = known {
            self.wait(from)?;
            return Ok(actor);
        }
        let actor = self.prove(name, password, from).await?;
        self.sessions.lock().remember(header, name, actor.role(), Instant::now());
        Ok(actor)
    }

    /// Compares a password; wrong ones are counted for the address.
    pub(super) async fn prove(
        &self,
        name: &str,
        password: Vec<u8>,
        from: Option<IpAddr>,
    ) -> Result<Actor, Denial> {
        self.wait(from)?;
        let (user, proof) = credentials::user(&self.settings, name);
        let is_right = match proof {
            Some(proof) if proof.is_slow() => self.compare(proof.clone(), password, from).await?,
            Some(proof) => proof.is(&password),
            None => false,
        };
        let actor = user.filter(|_| is_right).map(|user| Actor::new(user.name.clone(), user.role));
        self.counted(from, actor.ok_or(Denial::Unknown))
    }

    async fn compare(&self, proof: Proof, password: Vec<u8>, from: Option<IpAddr>) -> Result<bool, Denial> {
        let _place = self.desk.line.try_acquire().map_err(|_| Denial::Busy)?;
        let _turn = self.desk.turn.acquire().await.map_err(|_| Denial::Busy)?;
        // Those before may have used up the address's attempts.
        self.wait(from)?;
        let compared = actix_rt::task::spawn_blocking(move || proof.is(&password)).await;
        let is_right = compared.map_err(|_| Denial::Busy)?;
        if !is_right {
            tokio::time::sleep(PENALTY).await;
        }
        Ok(is_right)
    }

    fn wait(&self, from: Option<IpAddr>) -> Result<(), Denial> {
        let wait = from.and_then(|address| self.attempts.lock().wait(address, Instant::now()));
        wait.map_or(Ok(()), |wait| Err(Denial::TooMany(wait)))
    }

    fn counted(&self, from: Option<IpAddr>, admitted: Result<Actor, Denial>) -> Result<Actor, Denial> {
        self.wait(from)?;
        if let Some(address) = from {
            let mut attempts = self.attempts.lock();
            match &admitted {
                // Anybody else could guess an operator's password between two proofs of their own.
                Ok(actor) if actor.is_operator() => attempts.succeed(address),
                Ok(_) => {}
                Err(_) => attempts.fail(address, Instant::now()),
            }
        }
        admitted
    }
}
