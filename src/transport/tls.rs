//! Client TLS by native-tls: the one place that builds connectors.
//!
//! Transports call [`connect`]. Invariants: TLS 1.2 or newer; the certificate must name the host that was connected to, which is also the
//! SNI; with an own CA nothing else is trusted.

mod connectors;
mod identity;

use std::path::PathBuf;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_native_tls::{TlsConnector, TlsStream};

pub use self::identity::{Identity, IdentityError};
use super::cork::Corked;

/// A secured connection. What is written leaves when it is flushed.
pub type Secured = TlsStream<Corked<TcpStream>>;

/// Why a connection could not be secured: the cause and a hint, as one text.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TlsError {
    /// The CA file cannot be used.
    #[error(
        "read ca {path}: {cause} (hint: ca must name a readable PEM file with the peer's CA certificate)"
    )]
    Ca {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// The library could not be set up.
    #[error("set up TLS: {0}")]
    SetUp(String),
    /// The handshake failed.
    #[error("{cause} (hint: {hint})")]
    Handshake {
        /// The library's words.
        cause: String,
        /// What to do.
        hint: String,
    },
}

/// Secures `tcp` towards `host`, trusting the certificates in the file `ca`, or the system's if there is none.
///
/// The file is read at each call, so that a new CA needs no restart, and on a thread of its own, as file I/O must not hold up an arbiter; what is
/// made of it is shared while it stays the same.
///
/// # Errors
/// [`TlsError`], which tells a wrong certificate, a wrong name and an unknown CA apart.
pub async fn connect(tcp: TcpStream, host: &str, ca: Option<PathBuf>) -> Result<Secured, TlsError> {
    connect_as(tcp, host, ca, None, &[]).await
}

/// As [`connect`], showing a certificate of our own if there is one, and offering these protocols (RFC 7301); whether the peer took one is the
/// caller's to see.
///
/// # Errors
/// As [`connect`].
pub async fn connect_as(
    tcp: TcpStream,
    host: &str,
    ca: Option<PathBuf>,
    identity: Option<Identity>,
    protocols: &'static [&'static str],
) -> Result<Secured, TlsError> {
    let trusts_file = ca.is_some();
    let connector =
        tokio::task::spawn_blocking(move || connectors::connector(ca.as_deref(), identity, protocols))
            .await
            .map_err(|error| TlsError::SetUp(error.to_string()))??;
    secure(&connector, host, tcp).await.map_err(|error| {
        let cause = error.to_string();
        let hint = hint(&cause, host, trusts_file);
        TlsError::Handshake { cause, hint }
    })
}

async fn secure<Io: AsyncRead + AsyncWrite + Unpin>(
    connector: &TlsConnector,
    host: &str,
    io: Io,
) -> Result<TlsStream<Corked<Io>>, native_tls::Error> {
    let mut secured = connector.connect(host, Corked::new(io)).await?;
    secured.get_mut().get_mut().get_mut().cork();
    Ok(secured)
}

/// Says what to do about the library's words; they come from OpenSSL's `X509_V_ERR_…` and alert texts.
fn hint(cause: &str, host: &str, trusts_file: bool) -> String {
    let text = cause.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if says(&["hostname mismatch", "ip address mismatch"]) {
        return format!("wrong name: the peer's certificate is not for {host}; set host to a name it has");
    }
    if says(&["local issuer", "self-signed", "self signed", "unable to verify"]) {
        let place =
            if trusts_file { "the file that ca names" } else { "the system's store; set ca to its PEM file" };
        return format!("unknown CA: the peer's certificate is not signed by one in {place}");
    }
    // A CA of the same name with another key, as after making the peer's CA anew.
    if says(&["certificate signature failure"]) {
        return "unknown CA: the peer's certificate was signed with another key than the trusted CA's; is the ca file an old one?"
            .to_owned();
    }
    if says(&["has expired", "not yet valid"]) {
        return "wrong time: the peer's certificate is not valid now; check its dates and this machine's clock".to_owned();
    }
    if says(&["certificate verify failed"]) {
        return "wrong certificate: the peer's certificate was not accepted".to_owned();
    }
    if says(&["unrecognized name"]) {
        return format!("the peer knows no host {host}; set host to a name it serves");
    }
    if says(&["wrong version number", "packet length too long", "http request"]) {
        return "the peer does not speak TLS on this port; this protocol has no STARTTLS".to_owned();
    }
    if says(&["protocol version", "unsupported protocol"]) {
        return "the peer speaks no TLS of version 1.2 or newer".to_owned();
    }
    "is this the provider's TLS port?".to_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    use rustls::{ServerConfig, crypto};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
    use tokio_rustls::TlsAcceptor;

    use super::*;

    fn acceptor() -> TlsAcceptor {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate =
            rcgen::CertificateParams::new(vec!["a.example".into()]).unwrap().self_signed(&key).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        // Nobody reads when the handshake is done, and a narrow pipe has no room for them.
        config.send_tls13_tickets = 0;
        Arc::new(config).into()
    }

    /// Both ends of a secured connection through a pipe that holds this much.
    async fn pair(
        pipe: usize,
    ) -> (TlsStream<Corked<DuplexStream>>, tokio_rustls::server::TlsStream<DuplexStream>) {
        let mut builder = native_tls::TlsConnector::builder();
        let connector = builder.danger_accept_invalid_certs(true).build().unwrap().into();
        let (ours, theirs) = tokio::io::duplex(pipe);
        let acceptor = acceptor();
        let both = async { tokio::join!(secure(&connector, "a.example", ours), acceptor.accept(theirs)) };
        let (secured, accepted) = tokio::time::timeout(Duration::from_secs(9), both).await.unwrap();
        (secured.unwrap(), accepted.unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_few_bytes_at_a_time_is_secured() {
        let (mut ours, mut theirs) = pair(100).await;
        ours.write_all(b"hello").await.unwrap();
        ours.flush().await.unwrap();
        let mut heard = [0; 5];
        theirs.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"hello");
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_renews_its_keys_and_takes_few_bytes_at_a_time_gets_ours() {
        let (mut ours, mut theirs) = pair(10).await;
        theirs.get_mut().1.refresh_traffic_keys().unwrap();
        let (mut reading, mut writing) = tokio::io::split(theirs);
        let told = async {
            writing.write_all(b"x").await.unwrap();
            writing.flush().await.unwrap();
        };
        let talk = async {
            ours.read_u8().await.unwrap();
            ours.write_all(b"y").await.unwrap();
            ours.flush().await.unwrap();
        };
        let all = async { tokio::join!(told, reading.read_u8(), talk).1.unwrap() };
        assert_eq!(tokio::time::timeout(Duration::from_secs(9), all).await, Ok(b'y'));
    }

    #[test]
    fn hints_tell_name_from_issuer_from_time() {
        let failed = |why: &str| format!("error:0A000086:SSL routines::certificate verify failed ({why})");
        assert!(hint(&failed("hostname mismatch"), "h", true).starts_with("wrong name"));
        assert!(hint(&failed("IP address mismatch"), "h", true).starts_with("wrong name"));
        assert!(hint(&failed("unable to get local issuer certificate"), "h", true).contains("ca names"));
        assert!(hint(&failed("self-signed certificate"), "h", false).contains("system's store"));
        assert!(hint(&failed("certificate signature failure"), "h", true).starts_with("unknown CA"));
        assert!(hint(&failed("certificate has expired"), "h", true).starts_with("wrong time"));
        assert!(hint(&failed("invalid CA certificate"), "h", true).starts_with("wrong certificate"));
        assert!(hint("error:…:wrong version number", "h", true).contains("does not speak TLS"));
    }
}
