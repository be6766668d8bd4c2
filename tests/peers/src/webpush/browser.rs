//! The browsers: subscriptions with their keys, and what they make of a body (RFC 8291, RFC 8188).
//!
//! The service keeps one [`Browsers`]. Keys follow from a secret in the directory and the subscription's name, so that subscriptions
//! outlive the process and any name is one.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::bn::{BigNum, BigNumContext};
use openssl::derive::Deriver;
use openssl::ec::{EcGroup, EcKey, EcPoint, PointConversionForm};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::sha::sha256;
use openssl::sign::Signer;
use openssl::symm::{Cipher, decrypt_aead};
use parking_lot::Mutex;
use thiserror::Error;

use crate::tls::write_once;

/// Subscriptions whose keys are kept; what is above it is computed again.
const MOST_KEPT: usize = 200_000;

/// Salt, record size, length of the key, the sender's public key.
const HEAD: usize = 16 + 4 + 1 + 65;
const TAG: usize = 16;

/// Why keys cannot be had.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The directory cannot be used.
    #[error("use {0}")]
    File(String, #[source] io::Error),
    /// A key in it is damaged.
    #[error("make or read a key (hint: a damaged file can be deleted)")]
    Key(#[from] ErrorStack),
}

/// Why a body cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BodyError {
    /// It is too short, or its head says what is not allowed here.
    #[error("{0}")]
    Shape(&'static str),
    /// It was encrypted for somebody else, or damaged.
    #[error("the body cannot be decrypted with this subscription's keys")]
    Sealed,
}

/// All browsers.
pub struct Browsers {
    secret: [u8; 32],
    group: EcGroup,
    kept: Mutex<HashMap<String, Arc<Browser>>>,
}

/// One subscription.
pub struct Browser {
    key: PKey<Private>,
    /// `p256dh`.
    pub public: Vec<u8>,
    /// `auth`.
    pub auth: [u8; 16],
    /// The private key as a number, for others to check our decryption.
    pub private: Vec<u8>,
}

/// Reads a secret text from a file, made by `make` if it is not there.
///
/// # Errors
/// The file system's.
pub fn file(path: &Path, make: impl FnOnce() -> Result<String, ErrorStack>) -> Result<String, KeyError> {
    let at = |error| KeyError::File(path.display().to_string(), error);
    if !path.exists() {
        fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).map_err(at)?;
        write_once(path, &make()?).map_err(at)?;
    }
    fs::read_to_string(path).map_err(at)
}

/// Returns the curve of all keys here.
///
/// # Errors
/// The library's.
pub fn p256() -> Result<EcGroup, ErrorStack> {
    EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)
}

impl Browsers {
    /// Makes or reads the secret in `directory`.
    ///
    /// # Errors
    /// [`KeyError`] when the directory cannot be used.
    pub fn prepare(directory: &Path) -> Result<Self, KeyError> {
        let text = file(&directory.join("subscriptions.key"), || {
            let mut secret = [0; 32];
            openssl::rand::rand_bytes(&mut secret)?;
            Ok(URL_SAFE_NO_PAD.encode(secret))
        })?;
        Ok(Self { secret: sha256(text.trim().as_bytes()), group: p256()?, kept: Mutex::default() })
    }

    /// Returns the subscription of this name.
    ///
    /// # Errors
    /// The library's.
    pub fn get(&self, name: &str) -> Result<Arc<Browser>, ErrorStack> {
        if let Some(browser) = self.kept.lock().get(name) {
            return Ok(Arc::clone(browser));
        }
        let browser = Arc::new(self.make(name)?);
        let mut kept = self.kept.lock();
        if kept.len() >= MOST_KEPT {
            kept.clear();
        }
        kept.insert(name.to_owned(), Arc::clone(&browser));
        Ok(browser)
    }

    fn make(&self, name: &str) -> Result<Browser, ErrorStack> {
        let derived = |what: u8| hmac(&self.secret, &[&[what][..], name.as_bytes()]);
        // A number above the order of the curve, one in 2^32, is no key; no name in a test has it.
        let number = BigNum::from_slice(&derived(1)?)?;
        let mut point = EcPoint::new(&self.group)?;
        let mut context = BigNumContext::new()?;
        point.mul_generator2(&self.group, &number, &mut context)?;
        let key = EcKey::from_private_components(&self.group, &number, &point)?;
        let public = point.to_bytes(&self.group, PointConversionForm::UNCOMPRESSED, &mut context)?;
        let mut auth = [0; 16];
        auth.copy_from_slice(&derived(2)?[..16]);
        Ok(Browser { key: PKey::from_ec_key(key)?, public, auth, private: number.to_vec_padded(32)? })
    }
}

impl std::fmt::Debug for Browsers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Browsers").finish_non_exhaustive()
    }
}

