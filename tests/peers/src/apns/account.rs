//! What clients log in with: the team's signing key, and the app's certificate; made once per directory, written as Apple's console and a
//! Mac's keychain hand them out.

use std::fs;
use std::path::Path;

use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use openssl::pkcs12::Pkcs12;
use openssl::pkey::{PKey, Public};
use openssl::x509::X509;
use thiserror::Error;

use crate::tls::{self, TlsError};

/// The team.
pub const TEAM: &str = "PWTEAM0001";

/// The name of its key.
pub const KEY_ID: &str = "PWKEY00001";

/// The password of the PKCS#12 file.
pub const PASSWORD: &str = "demo";

/// The team's public half.
#[derive(Debug)]
pub struct Account {
    /// Verifies provider tokens.
    pub key: PKey<Public>,
}

/// Why there is no account.
#[derive(Debug, Error)]
pub enum AccountError {
    /// A key cannot be made or read.
    #[error("make the team's key (hint: a damaged apns-key.p8 can be deleted)")]
    Key(#[from] openssl::error::ErrorStack),
    /// The app's certificate cannot be made.
    #[error(transparent)]
    Certificate(#[from] TlsError),
    /// A file cannot be read or written.
    #[error("write the accounts")]
    File(#[from] std::io::Error),
}

impl Account {
    /// Makes or reads `apns-key.p8` in `directory`, and writes the app's certificate as `apns-client.pem` and `apns-client.p12`.
    ///
    /// # Errors
    /// [`AccountError`] when the directory cannot be used.
    pub fn prepare(directory: &Path, topic: &str) -> Result<Self, AccountError> {
        let path = directory.join("apns-key.p8");
        if !path.exists() {
            let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
            let fresh = PKey::from_ec_key(EcKey::generate(&group)?)?;
            tls::write_once(&path, &String::from_utf8_lossy(&fresh.private_key_to_pem_pkcs8()?))?;
        }
        let key = PKey::private_key_from_pem(&fs::read(&path)?)?;
        let key = PKey::public_key_from_pem(&key.public_key_to_pem()?)?;
        let path = directory.join("apns-client.pem");
        if !path.exists() {
            let (certificate, pair) = tls::client_certificate(directory, topic)?;
            tls::write_once(&path, &format!("{certificate}{pair}"))?;
        }
        let pem = fs::read(&path)?;
        let (certificate, pair) = (X509::from_pem(&pem)?, PKey::private_key_from_pem(&pem)?);
        let bundle = Pkcs12::builder().name("push").pkey(&pair).cert(&certificate).build2(PASSWORD)?;
        fs::write(directory.join("apns-client.p12"), bundle.to_der()?)?;
        Ok(Self { key })
    }
}
