//! The certificate with which we log in to a peer: from PEM text or a PKCS#12 file.
//!
//! The configuration makes one, so that a wrong password shows before anything is started; connections show it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// A certificate with its key. Two are equal that were read from the same bytes.
#[derive(Clone)]
pub struct Identity {
    native: native_tls::Identity,
    /// Of what it was read from.
    digest: [u8; 32],
}

/// What is wrong with a certificate; never quotes it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The PEM has no certificate.
    #[error("has no certificate (hint: a PEM file needs the certificate and its key, one behind the other)")]
    NoCertificate,
    /// The PEM has no key that can be used.
    #[error(
        "has no key in PKCS#8 (hint: the key must begin with -----BEGIN PRIVATE KEY-----; `openssl pkcs8 -topk8 -nocrypt` makes it so)"
    )]
    NoKey,
    /// The library refuses the PEM.
    #[error("cannot be used: {0}")]
    Pem(String),
    /// The certificate is another key's.
    #[error("cannot be used: {0} (hint: are certificate and key a pair?)")]
    Pair(String),
    /// The library refuses the PKCS#12 file.
    #[error(
        "cannot be used: {0} (hint: is the password right? an old file with RC2 or 3DES must be made anew: `openssl pkcs12 -legacy -in OLD -nodes | \
         openssl pkcs12 -export -out NEW`)"
    )]
    Pkcs12(String),
}

// === impl Identity ===

impl Identity {
    /// Reads a file's bytes: PEM if they are, else PKCS#12, which may be written as Base64.
    ///
    /// # Errors
    /// [`IdentityError`] for what keeps it from being shown.
    pub fn read(bytes: &[u8], password: &str) -> Result<Self, IdentityError> {
        let native = match std::str::from_utf8(bytes) {
            Ok(text) if text.contains("-----BEGIN ") => Self::from_pem(text)?,
            Ok(text) => {
                let digits: String = text.split_whitespace().collect();
                Self::from_pkcs12(&STANDARD.decode(digits).unwrap_or_else(|_| bytes.to_vec()), password)?
            }
            Err(_) => Self::from_pkcs12(bytes, password)?,
        };
        // Whether certificate and key are a pair shows only when they are put to use.
        let used = native_tls::TlsConnector::builder().identity(native.clone()).build();
        used.map_err(|error| IdentityError::Pair(error.to_string()))?;
        let digest = Sha256::new().chain_update(bytes).chain_update(password).finalize().into();
        Ok(Self { native, digest })
    }

    /// Returns the library's form.
    pub(super) fn as_native(&self) -> native_tls::Identity {
        self.native.clone()
    }

    fn from_pem(text: &str) -> Result<native_tls::Identity, IdentityError> {
        let (mut certificates, mut key) = (String::new(), None);
        for (kind, block) in blocks(text) {
            match kind {
                "CERTIFICATE" => certificates.push_str(&block),
                "PRIVATE KEY" => key = Some(block),
                _ => {}
            }
        }
        if certificates.is_empty() {
            return Err(IdentityError::NoCertificate);
        }
        let key = key.ok_or(IdentityError::NoKey)?;
        native_tls::Identity::from_pkcs8(certificates.as_bytes(), key.as_bytes())
            .map_err(|error| IdentityError::Pem(error.to_string()))
    }

    fn from_pkcs12(bytes: &[u8], password: &str) -> Result<native_tls::Identity, IdentityError> {
        native_tls::Identity::from_pkcs12(bytes, password)
            .map_err(|error| IdentityError::Pkcs12(error.to_string()))
    }
}

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity")
    }
}

/// Returns the blocks of a PEM file with their kinds; what stands between them is left out.
fn blocks(text: &str) -> Vec<(&str, String)> {
    let mut found = Vec::new();
    let mut open: Option<(&str, String)> = None;
    for line in text.lines().map(str::trim_end) {
        if let Some(kind) = line.strip_prefix("-----BEGIN ").and_then(|rest| rest.strip_suffix("-----")) {
            open = Some((kind, String::new()));
        }
        if let Some((_, block)) = &mut open {
            block.push_str(line);
            block.push('\n');
        }
        if line.starts_with("-----END ") {
            found.extend(open.take());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use openssl::pkcs12::Pkcs12;
    use openssl::pkey::PKey;
    use openssl::x509::X509;

    use super::*;

    fn certified() -> (String, String) {
        let pair = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["com.example.app".into()]).unwrap();
        (params.self_signed(&pair).unwrap().pem(), pair.serialize_pem())
    }

    #[test]
    fn pem_and_pkcs12_are_told_apart() {
        let (certificate, key) = certified();
        let bundle = format!("Bag Attributes\r\n{certificate}noise\n{key}");
        assert!(Identity::read(bundle.as_bytes(), "").is_ok());
        let pair = PKey::private_key_from_pem(key.as_bytes()).unwrap();
        let x509 = X509::from_pem(certificate.as_bytes()).unwrap();
        let p12 =
            Pkcs12::builder().name("push").pkey(&pair).cert(&x509).build2("pw").unwrap().to_der().unwrap();
        assert!(Identity::read(&p12, "pw").is_ok());
        assert!(Identity::read(STANDARD.encode(&p12).as_bytes(), "pw").is_ok());
        assert!(matches!(Identity::read(&p12, "wrong"), Err(IdentityError::Pkcs12(_))));
    }

    #[test]
    fn what_is_missing_is_named() {
        let (certificate, key) = certified();
        let refused = |text: &str| Identity::read(text.as_bytes(), "").unwrap_err();
        assert_eq!(refused(&key), IdentityError::NoCertificate);
        assert_eq!(refused(&certificate), IdentityError::NoKey);
        let (_, other) = certified();
        assert!(matches!(refused(&format!("{certificate}{other}")), IdentityError::Pair(_)));
        assert!(matches!(refused("no certificate"), IdentityError::Pkcs12(_)));
    }
}
