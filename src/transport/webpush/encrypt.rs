//! Message encryption for Web Push (RFC 8291): one record of `aes128gcm` (RFC 8188).
//!
//! The door reads a subscription's keys with [`Keys::parse`], the session encrypts by [`encrypt`]. Invariant: each body has a fresh key pair
//! and a fresh salt, so that no key and nonce are used twice. P-256 comes from OpenSSL, which native-tls brings anyway and which takes a key
//! from outside, as the RFC's example needs; ring, which cannot, does the rest.

use std::sync::LazyLock;

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey, EcPoint, PointConversionForm};
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::Private;
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use ring::rand::{SecureRandom, SystemRandom};

/// The most bytes of a body that every service takes (RFC 8030 section 7.2).
pub const MAX_BODY: usize = 4096;

/// The most bytes of a message that fit into such a body.
pub const MAX_PLAINTEXT: usize = MAX_BODY - HEAD - DELIMITER - TAG;

/// Bytes of a public key: an uncompressed point.
pub const PUBLIC_KEY: usize = 65;

/// Bytes of an authentication secret.
pub const AUTH: usize = 16;

const SALT: usize = 16;
const CONTENT_KEY: usize = 16;
const TAG: usize = 16;
const DELIMITER: usize = 1;
/// Salt, record size, length of the key, the sender's public key (RFC 8188 section 2.1).
const HEAD: usize = SALT + 4 + 1 + PUBLIC_KEY;
const RECORD_SIZE: u32 = 4096;
/// Ends the last record (RFC 8188 section 2).
const LAST_RECORD: u8 = 2;

/// The curve, which takes time to set up.
static P256: LazyLock<EcGroup> = LazyLock::new(|| {
    EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("every OpenSSL build knows the curve of TLS")
});

/// Takes keys with and without `=` at the end; both are seen.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The keys of a subscription: a point of P-256 and a secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Keys {
    /// `p256dh`: the browser's public key.
    pub public: [u8; PUBLIC_KEY],
    /// `auth`: the authentication secret.
    pub auth: [u8; AUTH],
}

/// Why a subscription's keys cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// `p256dh` is no public key.
    #[error(
        "must be 65 bytes of base64url that are a point of P-256 (hint: PushSubscription.getKey(\"p256dh\"))"
    )]
    Public,
    /// `auth` has another length.
    #[error("must be 16 bytes of base64url (hint: PushSubscription.getKey(\"auth\"))")]
    Auth,
}

/// Encryption failed in the library: out of memory, or of randomness.
#[derive(Debug, thiserror::Error)]
#[error("encrypt a message: {0}")]
pub struct EncryptError(String);

/// A length for HKDF.
struct Length(usize);

// === impl Length ===

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

// === impl EncryptError ===

impl From<ErrorStack> for EncryptError {
    fn from(error: ErrorStack) -> Self {
        Self(error.to_string())
    }
}

impl From<ring::error::Unspecified> for EncryptError {
    fn from(error: ring::error::Unspecified) -> Self {
        Self(error.to_string())
    }
}

// === impl Keys ===

impl Keys {
    /// Reads them as a browser gives them, in base64url with or without padding.
    ///
    /// # Errors
    /// [`KeysError`] for the one that is of no use.
    pub fn parse(p256dh: &str, auth: &str) -> Result<Self, KeysError> {
        let public = decode::<PUBLIC_KEY>(p256dh).ok_or(KeysError::Public)?;
        // Reading the point checks that it is on the curve; with a cofactor of 1 that is all there is to check (NIST SP 800-56A 5.6.2.3).
        point(&public).map_err(|_| KeysError::Public)?;
        let auth = decode::<AUTH>(auth).ok_or(KeysError::Auth)?;
        Ok(Self { public, auth })
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(***)")
    }
}

/// Encrypts a message for a subscription, with `padding` zeros behind it, which hide its length.
///
/// # Errors
/// [`EncryptError`] if the library fails.
pub fn encrypt(message: &[u8], keys: &Keys, padding: usize) -> Result<Bytes, EncryptError> {
    let mut salt = [0; SALT];
    SystemRandom::new().fill(&mut salt)?;
    seal(message, keys, padding, &EcKey::generate(&P256)?, salt)
}

/// Returns how many zeros make a message's length a multiple of `unit`, as far as the body may grow.
pub fn padding(length: usize, unit: usize) -> usize {
    let wanted = length.next_multiple_of(unit.max(1));
    wanted.min(MAX_PLAINTEXT).saturating_sub(length)
}

fn seal(
    message: &[u8],
    keys: &Keys,
    padding: usize,
    sender: &EcKey<Private>,
    salt: [u8; SALT],
) -> Result<Bytes, EncryptError> {
    let public = sender.public_key().to_bytes(
        &P256,
        PointConversionForm::UNCOMPRESSED,
        &mut *BigNumContext::new()?,
    )?;
    let shared = agree(sender, &keys.public)?;
    let info: [&[u8]; 3] = [b"WebPush: info\0", &keys.public, &public];
    let mut input = [0; 32];
    derive(&keys.auth, &shared, &info, &mut input)?;
    let (mut content, mut nonce) = ([0; CONTENT_KEY], [0; 12]);
    derive(&salt, &input, &[b"Content-Encoding: aes128gcm\0"], &mut content)?;
    derive(&salt, &input, &[b"Content-Encoding: nonce\0"], &mut nonce)?;
    let mut out = Vec::with_capacity(HEAD + message.len() + DELIMITER + padding + TAG);
    out.extend_from_slice(&salt);
    out.extend_from_slice(&RECORD_SIZE.to_be_bytes());
    out.extend_from_slice(&[PUBLIC_KEY as u8]);
    out.extend_from_slice(&public);
    out.extend_from_slice(message);
    out.push(LAST_RECORD);
    out.resize(out.len() + padding, 0);
    let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &content)?);
    let nonce = Nonce::assume_unique_for_key(nonce);
    let tag = key.seal_in_place_separate_tag(nonce, Aad::empty(), &mut out[HEAD..])?;
    out.extend_from_slice(tag.as_ref());
    Ok(out.into())
}

/// ECDH on P-256: the first coordinate of the product (NIST SP 800-56A 5.7.1.2). The library's own call would check both keys once more, which
/// takes longer than the product.
fn agree(own: &EcKey<Private>, other: &[u8]) -> Result<Vec<u8>, ErrorStack> {
    let mut context = BigNumContext::new()?;
    let mut product = EcPoint::new(&P256)?;
    product.mul2(&P256, &*point(other)?, own.private_key(), &mut context)?;
    let (mut x, mut y) = (BigNum::new_secure()?, BigNum::new_secure()?);
    product.affine_coordinates(&P256, &mut x, &mut y, &mut context)?;
    x.to_vec_padded(32)
}

fn point(bytes: &[u8]) -> Result<EcPoint, ErrorStack> {
    EcPoint::from_bytes(&P256, bytes, &mut *BigNumContext::new()?)
}

/// HKDF with SHA-256 (RFC 5869).
fn derive(salt: &[u8], input: &[u8], info: &[&[u8]], out: &mut [u8]) -> Result<(), ring::error::Unspecified> {
    Salt::new(HKDF_SHA256, salt).extract(input).expand(info, Length(out.len()))?.fill(out)
}

fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    BASE64URL.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
pub(super) mod tests;
