//! The token service: checks a signed request (RFC 7523) and remembers the tokens it gave out.
//!
//! Called for `POST /token` and for the credential of every push. Times are given.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::hash::MessageDigest;
use openssl::sign::Verifier;
use serde_json::Value;

use super::account::{Account, EMAIL, KEY_ID};

const GRANT: &str = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer";
const SCOPES: [&str; 2] =
    ["https://www.googleapis.com/auth/firebase.messaging", "https://www.googleapis.com/auth/cloud-platform"];

/// How far a client's clock may be ahead, in seconds.
const SKEW: u64 = 300;

/// The longest that a request may be valid, in seconds.
const LONGEST: u64 = 3600;

/// What a credential is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    /// Valid.
    Fine,
    /// Given out once, and expired or revoked since.
    Stale,
    /// Never given out.
    Unknown,
}

/// The tokens given out.
#[derive(Debug, Default)]
pub struct Tokens {
    ends: HashMap<String, Option<Instant>>,
    /// How many were given out.
    pub granted: u64,
    /// How many requests were refused.
    pub refused: u64,
    /// How many messages were validated and not delivered.
    pub dry_runs: u64,
}

impl Tokens {
    /// Gives out a token.
    pub fn grant(&mut self, now: Instant, lifetime: Duration) -> String {
        self.granted += 1;
        let token = format!("ya29.double-{}-{:016x}", self.granted, fastrand::u64(..));
        self.ends.insert(token.clone(), Some(now + lifetime));
        token
    }

    /// Makes every token invalid.
    pub fn revoke(&mut self) {
        self.ends.values_mut().for_each(|end| *end = None);
    }

    /// Says what an `authorization` header is worth.
    #[must_use]
    pub fn check(&self, header: Option<&str>, now: Instant) -> Credential {
        let token = header.and_then(|text| text.strip_prefix("Bearer "));
        match token.and_then(|token| self.ends.get(token)) {
            None => Credential::Unknown,
            Some(Some(end)) if now < *end => Credential::Fine,
            Some(_) => Credential::Stale,
        }
    }
}

/// Checks the form of a request for a token; `now` is in seconds since 1970.
///
/// # Errors
/// What is wrong, in Google's manner.
pub fn check(account: &Account, form: &str, now: u64) -> Result<(), String> {
    let mut fields = form.split('&');
    if !fields.any(|field| field == GRANT) {
        return Err("unsupported grant_type".to_owned());
    }
    let assertion = form.split('&').find_map(|field| field.strip_prefix("assertion="));
    let assertion = assertion.ok_or("Missing parameter: assertion")?;
    let (signed, signature) = assertion.rsplit_once('.').ok_or("Invalid JWT: no signature")?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| "Invalid JWT: bad base64")?;
    let is_signed = Verifier::new(MessageDigest::sha256(), &account.key)
        .and_then(|mut verifier| verifier.verify_oneshot(&signature, signed.as_bytes()));
    if !matches!(is_signed, Ok(true)) {
        return Err("Invalid JWT Signature.".to_owned());
    }
    let part =
        |text: &str| -> Option<Value> { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok() };
    let (header, claims) = signed.split_once('.').ok_or("Invalid JWT: two parts")?;
    let header = part(header).ok_or("Invalid JWT header")?;
    let claims = part(claims).ok_or("Invalid JWT claims")?;
    if header["alg"] != "RS256" || header["kid"] != KEY_ID {
        return Err("Invalid JWT header: alg or kid".to_owned());
    }
    check_claims(account, &claims, now)
}

fn check_claims(account: &Account, claims: &Value, now: u64) -> Result<(), String> {
    if claims["iss"] != EMAIL {
        return Err("Invalid JWT: iss".to_owned());
    }
    if claims["aud"] != account.token_uri {
        return Err("Invalid JWT: Failed audience check.".to_owned());
    }
    if !claims["scope"].as_str().is_some_and(|scope| scope.split(' ').any(|one| SCOPES.contains(&one))) {
        return Err("invalid_scope".to_owned());
    }
    let (Some(issued), Some(end)) = (claims["iat"].as_u64(), claims["exp"].as_u64()) else {
        return Err("Invalid JWT: iat and exp must be numbers".to_owned());
    };
    if issued > now + SKEW || end <= now || end > issued + LONGEST {
        return Err(
            "Invalid JWT: Token must be a short-lived token and in a reasonable timeframe.".to_owned()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use openssl::pkey::PKey;
    use openssl::sign::Signer;
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_request_that_the_account_signed_gets_a_token() {
        let directory = tempfile::tempdir().unwrap();
        let account = Account::prepare(directory.path(), "127.0.0.1:9".parse().unwrap()).unwrap();
        let file: Value =
            serde_json::from_slice(&std::fs::read(directory.path().join("service-account.json")).unwrap())
                .unwrap();
        let key = PKey::private_key_from_pem(file["private_key"].as_str().unwrap().as_bytes()).unwrap();
        let form = |change: &dyn Fn(&mut Value)| {
            let mut claims = json!({"iss": file["client_email"], "scope": SCOPES[0], "aud": file["token_uri"], "iat": 1000, "exp": 4600});
            change(&mut claims);
            let encode = |part: Value| URL_SAFE_NO_PAD.encode(part.to_string());
            let signed = format!(
                "{}.{}",
                encode(json!({"alg": "RS256", "kid": file["private_key_id"]})),
                encode(claims)
            );
            let mut signer = Signer::new(MessageDigest::sha256(), &key).unwrap();
            let signature = signer.sign_oneshot_to_vec(signed.as_bytes()).unwrap();
            format!("{GRANT}&assertion={signed}.{}", URL_SAFE_NO_PAD.encode(signature))
        };
        assert_eq!(check(&account, &form(&|_| ()), 1010), Ok(()));
        for (name, value) in [
            ("iss", json!("x")),
            ("aud", json!("x")),
            ("scope", json!("x")),
            ("exp", json!(9999)),
            ("iat", json!(9000)),
        ] {
            assert!(check(&account, &form(&|claims| claims[name] = value.clone()), 1010).is_err(), "{name}");
        }
        assert!(check(&account, &form(&|_| ()), 4600).is_err(), "expired");
        let forged = form(&|_| ()).replace("assertion=e", "assertion=f");
        assert_eq!(check(&account, &forged, 1010), Err("Invalid JWT Signature.".to_owned()));
    }

    #[test]
    fn tokens_end_by_time_or_revocation_and_inventions_are_told_apart() {
        let now = Instant::now();
        let mut tokens = Tokens::default();
        let header = format!("Bearer {}", tokens.grant(now, Duration::from_secs(5)));
        assert_eq!(tokens.check(Some(&header), now), Credential::Fine);
        assert_eq!(tokens.check(Some(&header), now + Duration::from_secs(5)), Credential::Stale);
        tokens.revoke();
        assert_eq!(tokens.check(Some(&header), now), Credential::Stale);
        assert_eq!(tokens.check(Some("Bearer x"), now), Credential::Unknown);
        assert_eq!(tokens.check(None, now), Credential::Unknown);
    }
}
