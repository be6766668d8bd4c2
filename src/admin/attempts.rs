//! Failed logins by address: whoever guesses has to wait. Pure and bounded.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use tokio::time::Instant;

/// Failures within [`WINDOW`] after which an address waits until the window is over.
const MOST: u32 = 10;
const WINDOW: Duration = Duration::from_secs(60);
/// Addresses remembered; the oldest makes room.
const ADDRESSES: usize = 4_096;

/// Failures of one address.
#[derive(Debug, Clone, Copy)]
struct Failures {
    since: Instant,
    count: u32,
}

/// The failures of all addresses.
#[derive(Debug, Default)]
pub(super) struct Attempts(HashMap<IpAddr, Failures>);

// === impl Attempts ===

impl Attempts {
    /// Returns how long an address has to wait, if it has.
    pub(super) fn wait(&self, from: IpAddr, now: Instant) -> Option<Duration> {
        let failures = self.0.get(&network(from)).filter(|failures| failures.count >= MOST)?;
        WINDOW.checked_sub(now.duration_since(failures.since)).filter(|wait| !wait.is_zero())
    }

    /// Counts a failure.
    pub(super) fn fail(&mut self, from: IpAddr, now: Instant) {
        if self.0.len() >= ADDRESSES {
            self.0.retain(|_, failures| now.duration_since(failures.since) < WINDOW);
        }
        if self.0.len() >= ADDRESSES
            && let Some(oldest) =
                self.0.iter().min_by_key(|(_, failures)| failures.since).map(|(address, _)| *address)
        {
            self.0.remove(&oldest);
        }
        let failures = self.0.entry(network(from)).or_insert(Failures { since: now, count: 0 });
        if now.duration_since(failures.since) >= WINDOW {
            *failures = Failures { since: now, count: 0 };
        }
        failures.count += 1;
    }

    /// Forgets the failures of an address that has proved to be an operator's.
    pub(super) fn succeed(&mut self, from: IpAddr) {
        self.0.remove(&network(from));
    }
}

/// Who has one IPv6 address has the 2^64 of its network.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let bits = address.to_bits() >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from_bits(bits))
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn ten_failures_within_a_minute_bar_an_address_until_it_is_over() {
        let (start, guesser) = (Instant::now(), address("10.0.0.1"));
        let mut attempts = Attempts::default();
        for second in 0..10 {
            assert_eq!(attempts.wait(guesser, start), None);
            attempts.fail(guesser, start + Duration::from_secs(second));
        }
        let later = start + Duration::from_secs(20);
        assert_eq!(attempts.wait(guesser, later), Some(Duration::from_secs(40)));
        assert_eq!(attempts.wait(address("::ffff:10.0.0.1"), later), Some(Duration::from_secs(40)));
        assert_eq!(attempts.wait(address("10.0.0.2"), later), None);
        assert_eq!(attempts.wait(guesser, start + WINDOW), None);
        attempts.fail(guesser, start + WINDOW);
        assert_eq!(attempts.wait(guesser, start + WINDOW), None);
    }

    #[test]
    fn a_success_forgives_and_a_network_counts_as_one_address() {
        let (now, guesser) = (Instant::now(), address("2001:db8::1"));
        let mut attempts = Attempts::default();
        (0..9).for_each(|_| attempts.fail(guesser, now));
        attempts.succeed(guesser);
        (0..10).for_each(|_| attempts.fail(guesser, now));
        assert!(attempts.wait(address("2001:db8::ffff"), now).is_some());
        assert!(attempts.wait(address("2001:db8:0:1::1"), now).is_none());
    }

    #[test]
    fn a_crowd_does_not_grow_the_memory_without_bound() {
        let now = Instant::now();
        let mut attempts = Attempts::default();
        for number in 0..10_000_u32 {
            attempts.fail(IpAddr::V4(number.into()), now + Duration::from_millis(number.into()));
        }
        assert_eq!(attempts.0.len(), ADDRESSES);
    }
}
