//! The key that signs provider tokens: Apple's `.p8` file with its key id and team.
//!
//! The configuration parses it, the shared tokens sign with it. Pure but for the signature's randomness.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::HeaderValue;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::json;

use crate::units::Secret;

/// A signing key, checked; the default one cannot sign.
#[derive(Clone, Default, PartialEq)]
pub struct Key {
    /// The team's id, 10 characters.
    pub team: String,
    /// The key's id, 10 characters.
    pub id: String,
    /// The PEM text, which was parsed once.
    pem: Secret,
}

/// What is wrong with a key; never quotes it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is no PEM.
    #[error("is not a key in PEM (hint: the .p8 file begins with -----BEGIN PRIVATE KEY-----)")]
    Pem,
    /// It cannot sign.
    #[error("cannot be used: {0} (hint: a P-256 key in PKCS#8 is needed, as Apple's .p8 file holds)")]
    Kind(String),
}

// === impl Key ===

impl Key {
    /// Reads the text of a `.p8` file.
    ///
    /// # Errors
    /// [`KeyError`] for what keeps it from signing.
    pub fn parse(team: &str, id: &str, pem: &str) -> Result<Self, KeyError> {
        let key = Self { team: team.to_owned(), id: id.to_owned(), pem: Secret::new(pem) };
        key.key_pair()?;
        Ok(key)
    }

    /// Returns the key with another team and id.
    #[must_use]
    pub fn of(self, team: &str, id: &str) -> Self {
        Self { team: team.to_owned(), id: id.to_owned(), ..self }
    }

    /// Returns `bearer …` for a token that is issued now, in seconds since 1970 (`reference/apns_webpush.md` 1.2).
    ///
    /// # Errors
    /// The key cannot sign.
    pub fn sign(&self, now: u64) -> Result<HeaderValue, KeyError> {
        let encode = |part: serde_json::Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let header = encode(json!({"alg": "ES256", "kid": self.id}));
        let claims = encode(json!({"iss": self.team, "iat": now}));
        let signed = format!("{header}.{claims}");
        let signature = self
            .key_pair()?
            .sign(&SystemRandom::new(), signed.as_bytes())
            .map_err(|error| KeyError::Kind(error.to_string()))?;
        let token = format!("bearer {signed}.{}", URL_SAFE_NO_PAD.encode(signature));
        // Base64 and dots are always fit for a header.
        let mut value = HeaderValue::try_from(token).map_err(|error| KeyError::Kind(error.to_string()))?;
        value.set_sensitive(true);
        Ok(value)
    }

    fn key_pair(&self) -> Result<EcdsaKeyPair, KeyError> {
        let lines = self.pem.expose().lines().map(str::trim);
        let body: String = lines
            .skip_while(|line| *line != "-----BEGIN PRIVATE KEY-----")
            .skip(1)
            .take_while(|line| *line != "-----END PRIVATE KEY-----")
            .collect();
        let der = STANDARD.decode(&body).map_err(|_| KeyError::Pem)?;
        if der.is_empty() {
            return Err(KeyError::Pem);
        }
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der, &SystemRandom::new())
            .map_err(|error| KeyError::Kind(error.to_string()))
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("team", &self.team).field("id", &self.id).finish_non_exhaustive()
    }
}

/// Keys for tests.
#[cfg(test)]
pub mod fixture {
    use openssl::ec::{EcGroup, EcKey};
    use openssl::nid::Nid;
    use openssl::pkey::{PKey, Private};

    use super::Key;

    /// A fresh key of another library.
    pub fn pair() -> PKey<Private> {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
    }

    /// The text of its `.p8` file.
    pub fn pem(pair: &PKey<Private>) -> String {
        String::from_utf8(pair.private_key_to_pem_pkcs8().unwrap()).unwrap()
    }

    /// A fresh key of a team.
    pub fn key() -> Key {
        Key::parse("TEAM123456", "KEY1234567", &pem(&pair())).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use openssl::bn::BigNum;
    use openssl::ecdsa::EcdsaSig;
    use openssl::pkey::PKey;

    use super::*;

    #[test]
    fn another_library_verifies_the_token_and_it_says_no_more_than_apple_wants() {
        let pair = fixture::pair();
        let key = Key::parse("TEAM123456", "KEY1234567", &fixture::pem(&pair)).unwrap();
        let header = key.sign(1_700_000_000).unwrap();
        assert!(header.is_sensitive());
        let token = header.to_str().unwrap().strip_prefix("bearer ").unwrap();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        assert_eq!(signature.len(), 64, "r and s as JOSE wants them");
        let number = |bytes: &[u8]| BigNum::from_slice(bytes).unwrap();
        let signature = EcdsaSig::from_private_components(number(&signature[..32]), number(&signature[32..]));
        let hash = openssl::hash::hash(openssl::hash::MessageDigest::sha256(), signed.as_bytes()).unwrap();
        assert!(signature.unwrap().verify(&hash, &pair.ec_key().unwrap()).unwrap());
        let parts: Vec<serde_json::Value> = signed
            .split('.')
            .map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap())
            .collect();
        assert_eq!(parts[0], json!({"alg": "ES256", "kid": "KEY1234567"}));
        assert_eq!(parts[1], json!({"iss": "TEAM123456", "iat": 1_700_000_000}));
    }

    #[test]
    fn a_file_as_apple_writes_it_is_taken() {
        // Apple's files name the curve a second time inside the key (RFC 5915 `parameters`), openssl's do not.
        let pair = fixture::pair();
        let ec = pair.ec_key().unwrap();
        let (inner, curve) =
            (ec.private_key_to_der().unwrap(), [0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7]);
        assert!(inner.windows(curve.len()).any(|window| window == curve));
        let id_ec_public_key = [0x06, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
        let mut algorithm = vec![0x30, 19];
        algorithm.extend([&id_ec_public_key[..], &curve[..]].concat());
        let mut der = vec![0x02, 1, 0];
        der.extend(algorithm);
        der.extend([0x04, u8::try_from(inner.len()).unwrap()]);
        der.extend(inner);
        let mut file = vec![0x30, 0x81, u8::try_from(der.len()).unwrap()];
        file.extend(der);
        let pem = format!(
            "-----BEGIN PRIVATE KEY-----\r\n{}\r\n-----END PRIVATE KEY-----\r\n",
            STANDARD.encode(file)
        );
        assert!(PKey::private_key_from_pem(pem.as_bytes()).is_ok());
        assert!(Key::parse("T", "K", &pem).is_ok());
    }

    #[test]
    fn what_cannot_sign_is_refused_without_being_quoted() {
        assert_eq!(Key::parse("T", "K", "s3cret"), Err(KeyError::Pem));
        let rsa = PKey::from_rsa(openssl::rsa::Rsa::generate(2048).unwrap()).unwrap();
        let refused = Key::parse("T", "K", &fixture::pem(&rsa)).unwrap_err();
        assert!(matches!(refused, KeyError::Kind(_)), "{refused}");
        assert!(!format!("{:?}", fixture::key()).contains("PRIVATE"));
    }
}
