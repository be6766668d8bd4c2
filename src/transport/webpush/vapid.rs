//! VAPID (RFC 8292): who sends, as a token per push service, signed with ES256.
//!
//! The configuration reads the key and the subject, sessions take their header from [`Tokens`]. Invariants: a token names the service's
//! origin and nothing of the subscriptions; it is made once per origin and used until an hour before its end, because services cache the
//! check of a signature and Apple counts changes; the private key is never printed. `reference/apns_webpush.md` 2.3 says why.

mod book;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey, EcPoint, PointConversionForm};
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::Private;
use openssl::sha::sha256;
use serde_json::json;

pub use self::book::{Token, Tokens};
use super::origin::Origin;
use crate::units::Secret;

/// How long a token is valid; the services take up to a day.
const LIFETIME: Duration = Duration::from_secs(12 * 3600);

/// Bytes of either half of a signature (RFC 7518 section 3.4).
const HALF: i32 = 32;

/// The key that the subscriptions were made with, checked; the default one cannot sign.
#[derive(Clone, Default, PartialEq)]
pub struct Key {
    secret: Secret,
    /// Its public half in base64url: `applicationServerKey` in the browser, `k=` in the header.
    pub public: String,
}

/// What is wrong with a key; never quotes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is neither PEM nor base64url.
    #[error("is neither PEM nor 32 bytes of base64url (hint: the private key, not the public one)")]
    Form,
    /// It is the key of something else.
    #[error("is no private key of the curve P-256 (hint: openssl ecparam -name prime256v1 -genkey -noout)")]
    Curve,
}

// === impl Key ===

impl Key {
    /// Reads a private key: PEM (PKCS#8 or SEC 1) or the bare number in base64url, as the browsers' tools write it.
    ///
    /// # Errors
    /// [`KeyError`] if it cannot sign with ES256.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let key = private_key(text.trim())?;
        let group = p256().map_err(|_| KeyError::Curve)?;
        let public = public_bytes(&key, &group).map_err(|_| KeyError::Curve)?;
        Ok(Self { secret: Secret::new(text.trim()), public: URL_SAFE_NO_PAD.encode(public) })
    }

    /// Returns the header for a push service at `now`, and when its token ends.
    ///
    /// # Errors
    /// The library cannot sign.
    fn sign(
        &self,
        origin: &Origin,
        subject: &str,
        now: SystemTime,
    ) -> Result<(HeaderValue, SystemTime), String> {
        let ends = now + LIFETIME;
        let exp = ends.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let encode = |part: serde_json::Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let header = encode(json!({"typ": "JWT", "alg": "ES256"}));
        let claims = encode(json!({"aud": origin.to_string(), "exp": exp, "sub": subject}));
        let signed = format!("{header}.{claims}");
        let key = private_key(self.secret.expose()).map_err(|error| error.to_string())?;
        let signature = signature(&key, signed.as_bytes()).map_err(|error| error.to_string())?;
        let text = format!("vapid t={signed}.{}, k={}", URL_SAFE_NO_PAD.encode(signature), self.public);
        let mut value = HeaderValue::try_from(text).map_err(|error| error.to_string())?;
        value.set_sensitive(true);
        Ok((value, ends))
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("public", &self.public).finish_non_exhaustive()
    }
}

/// Returns whether a service takes this `sub`: an address to reach the sender at.
///
/// Apple refuses addresses of local names and ones with spaces or brackets (`reference/apns_webpush.md` 2.4).
pub fn is_subject(text: &str) -> bool {
    let domain = match (text.strip_prefix("mailto:"), text.strip_prefix("https://")) {
        (Some(mail), _) => {
            mail.split_once('@').filter(|(name, _)| !name.is_empty()).map(|(_, domain)| domain)
        }
        (_, Some(page)) => {
            page.split(['/', '?', '#']).next().and_then(|authority| authority.split(':').next())
        }
        _ => None,
    };
    let is_public = |domain: &str| {
        let domain = domain.to_ascii_lowercase();
        let local = ["localhost", "local", "invalid", "test", "internal"];
        let plain = domain.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
        plain
            && domain.split('.').all(|label| !label.is_empty())
            && domain.contains('.')
            && !local.contains(&domain.rsplit('.').next().unwrap_or_default())
    };
    text.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\"\\".contains(&byte))
        && domain.is_some_and(is_public)
}

fn p256() -> Result<EcGroup, ErrorStack> {
    EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)
}

fn private_key(text: &str) -> Result<EcKey<Private>, KeyError> {
    if text.contains("-----BEGIN") {
        // With a passphrase, be it a wrong one, the library does not ask for one at the terminal.
        let any = openssl::pkey::PKey::private_key_from_pem_passphrase(text.as_bytes(), b"");
        let any = any.map_err(|_| KeyError::Form)?;
        let key = any.ec_key().map_err(|_| KeyError::Curve)?;
        let is_ours = key.group().curve_name() == Some(Nid::X9_62_PRIME256V1) && key.check_key().is_ok();
        return if is_ours { Ok(key) } else { Err(KeyError::Curve) };
    }
    let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).map_err(|_| KeyError::Form)?;
    if bytes.len() != HALF as usize {
        return Err(KeyError::Form);
    }
    from_number(&bytes).map_err(|_| KeyError::Curve)
}

fn from_number(bytes: &[u8]) -> Result<EcKey<Private>, ErrorStack> {
    let group = p256()?;
    let number = BigNum::from_slice(bytes)?;
    let mut public = EcPoint::new(&group)?;
    public.mul_generator2(&group, &number, &mut *BigNumContext::new()?)?;
    let key = EcKey::from_private_components(&group, &number, &public)?;
    key.check_key()?;
    Ok(key)
}

fn public_bytes(key: &EcKey<Private>, group: &EcGroup) -> Result<Vec<u8>, ErrorStack> {
    key.public_key().to_bytes(group, PointConversionForm::UNCOMPRESSED, &mut *BigNumContext::new()?)
}

/// ES256: both halves as they are, not in DER (RFC 7518 section 3.4).
fn signature(key: &EcKey<Private>, text: &[u8]) -> Result<Vec<u8>, ErrorStack> {
    let signature = EcdsaSig::sign(&sha256(text), key)?;
    let mut out = signature.r().to_vec_padded(HALF)?;
    out.extend(signature.s().to_vec_padded(HALF)?);
    Ok(out)
}

#[cfg(test)]
mod tests;
