//! Connectors that were built lately, shared by all connections with the same settings.
//!
//! `tls` asks for one per connection. Building one reads the system's whole store, twice and even where a CA of one's own replaces it: 70 ms of a
//! core, which thousands of connections that come back at once cannot each have. Invariant: a shared one was built from the bytes that the CA
//! file has now.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use native_tls::{Certificate, Protocol};
use parking_lot::Mutex;
use tokio_native_tls::TlsConnector;

use super::{Identity, TlsError};

/// How long one is shared: a change of the system's store is followed that late.
const SHARED_FOR: Duration = Duration::from_secs(600);
/// The most that are kept; a route needs one, or two with its account's server.
const MOST: usize = 256;

static BUILT: Mutex<Vec<Built>> = Mutex::new(Vec::new());

/// What a connector was built from.
#[derive(Debug, PartialEq)]
struct Plan {
    /// The CA file and what was in it; `None` for the system's store.
    ca: Option<(PathBuf, Vec<u8>)>,
    identity: Option<Identity>,
    protocols: &'static [&'static str],
}

struct Built {
    plan: Plan,
    connector: TlsConnector,
    since: Instant,
}

/// Returns a connector that trusts the certificates in the file `ca`, or the system's. It reads files: not for an arbiter.
///
/// # Errors
/// The file cannot be used, or the library cannot be set up.
pub fn connector(
    ca: Option<&Path>,
    identity: Option<Identity>,
    protocols: &'static [&'static str],
) -> Result<TlsConnector, TlsError> {
    let ca = ca.map(|path| Ok((path.to_owned(), read(path)?))).transpose()?;
    let plan = Plan { ca, identity, protocols };
    // Held while one is built, so that connections that come back together wait for one instead of building one each.
    let mut built = BUILT.lock();
    built.retain(|each| each.since.elapsed() < SHARED_FOR);
    if let Some(found) = built.iter().find(|each| each.plan == plan) {
        return Ok(found.connector.clone());
    }
    let connector = build(&plan)?;
    if built.len() >= MOST {
        built.remove(0);
    }
    built.push(Built { plan, connector: connector.clone(), since: Instant::now() });
    Ok(connector)
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|error| TlsError::Ca { path: path.to_owned(), cause: error.to_string() })
}

fn build(plan: &Plan) -> Result<TlsConnector, TlsError> {
    let mut builder = native_tls::TlsConnector::builder();
    builder.min_protocol_version(Some(Protocol::Tlsv12));
    if let Some(identity) = &plan.identity {
        builder.identity(identity.as_native());
    }
    if !plan.protocols.is_empty() {
        builder.request_alpns(plan.protocols);
    }
    if let Some((path, pem)) = &plan.ca {
        builder.disable_built_in_roots(true);
        for certificate in certificates(path, pem)? {
            builder.add_root_certificate(certificate);
        }
    }
    builder.build().map(TlsConnector::from).map_err(|error| TlsError::SetUp(error.to_string()))
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<Certificate>, TlsError> {
    let fault = |cause: String| TlsError::Ca { path: path.to_owned(), cause };
    let certificates = Certificate::stack_from_pem(pem).map_err(|error| fault(error.to_string()))?;
    if certificates.is_empty() {
        return Err(fault("it holds no certificate".to_owned()));
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pem() -> String {
        let pair = rcgen::KeyPair::generate().unwrap();
        rcgen::CertificateParams::new(vec!["ca.example".into()]).unwrap().self_signed(&pair).unwrap().pem()
    }

    fn count(path: &Path) -> usize {
        let is_its = |each: &&Built| each.plan.ca.as_ref().is_some_and(|(own, _)| own == path);
        BUILT.lock().iter().filter(is_its).count()
    }

    #[test]
    fn a_ca_file_must_exist_and_hold_a_certificate() {
        let missing = connector(Some(Path::new("/nowhere/ca.pem")), None, &[]).unwrap_err().to_string();
        assert!(missing.contains("/nowhere/ca.pem") && missing.contains("No such file"), "{missing}");
        let file = tempfile::NamedTempFile::new().unwrap();
        let empty = connector(Some(file.path()), None, &[]).unwrap_err().to_string();
        assert!(empty.contains("no certificate") && empty.contains("hint"), "{empty}");
        std::fs::write(file.path(), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
            .unwrap();
        assert!(matches!(connector(Some(file.path()), None, &[]), Err(TlsError::Ca { .. })));
    }

    #[test]
    fn connections_share_one_until_the_ca_file_changes() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), pem()).unwrap();
        for _ in 0..3 {
            connector(Some(file.path()), None, &[]).unwrap();
        }
        assert_eq!(count(file.path()), 1);
        connector(Some(file.path()), None, &["h2"]).unwrap();
        assert_eq!(count(file.path()), 2, "other protocols need another");
        std::fs::write(file.path(), pem()).unwrap();
        connector(Some(file.path()), None, &["h2"]).unwrap();
        assert_eq!(count(file.path()), 3, "what the file says now counts");
    }
}