impl Browser {
    /// Reads a body: one record, as RFC 8291 section 4 wants it.
    ///
    /// # Errors
    /// [`BodyError`] for what is wrong with it.
    pub fn open(&self, body: &[u8]) -> Result<Vec<u8>, BodyError> {
        let (head, record) = body.split_at_checked(HEAD).ok_or(BodyError::Shape("the body is too short"))?;
        let (salt, sender) = (&head[..16], &head[21..]);
        let size = u32::from_be_bytes([head[16], head[17], head[18], head[19]]) as usize;
        if head[20] != 65 {
            return Err(BodyError::Shape("the key id is not the sender's public key"));
        }
        if record.len() > size || size < 18 {
            return Err(BodyError::Shape("there is more than one record"));
        }
        if record.len() < TAG + 1 {
            return Err(BodyError::Shape("the record is too short"));
        }
        let mut plain = self.decrypt(salt, sender, record).map_err(|_| BodyError::Sealed)?;
        let end = plain.iter().rposition(|byte| *byte != 0);
        match end.map(|end| (end, plain[end])) {
            Some((end, 2)) => plain.truncate(end),
            _ => return Err(BodyError::Shape("the record does not end as the last one does")),
        }
        Ok(plain)
    }

    fn decrypt(&self, salt: &[u8], sender: &[u8], record: &[u8]) -> Result<Vec<u8>, ErrorStack> {
        let group = p256()?;
        let mut context = BigNumContext::new()?;
        let point = EcPoint::from_bytes(&group, sender, &mut context)?;
        let sender_key = PKey::from_ec_key(EcKey::from_public_key(&group, &point)?)?;
        let mut deriver = Deriver::new(&self.key)?;
        deriver.set_peer(&sender_key)?;
        let shared = deriver.derive_to_vec()?;
        let info = [&b"WebPush: info\0"[..], &self.public, sender].concat();
        let input = hkdf(&self.auth, &shared, &info)?;
        let key = hkdf(salt, &input, b"Content-Encoding: aes128gcm\0")?;
        let nonce = hkdf(salt, &input, b"Content-Encoding: nonce\0")?;
        let (sealed, tag) = record.split_at(record.len() - TAG);
        decrypt_aead(Cipher::aes_128_gcm(), &key[..16], Some(&nonce[..12]), &[], sealed, tag)
    }
}

impl std::fmt::Debug for Browser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Browser").finish_non_exhaustive()
    }
}

/// HKDF with SHA-256 for at most 32 bytes (RFC 5869), by its definition.
fn hkdf(salt: &[u8], input: &[u8], info: &[u8]) -> Result<Vec<u8>, ErrorStack> {
    let extracted = hmac(salt, &[input])?;
    hmac(&extracted, &[info, &[1]])
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> Result<Vec<u8>, ErrorStack> {
    let key = PKey::hmac(key)?;
    let mut signer = Signer::new(MessageDigest::sha256(), &key)?;
    parts.iter().try_for_each(|part| signer.update(part))?;
    signer.sign_to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8291 section 5.
    #[test]
    fn the_rfc_s_example_is_read() {
        let of = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
        let number = of("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94");
        let public =
            of("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4");
        let group = p256().unwrap();
        let point = EcPoint::from_bytes(&group, &public, &mut BigNumContext::new().unwrap()).unwrap();
        let key =
            EcKey::from_private_components(&group, &BigNum::from_slice(&number).unwrap(), &point).unwrap();
        let auth = of("BTBZMqHH6r4Tts7J_aSIgg").try_into().unwrap();
        let browser = Browser { key: PKey::from_ec_key(key).unwrap(), public, auth, private: number };
        let body = of(
            "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN",
        );
        assert_eq!(browser.open(&body).unwrap(), b"When I grow up, I want to be a watermelon");
        let mut damaged = body.clone();
        damaged[100] ^= 1;
        assert_eq!(browser.open(&damaged), Err(BodyError::Sealed));
        assert!(matches!(browser.open(&body[..90]), Err(BodyError::Shape(_))));
        let mut other = body;
        other[18] = 0;
        assert_eq!(other[16..20], [0, 0, 0, 0]);
        assert!(matches!(browser.open(&other), Err(BodyError::Shape(_))));
    }

    #[test]
    fn subscriptions_outlive_the_process_and_differ() {
        let directory = tempfile::tempdir().unwrap();
        let first = Browsers::prepare(directory.path()).unwrap();
        let again = Browsers::prepare(directory.path()).unwrap();
        let (a, b) = (first.get("a").unwrap(), first.get("b").unwrap());
        assert_eq!((&a.public, a.auth), (&again.get("a").unwrap().public, again.get("a").unwrap().auth));
        assert!(a.public != b.public && a.auth != b.auth);
    }
}
