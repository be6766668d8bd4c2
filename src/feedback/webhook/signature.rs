//! The signature under a webhook's body, by which the receiver knows that it is ours and fresh. Pure.
//!
//! `t=<seconds since 1970>,v1=<hex HMAC-SHA256 of "<t>.<body>">`, as several well-known services have it, so that libraries exist.

use std::fmt::Write;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::units::Secret;

/// Returns the header's value.
pub(super) fn sign(secret: &Secret, seconds: u64, body: &[u8]) -> String {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).expect("HMAC takes keys of any length");
    mac.update(seconds.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    let mut value = format!("t={seconds},v1=");
    for byte in mac.finalize().into_bytes() {
        // Writing to text cannot fail.
        let _ = write!(value, "{byte:02x}");
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_body_has_the_signature_that_other_tools_compute() {
        // printf '1700000000.{"results":[]}' | openssl dgst -sha256 -hmac whsec
        let expected = "5075469c70331911b298dfd08d9195b2b70543ad39bdd3ba84f2370d3bdca478";
        let value = sign(&Secret::new("whsec"), 1_700_000_000, b"{\"results\":[]}");
        assert_eq!(value, format!("t=1700000000,v1={expected}"));
    }
}
