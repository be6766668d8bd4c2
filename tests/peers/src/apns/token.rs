//! Provider tokens: signature, claims, age, and how often a connection changes them (`reference/apns_webpush.md` 1.2).
//!
//! The service keeps the tokens of each connection. Times are given.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::bn::BigNum;
use openssl::ecdsa::EcdsaSig;
use openssl::hash::{MessageDigest, hash};
use openssl::pkey::{PKey, Public};
use serde_json::Value;

use super::account::{KEY_ID, TEAM};

/// How far a client's clock may be ahead, in seconds.
const SKEW: u64 = 300;

/// The rules of age.
#[derive(Debug, Clone, Copy)]
pub struct Ages {
    /// Older tokens are expired.
    pub most: Duration,
    /// No new token sooner than this after the last, on one connection.
    pub least: Duration,
}

/// What a connection has shown so far.
#[derive(Debug, Default)]
pub struct Shown {
    last: Option<Known>,
}

#[derive(Debug)]
struct Known {
    token: String,
    since: Instant,
    issued: u64,
}

/// What is wrong with a token: Apple's reason, and whether no careful client would have sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// The reason's code.
    pub code: &'static str,
    /// Whether it is a violation.
    pub is_violation: bool,
}

impl Shown {
    /// Judges an `authorization` header; `unix` is in seconds since 1970.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(
        &mut self,
        header: Option<&str>,
        key: &PKey<Public>,
        ages: Ages,
        (now, unix): (Instant, u64),
    ) -> Result<(), Refused> {
        let refused = |code, is_violation| Refused { code, is_violation };
        let token = header.and_then(|text| text.strip_prefix("bearer "));
        let token = token.ok_or(refused("MISSING_PROVIDER_TOKEN", true))?;
        let known = self.last.as_ref();
        let issued = match known.filter(|known| known.token == token) {
            Some(known) => known.issued,
            None => read(token, key).ok_or(refused("INVALID_PROVIDER_TOKEN", true))?,
        };
        if issued > unix + SKEW {
            return Err(refused("INVALID_PROVIDER_TOKEN", true));
        }
        if unix.saturating_sub(issued) > ages.most.as_secs() {
            return Err(refused("EXPIRED_PROVIDER_TOKEN", false));
        }
        let is_same = known.is_some_and(|known| known.token == token);
        if known.is_some_and(|known| !is_same && now.saturating_duration_since(known.since) < ages.least) {
            return Err(refused("TOO_MANY_PROVIDER_TOKEN_UPDATES", true));
        }
        if !is_same {
            self.last = Some(Known { token: token.to_owned(), since: now, issued });
        }
        Ok(())
    }
}

/// Returns when a token was issued, if the team's key signed it and it says what it must.
fn read(token: &str, key: &PKey<Public>) -> Option<u64> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let part =
        |text: &str| -> Option<Value> { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok() };
    let (header, claims) = (part(header)?, part(claims)?);
    if header["alg"] != "ES256" || header["kid"] != KEY_ID || claims["iss"] != TEAM {
        return None;
    }
    let signature = URL_SAFE_NO_PAD.decode(signature).ok().filter(|bytes| bytes.len() == 64)?;
    let number = |bytes: &[u8]| BigNum::from_slice(bytes).ok();
    let signature =
        EcdsaSig::from_private_components(number(&signature[..32])?, number(&signature[32..])?).ok()?;
    let digest = hash(MessageDigest::sha256(), signed.as_bytes()).ok()?;
    let is_signed = signature.verify(&digest, &*key.ec_key().ok()?).ok()?;
    is_signed.then(|| claims["iat"].as_u64()).flatten()
}

#[cfg(test)]
mod tests {
    use openssl::ec::{EcGroup, EcKey};
    use openssl::nid::Nid;
    use openssl::pkey::Private;
    use serde_json::json;

    use super::*;

    const AGES: Ages = Ages { most: Duration::from_secs(3600), least: Duration::from_secs(1200) };
    const UNIX: u64 = 1_700_000_000;

    fn key() -> EcKey<Private> {
        EcKey::generate(&EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap()).unwrap()
    }

    fn signed(key: &EcKey<Private>, header: &Value, claims: &Value) -> String {
        let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let text = format!("{}.{}", encode(header), encode(claims));
        let digest = hash(MessageDigest::sha256(), text.as_bytes()).unwrap();
        let signature = EcdsaSig::sign(&digest, key).unwrap();
        let mut bytes = signature.r().to_vec_padded(32).unwrap();
        bytes.extend(signature.s().to_vec_padded(32).unwrap());
        format!("bearer {text}.{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    fn token(key: &EcKey<Private>, issued: u64) -> String {
        signed(key, &json!({"alg": "ES256", "kid": KEY_ID}), &json!({"iss": TEAM, "iat": issued}))
    }

    fn public(key: &EcKey<Private>) -> PKey<Public> {
        let key = PKey::from_ec_key(key.clone()).unwrap();
        PKey::public_key_from_pem(&key.public_key_to_pem().unwrap()).unwrap()
    }

    fn code(result: Result<(), Refused>) -> &'static str {
        result.err().map_or("", |refused| refused.code)
    }

    #[test]
    fn only_the_team_s_own_tokens_are_taken() {
        let (own, other) = (key(), key());
        let public = public(&own);
        let now = Instant::now();
        let check = |header: Option<&str>| code(Shown::default().check(header, &public, AGES, (now, UNIX)));
        assert_eq!(check(Some(&token(&own, UNIX))), "");
        assert_eq!(check(None), "MISSING_PROVIDER_TOKEN");
        let claims = json!({"iss": TEAM, "iat": UNIX});
        for wrong in [
            token(&other, UNIX),
            token(&own, UNIX + 301),
            signed(&own, &json!({"alg": "ES256", "kid": "OTHER"}), &claims),
            signed(&own, &json!({"alg": "RS256", "kid": KEY_ID}), &claims),
            signed(&own, &json!({"alg": "ES256", "kid": KEY_ID}), &json!({"iss": "OTHER", "iat": UNIX})),
            signed(&own, &json!({"alg": "ES256", "kid": KEY_ID}), &json!({"iss": TEAM})),
            "bearer x".to_owned(),
        ] {
            assert_eq!(check(Some(&wrong)), "INVALID_PROVIDER_TOKEN");
        }
    }

    #[test]
    fn a_token_ages_and_may_not_be_changed_too_soon() {
        let own = key();
        let public = public(&own);
        let start = Instant::now();
        let mut shown = Shown::default();
        let mut check = |issued: u64, passed: u64| {
            let at = (start + Duration::from_secs(passed), UNIX + passed);
            code(shown.check(Some(&token_cached(&own, issued)), &public, AGES, at))
        };
        assert_eq!(check(UNIX, 0), "");
        assert_eq!(check(UNIX + 1199, 1199), "TOO_MANY_PROVIDER_TOKEN_UPDATES");
        assert_eq!(check(UNIX, 3600), "");
        assert_eq!(check(UNIX, 3601), "EXPIRED_PROVIDER_TOKEN");
        assert_eq!(check(UNIX + 3601, 3601), "");
    }

    /// Signatures are random, so the same claims would be another token.
    fn token_cached(key: &EcKey<Private>, issued: u64) -> String {
        thread_local!(static MADE: std::cell::RefCell<std::collections::HashMap<u64, String>> = std::cell::RefCell::default());
        MADE.with_borrow_mut(|made| made.entry(issued).or_insert_with(|| token(key, issued)).clone())
    }
}
