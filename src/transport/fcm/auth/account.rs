//! A service account: who signs the requests for access tokens.
//!
//! The configuration parses it, the grant signs with it. Pure.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Uri;
use ring::signature::RsaKeyPair;
use serde::Deserialize;

use crate::units::Secret;

/// A service account's JSON key file (`reference/fcm.md` 2.1), checked; the default one cannot sign.
#[derive(Clone, Default, PartialEq)]
pub struct Account {
    /// `client_email`: who asks.
    pub email: String,
    /// `project_id`, if the file names it.
    pub project: Option<String>,
    /// `token_uri`: whom to ask; always `https`.
    pub token_uri: Uri,
    /// `private_key_id`, if the file names it.
    pub key_id: Option<String>,
    /// `private_key`: the PEM text, which was parsed once.
    key: Secret,
}

/// What is wrong with a service account; never quotes it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// The text is not the JSON of a key file.
    #[error("is not a service account's JSON key: {0}")]
    Json(String),
    /// It is the key of something else.
    #[error("has type {0:?} instead of \"service_account\"")]
    Type(String),
    /// The address for tokens is of no use.
    #[error("has a token_uri that is no https address")]
    TokenUri,
    /// The private key cannot sign.
    #[error("has a private_key that cannot be used: {0}")]
    Key(String),
}

#[derive(Deserialize)]
struct File {
    #[serde(rename = "type", default)]
    kind: Option<String>,
    client_email: String,
    private_key: String,
    #[serde(default)]
    private_key_id: Option<String>,
    #[serde(default = "google")]
    token_uri: String,
    #[serde(default)]
    project_id: Option<String>,
}

fn google() -> String {
    "https://oauth2.googleapis.com/token".to_owned()
}

// === impl Account ===

impl Account {
    /// Reads the text of a key file.
    ///
    /// # Errors
    /// [`AccountError`] for what keeps it from signing.
    pub fn parse(text: &str) -> Result<Self, AccountError> {
        // The library's message may quote the text, so only the place is told.
        let file: File = serde_json::from_str(text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            AccountError::Json(format!(
                "line {line} column {column} (hint: client_email and private_key are required)"
            ))
        })?;
        if let Some(kind) = file.kind.filter(|kind| kind != "service_account") {
            return Err(AccountError::Type(kind));
        }
        let token_uri: Uri = file.token_uri.parse().map_err(|_| AccountError::TokenUri)?;
        if token_uri.scheme_str() != Some("https") || token_uri.host().is_none() {
            return Err(AccountError::TokenUri);
        }
        let account = Self {
            email: file.client_email,
            project: file.project_id,
            token_uri,
            key_id: file.private_key_id,
            key: Secret::new(file.private_key),
        };
        account.key_pair()?;
        Ok(account)
    }

    /// Returns the key that signs.
    ///
    /// # Errors
    /// [`AccountError::Key`] if it is no RSA key in PKCS#8.
    pub fn key_pair(&self) -> Result<RsaKeyPair, AccountError> {
        let fault = |cause: &str| AccountError::Key(cause.to_owned());
        let body: String = self
            .key
            .expose()
            .lines()
            .map(str::trim)
            .skip_while(|line| *line != "-----BEGIN PRIVATE KEY-----")
            .skip(1)
            .take_while(|line| *line != "-----END PRIVATE KEY-----")
            .collect();
        let der = STANDARD.decode(body).map_err(|_| fault("it is not PEM"))?;
        RsaKeyPair::from_pkcs8(&der)
            .map_err(|error| fault(&format!("{error} (hint: an RSA key in PKCS#8 is needed)")))
    }
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account").field("email", &self.email).finish_non_exhaustive()
    }
}

/// Service accounts for tests.
#[cfg(test)]
pub mod fixture {
    use std::sync::LazyLock;

    use super::Account;

    /// The PEM of a key made for this run.
    pub static KEY: LazyLock<String> = LazyLock::new(|| {
        let key = openssl::pkey::PKey::from_rsa(openssl::rsa::Rsa::generate(2048).unwrap()).unwrap();
        String::from_utf8(key.private_key_to_pem_pkcs8().unwrap()).unwrap()
    });

    /// The text of a key file whose tokens come from this address.
    pub fn text(token_uri: &str) -> String {
        serde_json::json!({
            "type": "service_account", "project_id": "demo", "private_key_id": "k1", "private_key": *KEY,
            "client_email": "push@demo.iam.gserviceaccount.com", "client_id": "1", "token_uri": token_uri,
        })
        .to_string()
    }

    /// The account in it.
    pub fn account(token_uri: &str) -> Account {
        Account::parse(&text(token_uri)).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URI: &str = "https://tokens.example/token";

    #[test]
    fn a_key_file_is_read() {
        let account = fixture::account(URI);
        assert_eq!(account.email, "push@demo.iam.gserviceaccount.com");
        assert_eq!((account.project.as_deref(), account.key_id.as_deref()), (Some("demo"), Some("k1")));
        assert_eq!(account.token_uri.to_string(), URI);
        assert!(!format!("{account:?}").contains("PRIVATE"));
    }

    #[test]
    fn what_cannot_sign_is_refused_without_being_quoted() {
        let broken = |from: &str, to: &str| Account::parse(&fixture::text(URI).replace(from, to));
        assert!(matches!(broken("{", "["), Err(AccountError::Json(_))));
        assert_eq!(
            broken("\"service_account\"", "\"authorized_user\"").unwrap_err(),
            AccountError::Type("authorized_user".into())
        );
        assert_eq!(broken("https:", "http:").unwrap_err(), AccountError::TokenUri);
        let damaged = broken("-----BEGIN PRIVATE KEY-----\\n", "-----BEGIN PRIVATE KEY-----\\nAAAA");
        assert!(matches!(damaged, Err(AccountError::Key(_))));
        let text = "{\"client_email\":\"a\",\"private_key\":s3cret}";
        assert!(!Account::parse(text).unwrap_err().to_string().contains("s3cret"));
    }
}
