//! Passwords and their hashes. Pure, and slow where it has to be: a guess at a hash costs milliseconds and megabytes.
//!
//! `config` reads hashes, `cli` makes them, and `credentials` compares; `http` sees to it that few are compared at a time.

use std::fmt;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use subtle::ConstantTimeEq;

use crate::units::Secret;

/// The most that one comparison may cost, so that a slip in the configuration does not make logins a way to exhaust the machine.
const MAX_MEMORY_KIB: u32 = 256 * 1_024;
const MAX_PASSES: u32 = 16;
const MAX_LANES: u32 = 16;
/// Longest password that is looked at.
const MAX_PASSWORD: usize = 1_024;

/// What a password is compared with.
#[derive(Debug, Clone, PartialEq)]
pub enum Proof {
    /// The password itself.
    Plain(Secret),
    /// Its Argon2id hash.
    Hash(Hashed),
}

/// An Argon2id hash in PHC form, `$argon2id$v=19$m=…,t=…,p=…$salt$hash`.
#[derive(Clone, PartialEq)]
pub struct Hashed(Box<PasswordHash>);

// === impl Proof ===

impl Proof {
    /// Returns whether a comparison takes so long that it must not happen on a thread that others wait for.
    pub const fn is_slow(&self) -> bool {
        matches!(self, Self::Hash(_))
    }

    /// Returns whether `given` is the password, in a time that does not tell how near it is.
    pub fn is(&self, given: &[u8]) -> bool {
        if given.len() > MAX_PASSWORD {
            return false;
        }
        match self {
            Self::Plain(password) => password.expose().as_bytes().ct_eq(given).into(),
            Self::Hash(hashed) => Argon2::default().verify_password(given, &*hashed.0).is_ok(),
        }
    }
}

// === impl Hashed ===

impl Hashed {
    /// Reads a hash.
    ///
    /// # Errors
    /// What is wrong with it, in words for the configuration's faults.
    pub fn read(text: &str) -> Result<Self, String> {
        let hash = PasswordHash::new(text).map_err(|error| format!("is not a PHC string: {error}"))?;
        if hash.algorithm.as_str() != "argon2id" {
            return Err(format!("is of {}, not of argon2id", hash.algorithm));
        }
        if hash.salt.is_none() || hash.hash.is_none() {
            return Err("has no salt or no hash".to_owned());
        }
        let params =
            Params::try_from(&hash).map_err(|error| format!("has parameters that do not work: {error}"))?;
        if params.m_cost() > MAX_MEMORY_KIB || params.t_cost() > MAX_PASSES || params.p_cost() > MAX_LANES {
            return Err(format!(
                "costs too much: at most m={MAX_MEMORY_KIB} KiB, t={MAX_PASSES}, p={MAX_LANES} are taken"
            ));
        }
        Ok(Self(Box::new(hash)))
    }
}

impl fmt::Debug for Hashed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Hashes a password with a salt of its own, by OWASP's first choice for Argon2id (19 MiB, 2 passes, 1 lane).
///
/// # Errors
/// The password is empty or longer than 1,024 bytes, or the system gives no randomness.
pub fn hash(password: &[u8]) -> Result<String, String> {
    if password.is_empty() || password.len() > MAX_PASSWORD {
        return Err(format!("a password has 1 to {MAX_PASSWORD} bytes, not {}", password.len()));
    }
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT);
    let hashed = argon2.hash_password(password).map_err(|error| format!("hash the password: {error}"))?;
    Ok(hashed.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_proves_its_password_and_no_other() {
        let (one, two) = (hash(b"pa:ss w\xc3\xb6rd").unwrap(), hash(b"pa:ss w\xc3\xb6rd").unwrap());
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$") && one != two, "a salt of its own: {one}");
        let proof = Proof::Hash(Hashed::read(&one).unwrap());
        assert!(proof.is_slow() && proof.is("pa:ss wörd".as_bytes()));
        for wrong in ["", "pa:ss", "pa:ss word", &one] {
            assert!(!proof.is(wrong.as_bytes()), "{wrong}");
        }
        assert_eq!(format!("{proof:?}"), "Hash(***)");
    }

    #[test]
    fn what_is_no_usable_hash_is_refused_with_a_reason() {
        let salted = "$c29tZXNhbHRzb21lc2FsdA$dGhpcnR5LXR3byBieXRlcyBvZiBub3RoaW5nIG11Y2g";
        let table = [
            ("secret".to_owned(), "PHC"),
            ("$2b$12$abcdefghijklmnopqrstuv".to_owned(), "PHC"),
            (format!("$argon2i$v=19$m=19456,t=2,p=1{salted}"), "argon2id"),
            ("$argon2id$v=19$m=19456,t=2,p=1".to_owned(), "no salt"),
            (format!("$argon2id$v=19$m=4194304,t=2,p=1{salted}"), "costs too much"),
            (format!("$argon2id$v=19$m=19456,t=99,p=1{salted}"), "costs too much"),
        ];
        for (text, reason) in table {
            let error = Hashed::read(&text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
        assert!(hash(b"").is_err() && hash(&[b'x'; 1_025]).is_err());
    }

    #[test]
    fn a_plain_password_is_compared_as_it_is() {
        let proof = Proof::Plain(Secret::new("s3same"));
        assert!(!proof.is_slow() && proof.is(b"s3same") && !proof.is(b"s3samE") && !proof.is(b""));
    }
}
