//! Who sends: the key that the subscriptions are bound to, and the check of what senders say (RFC 8292).
//!
//! The service asks [`Sender::check`] about every push. The key is in the directory as `vapid.pem`, for the sender to use.

use std::collections::HashSet;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcKey, PointConversionForm};
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use openssl::sha::sha256;
use parking_lot::Mutex;
use serde_json::Value;

use super::browser::{KeyError, file, p256};

/// The longest that a token may be valid, in seconds, and how far clocks may differ.
const LONGEST: u64 = 86_400;
const LEEWAY: u64 = 10;

/// Tokens that are remembered as verified.
const MOST_KNOWN: usize = 10_000;

/// What is wrong with a credential: a status word, and a text.
pub type Fault = (&'static str, String);

/// The sender.
pub struct Sender {
    key: EcKey<Private>,
    /// The public key in base64url.
    pub public: String,
    /// Verified tokens, with what they are good for.
    known: Mutex<HashSet<String>>,
}

impl Sender {
    /// Makes or reads the key in `directory`.
    ///
    /// # Errors
    /// [`KeyError`] when the directory cannot be used.
    pub fn prepare(directory: &Path) -> Result<Self, KeyError> {
        let text = file(&directory.join("vapid.pem"), || {
            let pem = PKey::from_ec_key(EcKey::generate(&*p256()?)?)?.private_key_to_pem_pkcs8()?;
            Ok(String::from_utf8_lossy(&pem).into_owned())
        })?;
        let key = PKey::private_key_from_pem(text.as_bytes())?.ec_key()?;
        let public = key.public_key().to_bytes(
            &*p256()?,
            PointConversionForm::UNCOMPRESSED,
            &mut *BigNumContext::new()?,
        )?;
        Ok(Self { key, public: URL_SAFE_NO_PAD.encode(public), known: Mutex::default() })
    }

    /// Returns how many different tokens were verified.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.known.lock().len()
    }

    /// Forgets which tokens were verified.
    pub fn reset(&self) {
        self.known.lock().clear();
    }

    /// Checks an `Authorization` for pushes to `origin` at `now` (seconds since 1970).
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, header: Option<&str>, origin: &str, now: u64) -> Result<(), Fault> {
        let unauthorized = |text: &str| ("UNAUTHORIZED", text.to_owned());
        let header = header.ok_or_else(|| unauthorized("no Authorization"))?;
        let parameters = header.strip_prefix("vapid ").ok_or_else(|| unauthorized("not the vapid scheme"))?;
        let parameter = |name: &str| {
            parameters.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))
        };
        let token = parameter("t").ok_or_else(|| unauthorized("no t="))?;
        let key = parameter("k").ok_or_else(|| unauthorized("no k="))?;
        if key != self.public {
            let text = "the VAPID credentials in the authorization header do not correspond to the credentials used to create the subscriptions.";
            return Err(("FORBIDDEN", text.to_owned()));
        }
        let (signed, signature) = token.rsplit_once('.').ok_or_else(|| unauthorized("t= is no JWT"))?;
        if !self.known.lock().contains(token) && !self.is_signed(signed, signature).unwrap_or(false) {
            return Err(unauthorized("the signature is wrong"));
        }
        claims(signed, origin, now)?;
        let mut known = self.known.lock();
        if known.len() < MOST_KNOWN {
            known.insert(token.to_owned());
        }
        Ok(())
    }

    fn is_signed(&self, signed: &str, signature: &str) -> Result<bool, ErrorStack> {
        let Ok(bytes) = URL_SAFE_NO_PAD.decode(signature) else { return Ok(false) };
        let Some((r, s)) = bytes.split_at_checked(32).filter(|_| bytes.len() == 64) else {
            return Ok(false);
        };
        let signature = EcdsaSig::from_private_components(BigNum::from_slice(r)?, BigNum::from_slice(s)?)?;
        signature.verify(&sha256(signed.as_bytes()), &self.key)
    }
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sender").field("public", &self.public).finish_non_exhaustive()
    }
}

