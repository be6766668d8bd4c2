//! The certificate authority of the doubles, and what a listener needs to speak TLS.
//!
//! The authority's key and certificate live in a directory and are reused, so that a client may keep trusting them over
//! restarts. Leaf certificates are made anew at each start. Two processes may start in one directory at once: the first key
//! written wins.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use thiserror::Error;

/// Names a leaf certificate carries unless others are asked for.
pub const LOCAL_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Why there is no certificate.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file of the authority cannot be read or written.
    #[error("use the certificate directory's {path:?}")]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A key or certificate cannot be made or read.
    #[error(
        "make a certificate (hint: a damaged ca-key.pem can be deleted, clients must then trust the new ca.pem)"
    )]
    Certificate(#[from] rcgen::Error),
    /// The TLS library refuses the certificate.
    #[error("configure TLS")]
    Config(#[from] rustls::Error),
}

/// Whether clients are asked for a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clients {
    /// They are not.
    Anonymous,
    /// They may show one that the authority in the directory signed.
    Known,
}

/// Returns a TLS 1.2 and 1.3 configuration with a fresh certificate for `names`, signed by the authority in `directory`,
/// which is created when it is not there. The authority's certificate is in `directory/ca.pem` afterwards.
///
/// # Errors
/// [`TlsError`] when the directory cannot be used or a certificate cannot be made.
pub fn server_config(
    directory: &Path,
    names: &[String],
    alpn: &[&[u8]],
    clients: Clients,
) -> Result<ServerConfig, TlsError> {
    let (authority_key, authority) = authority(directory)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let builder = match clients {
        Clients::Anonymous => builder.with_no_client_auth(),
        Clients::Known => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.self_signed(&authority_key)?.der().clone())?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier = verifier.allow_unauthenticated().build();
            builder.with_client_cert_verifier(
                verifier.map_err(|error| rustls::Error::General(error.to_string()))?,
            )
        }
    };
    let (leaf, key) = leaf(names, &Issuer::from_params(&authority, authority_key))?;
    let private = PrivateKeyDer::try_from(key.serialize_der())
        .map_err(|text| TlsError::Config(rustls::Error::General(text.to_owned())))?;
    let mut config = builder.with_single_cert(vec![leaf.der().clone()], private)?;
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Ok(config)
}

/// Returns a fresh certificate and its key (PEM) for `names`, as [`server_config`] makes them.
///
/// # Errors
/// [`TlsError`] when the directory cannot be used or a certificate cannot be made.
pub fn server_certificate(directory: &Path, names: &[String]) -> Result<(String, String), TlsError> {
    let (authority_key, authority) = authority(directory)?;
    let (leaf, key) = leaf(names, &Issuer::from_params(&authority, authority_key))?;
    Ok((leaf.pem(), key.serialize_pem()))
}

fn leaf(names: &[String], issuer: &Issuer<'_, KeyPair>) -> Result<(Certificate, KeyPair), TlsError> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(names.to_vec())?;
    params.distinguished_name = named("pushweir peer");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok((params.signed_by(&key, issuer)?, key))
}

/// Returns a certificate and its key (PEM) for a client that pushes to this app, signed by the authority in `directory`.
///
/// # Errors
/// [`TlsError`] when the directory cannot be used or a certificate cannot be made.
pub fn client_certificate(directory: &Path, app: &str) -> Result<(String, String), TlsError> {
    let (authority_key, authority) = authority(directory)?;
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.distinguished_name = named(&format!("Apple Push Services: {app}"));
    // The user id, where Apple's certificates name the app.
    params.distinguished_name.push(DnType::CustomDnType(vec![0, 9, 2342, 19_200_300, 100, 1, 1]), app);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let leaf = params.signed_by(&key, &Issuer::from_params(&authority, authority_key))?;
    Ok((leaf.pem(), key.serialize_pem()))
}

fn authority(directory: &Path) -> Result<(KeyPair, CertificateParams), TlsError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| TlsError::File { path, source }
    };
    fs::create_dir_all(directory).map_err(at(directory))?;
    let key_path = directory.join("ca-key.pem");
    if !key_path.exists() {
        write_once(&key_path, &KeyPair::generate()?.serialize_pem()).map_err(at(&key_path))?;
    }
    let key = KeyPair::from_pem(&fs::read_to_string(&key_path).map_err(at(&key_path))?)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = named("pushweir test authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let certificate_path = directory.join("ca.pem");
    if !certificate_path.exists() {
        write_once(&certificate_path, &params.self_signed(&key)?.pem()).map_err(at(&certificate_path))?;
    }
    Ok((key, params))
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

/// Writes a file that must not change once it is there: readers see all of it or nothing, and the first writer wins.
///
/// # Errors
/// The file system's.
pub fn write_once(path: &Path, text: &str) -> io::Result<()> {
    let draft = path.with_extension(format!("{}.draft", std::process::id()));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local() -> Vec<String> {
        LOCAL_NAMES.map(str::to_owned).to_vec()
    }

    #[test]
    fn the_authority_survives_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        server_config(directory.path(), &local(), &[], Clients::Anonymous).unwrap();
        let first = fs::read_to_string(directory.path().join("ca.pem")).unwrap();
        server_config(directory.path(), &local(), &[], Clients::Anonymous).unwrap();
        assert_eq!(fs::read_to_string(directory.path().join("ca.pem")).unwrap(), first);
    }

    #[test]
    fn a_deleted_certificate_is_made_again_from_the_same_key() {
        let directory = tempfile::tempdir().unwrap();
        server_config(directory.path(), &local(), &[], Clients::Anonymous).unwrap();
        fs::remove_file(directory.path().join("ca.pem")).unwrap();
        server_config(directory.path(), &local(), &[], Clients::Anonymous).unwrap();
        assert!(directory.path().join("ca.pem").exists());
    }

    #[test]
    fn a_damaged_key_is_an_error_with_a_hint() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("ca-key.pem"), "x").unwrap();
        let error = server_config(directory.path(), &local(), &[], Clients::Anonymous).unwrap_err();
        assert!(error.to_string().contains("hint"), "{error}");
    }
}
