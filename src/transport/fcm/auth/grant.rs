//! The request for an access token and what its answer means (RFC 7523, `reference/fcm.md` 2.1). Pure but for the signature's randomness.
//!
//! The shared tokens ask with it.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::StatusCode;
use ring::rand::SystemRandom;
use ring::signature::RSA_PKCS1_SHA256;
use serde::Deserialize;
use serde_json::json;

use super::account::{Account, AccountError};
use crate::outcome::bounded;

/// What the token is good for.
const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";

/// The longest that a signed request may be valid, in seconds.
const VALIDITY: u64 = 3600;

/// The lifetime of a token whose answer names none.
const DEFAULT_LIFETIME: u64 = 3600;

/// The longest lifetime that is believed, in seconds.
const LONGEST_LIFETIME: u64 = 86_400;

/// Statuses and words that mean that the same request may succeed later.
const PASSING_STATUSES: [u16; 5] = [408, 429, 500, 503, 504];
const PASSING_ERRORS: [&str; 3] = ["internal_failure", "server_error", "temporarily_unavailable"];

/// The most bytes of the provider's words that are kept.
const MAX_WORDS: usize = 256;

/// A token as it was given.
#[derive(Clone, PartialEq, Eq)]
pub struct Granted {
    /// The bearer token.
    pub token: String,
    /// How long it is valid.
    pub lifetime: Duration,
}

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// Asking again soon may help.
    #[error("{0}")]
    Passing(String),
    /// The account is not accepted; asking again soon is pointless.
    #[error("{0} (hint: is the key deleted, the account disabled, or this machine's clock wrong?)")]
    Final(String),
}

#[derive(Deserialize)]
struct Answer {
    access_token: Option<String>,
    expires_in: Option<u64>,
    error: Option<String>,
    error_description: Option<String>,
}

/// Returns the form to post to the account's `token_uri`; `now` is in seconds since 1970.
///
/// # Errors
/// The account's key cannot sign.
pub fn form(account: &Account, now: u64) -> Result<Bytes, AccountError> {
    let assertion = assertion(account, now)?;
    Ok(format!("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={assertion}")
        .into())
}

fn assertion(account: &Account, now: u64) -> Result<String, AccountError> {
    let mut header = json!({"alg": "RS256", "typ": "JWT"});
    if let Some(id) = &account.key_id {
        header["kid"] = json!(id);
    }
    let claims = json!({
        "iss": account.email, "scope": SCOPE, "aud": account.token_uri.to_string(), "iat": now, "exp": now + VALIDITY,
    });
    let encode = |part: &serde_json::Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let signed = format!("{}.{}", encode(&header), encode(&claims));
    let pair = account.key_pair()?;
    let mut signature = vec![0; pair.public().modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
        .map_err(|error| AccountError::Key(error.to_string()))?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// Returns the token in an answer.
///
/// # Errors
/// [`GrantError`], which says whether to ask again.
pub fn read(status: StatusCode, body: &[u8]) -> Result<Granted, GrantError> {
    let answer = serde_json::from_slice::<Answer>(body).ok();
    if status.is_success()
        && let Some(token) = answer.as_ref().and_then(|answer| answer.access_token.clone())
    {
        let lifetime = answer.and_then(|answer| answer.expires_in).unwrap_or(DEFAULT_LIFETIME);
        if lifetime == 0 {
            return Err(GrantError::Passing(
                "the token service gave a token that has expired already".into(),
            ));
        }
        return Ok(Granted { token, lifetime: Duration::from_secs(lifetime.min(LONGEST_LIFETIME)) });
    }
    let (error, description) = answer
        .map(|answer| (answer.error.unwrap_or_default(), answer.error_description.unwrap_or_default()))
        .unwrap_or_default();
    let words = format!("the token service answered {status} {error} {description}");
    let words = bounded(words.trim(), MAX_WORDS).into_string();
    let passes = PASSING_STATUSES.contains(&status.as_u16()) || PASSING_ERRORS.contains(&error.as_str());
    // A success without a token, or a page of some proxy, says nothing about the account.
    if passes || !status.is_client_error() {
        Err(GrantError::Passing(words))
    } else {
        Err(GrantError::Final(words))
    }
}

impl std::fmt::Debug for Granted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Granted").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use openssl::hash::MessageDigest;
    use openssl::pkey::PKey;
    use openssl::sign::Verifier;

    use super::super::account::fixture;
    use super::*;

    #[test]
    fn another_library_accepts_the_signature_and_reads_the_claims() {
        let account = fixture::account("https://tokens.example/token");
        let form = form(&account, 1_700_000_000).unwrap();
        let assertion = std::str::from_utf8(&form).unwrap().rsplit('=').next().unwrap();
        let (signed, signature) = assertion.rsplit_once('.').unwrap();
        let key = PKey::private_key_from_pem(fixture::KEY.as_bytes()).unwrap();
        let mut verifier = Verifier::new(MessageDigest::sha256(), &key).unwrap();
        verifier.update(signed.as_bytes()).unwrap();
        assert!(verifier.verify(&URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap());
        let parts: Vec<serde_json::Value> = signed
            .split('.')
            .map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap())
            .collect();
        assert_eq!(parts[0], json!({"alg": "RS256", "typ": "JWT", "kid": "k1"}));
        assert_eq!(
            parts[1],
            json!({"iss": account.email, "scope": SCOPE, "aud": "https://tokens.example/token",
                   "iat": 1_700_000_000, "exp": 1_700_003_600})
        );
    }

    /// It would have to be asked for again at once, without end.
    const DEAD: &str = r#"{"access_token":"t","expires_in":0}"#;

    #[test]
    fn answers_tell_a_token_from_a_passing_and_a_final_refusal() {
        let read = |status: u16, body: &str| read(StatusCode::from_u16(status).unwrap(), body.as_bytes());
        let granted = read(200, r#"{"access_token":"t","expires_in":3599,"token_type":"Bearer"}"#).unwrap();
        assert_eq!((granted.token.as_str(), granted.lifetime.as_secs()), ("t", 3599));
        assert_eq!(read(200, r#"{"access_token":"t"}"#).unwrap().lifetime.as_secs(), DEFAULT_LIFETIME);
        let passing = [
            (503, ""),
            (429, "{}"),
            (400, r#"{"error":"server_error"}"#),
            (200, "<html>"),
            (302, ""),
            (200, DEAD),
        ];
        for (status, body) in passing {
            assert!(matches!(read(status, body), Err(GrantError::Passing(_))), "{status} {body}");
        }
        let refused = read(400, r#"{"error":"invalid_grant","error_description":"Invalid JWT Signature."}"#)
            .unwrap_err();
        assert!(
            matches!(&refused, GrantError::Final(_)) && refused.to_string().contains("Invalid JWT"),
            "{refused}"
        );
        assert!(matches!(read(401, "<html>"), Err(GrantError::Final(_))));
    }
}