fn claims(signed: &str, origin: &str, now: u64) -> Result<(), Fault> {
    let fault = |text: String| Err(("UNAUTHORIZED", text));
    let part =
        |text: &str| -> Option<Value> { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok() };
    let Some((header, claims)) = signed.split_once('.').and_then(|(a, b)| Some((part(a)?, part(b)?))) else {
        return fault("t= is no JWT".to_owned());
    };
    if header["alg"] != "ES256" {
        return fault(format!("alg is {}", header["alg"]));
    }
    if claims["aud"] != origin {
        return fault(format!("aud is {} instead of {origin:?}", claims["aud"]));
    }
    match claims["exp"].as_u64() {
        Some(exp) if exp + LEEWAY < now => return fault("exp has passed".to_owned()),
        Some(exp) if exp > now + LONGEST + LEEWAY => return fault("exp is more than a day ahead".to_owned()),
        Some(_) => {}
        None => return fault("there is no exp".to_owned()),
    }
    let subject = claims["sub"].as_str().unwrap_or_default();
    if !subject.starts_with("mailto:") && !subject.starts_with("https://") {
        return fault(format!("sub is {}", claims["sub"]));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: u64 = 1_795_305_600;
    const ORIGIN: &str = "https://localhost:5444";

    fn header(sender: &Sender, claims: &Value) -> String {
        let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", encode(&json!({"typ": "JWT", "alg": "ES256"})), encode(claims));
        let signature = EcdsaSig::sign(&sha256(signed.as_bytes()), &sender.key).unwrap();
        let mut bytes = signature.r().to_vec_padded(32).unwrap();
        bytes.extend(signature.s().to_vec_padded(32).unwrap());
        format!("vapid t={signed}.{}, k={}", URL_SAFE_NO_PAD.encode(bytes), sender.public)
    }

    #[test]
    fn a_sender_is_taken_only_if_every_word_is_right() {
        let directory = tempfile::tempdir().unwrap();
        let sender = Sender::prepare(directory.path()).unwrap();
        let good = json!({"aud": ORIGIN, "exp": NOW + 3_600, "sub": "mailto:a@example.com"});
        let fine = header(&sender, &good);
        assert_eq!(sender.check(Some(&fine), ORIGIN, NOW), Ok(()));
        assert_eq!(sender.check(Some(&fine), ORIGIN, NOW), Ok(()));
        assert_eq!(sender.tokens(), 1);
        assert!(sender.check(Some(&fine), ORIGIN, NOW + 3_700).is_err(), "a known token ends, too");
        assert!(sender.check(Some(&fine), "https://127.0.0.1:5444", NOW).is_err());
        for (name, value) in [
            ("aud", json!("https://elsewhere.example")),
            ("exp", json!(NOW - 3_600)),
            ("exp", json!(NOW + 90_000)),
            ("exp", json!(null)),
            ("sub", json!("me")),
        ] {
            let mut claims = good.clone();
            claims[name] = value;
            let refused = sender.check(Some(&header(&sender, &claims)), ORIGIN, NOW);
            assert_eq!(refused.unwrap_err().0, "UNAUTHORIZED", "{claims}");
        }
        let other = Sender::prepare(tempfile::tempdir().unwrap().path()).unwrap();
        assert_eq!(sender.check(Some(&header(&other, &good)), ORIGIN, NOW).unwrap_err().0, "FORBIDDEN");
        let forged = header(&other, &good).replace(&other.public, &sender.public);
        assert_eq!(sender.check(Some(&forged), ORIGIN, NOW).unwrap_err().1, "the signature is wrong");
        for none in [None, Some("Bearer x"), Some("vapid k=x"), Some("vapid t=x")] {
            assert!(sender.check(none, ORIGIN, NOW).is_err(), "{none:?}");
        }
        assert_eq!(Sender::prepare(directory.path()).unwrap().public, sender.public);
    }
}
