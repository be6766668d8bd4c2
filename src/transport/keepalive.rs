//! Decides when silence asks for a ping, and when it means that the connection is dead.
//!
//! The transports' sessions ask it when their timers fire. Any byte from the peer counts as life.

use std::time::Duration;

use tokio::time::Instant;

/// The two limits and what was heard.
#[derive(Debug, Clone, Copy)]
pub struct Keepalive {
    ping_after: Duration,
    ping_timeout: Duration,
    heard: Instant,
    pinged: Option<Instant>,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// Look again then.
    Wait(Instant),
    /// Send a ping, and look again then.
    Ping(Instant),
    /// Nothing came within the limit after the ping.
    Dead,
}

// === impl Keepalive ===

impl Keepalive {
    /// Returns the state of a connection that was just opened.
    pub const fn new(ping_after: Duration, ping_timeout: Duration, now: Instant) -> Self {
        Self { ping_after, ping_timeout, heard: now, pinged: None }
    }

    /// Returns the silence after which a ping is due.
    pub const fn ping_after(&self) -> Duration {
        self.ping_after
    }

    /// Returns how long the peer may take to answer a ping.
    pub const fn ping_timeout(&self) -> Duration {
        self.ping_timeout
    }

    /// Notes that the peer sent something.
    pub const fn on_heard(&mut self, now: Instant) {
        self.heard = now;
        self.pinged = None;
    }

    /// Returns what the silence so far asks for.
    pub fn check(&mut self, now: Instant) -> Check {
        if let Some(pinged) = self.pinged {
            let limit = pinged + self.ping_timeout;
            return if now >= limit { Check::Dead } else { Check::Wait(limit) };
        }
        let due = self.heard + self.ping_after;
        if now < due {
            return Check::Wait(due);
        }
        self.pinged = Some(now);
        Check::Ping(now + self.ping_timeout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AFTER: Duration = Duration::from_secs(60);
    const LIMIT: Duration = Duration::from_secs(15);

    #[test]
    fn silence_is_pinged_and_then_fatal() {
        let start = Instant::now();
        let mut keepalive = Keepalive::new(AFTER, LIMIT, start);
        assert_eq!(keepalive.check(start), Check::Wait(start + AFTER));
        assert_eq!(keepalive.check(start + AFTER), Check::Ping(start + AFTER + LIMIT));
        assert_eq!(keepalive.check(start + AFTER), Check::Wait(start + AFTER + LIMIT));
        assert_eq!(keepalive.check(start + AFTER + LIMIT), Check::Dead);
    }

    #[test]
    fn any_byte_is_life() {
        let start = Instant::now();
        let mut keepalive = Keepalive::new(AFTER, LIMIT, start);
        assert!(matches!(keepalive.check(start + AFTER), Check::Ping(_)));
        let heard = start + AFTER + LIMIT / 2;
        keepalive.on_heard(heard);
        assert_eq!(keepalive.check(start + AFTER + LIMIT), Check::Wait(heard + AFTER));
    }
}
