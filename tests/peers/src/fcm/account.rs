//! The service account of the double: made once per directory, written as the key file that Google's console hands out.
//!
//! The listener makes it before it accepts, because the file names the double's address.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use openssl::pkey::{PKey, Private, Public};
use openssl::rsa::Rsa;
use serde_json::json;
use thiserror::Error;

use crate::tls;

/// Bits of the key, as Google's have.
const KEY_BITS: u32 = 2048;

/// The project of the account.
pub const PROJECT: &str = "pushweir-demo";

/// Who the account is.
pub const EMAIL: &str = "pushweir@pushweir-demo.iam.gserviceaccount.com";

/// The name of its key.
pub const KEY_ID: &str = "double-key-1";

/// The account's public half.
#[derive(Debug)]
pub struct Account {
    /// Verifies signatures.
    pub key: PKey<Public>,
    /// What requests for tokens must be addressed to.
    pub token_uri: String,
}

/// Why there is no account.
#[derive(Debug, Error)]
pub enum AccountError {
    /// The key cannot be made or read.
    #[error("make the service account's key (hint: a damaged service-account-key.pem can be deleted)")]
    Key(#[from] openssl::error::ErrorStack),
    /// A file cannot be read or written.
    #[error("write the service account")]
    File(#[from] std::io::Error),
}

impl Account {
    /// Makes or reads the key in `directory` and writes `service-account.json` for a double at `address`.
    ///
    /// # Errors
    /// [`AccountError`] when the directory cannot be used.
    pub fn prepare(directory: &Path, address: SocketAddr) -> Result<Self, AccountError> {
        let path = directory.join("service-account-key.pem");
        if !path.exists() {
            let fresh = PKey::from_rsa(Rsa::generate(KEY_BITS)?)?;
            tls::write_once(&path, &String::from_utf8_lossy(&fresh.private_key_to_pem_pkcs8()?))?;
        }
        let pem = fs::read_to_string(&path)?;
        let key: PKey<Private> = PKey::private_key_from_pem(pem.as_bytes())?;
        let token_uri = format!("https://{address}/token");
        let file = json!({
            "type": "service_account", "project_id": PROJECT, "private_key_id": KEY_ID, "private_key": pem,
            "client_email": EMAIL, "client_id": "100000000000000000001", "token_uri": token_uri,
        });
        let draft = directory.join(format!("service-account.{}.draft", std::process::id()));
        fs::write(&draft, format!("{file:#}\n"))?;
        fs::rename(&draft, directory.join("service-account.json"))?;
        let key = PKey::public_key_from_pem(&key.public_key_to_pem()?)?;
        Ok(Self { key, token_uri })
    }
}
