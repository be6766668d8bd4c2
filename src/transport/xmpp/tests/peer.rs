//! A scripted provider over TLS: it does what the test says, line by line.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, crypto};
use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use xmpp_parsers::sasl::Auth;

pub const NOT_AUTHORIZED: &str =
    r#"<failure xmlns="urn:ietf:params:xml:ns:xmpp-sasl"><not-authorized/></failure>"#;

const HEADER: &str = r#"<stream:stream from="gcm.googleapis.com" id="0123456789ABCDEF" version="1.0" xmlns:stream="http://etherx.jabber.org/streams" xmlns="jabber:client">"#;
const MECHANISMS: &str = r#"<stream:features><mechanisms xmlns="urn:ietf:params:xml:ns:xmpp-sasl"><mechanism>X-OAUTH2</mechanism><mechanism>PLAIN</mechanism></mechanisms></stream:features>"#;
const SUCCESS: &str = r#"<success xmlns="urn:ietf:params:xml:ns:xmpp-sasl"/>"#;
const FEATURES: &str = r#"<stream:features><bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"/><session xmlns="urn:ietf:params:xml:ns:xmpp-session"/></stream:features>"#;
const BOUND: &str = r#"<iq from="gcm.googleapis.com" id="bind" type="result"><bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"><jid>123@gcm.googleapis.com/x0FAD177A</jid></bind></iq>"#;

/// Waits for connections, with a CA of its own.
pub struct Listener {
    tcp: TcpListener,
    acceptor: TlsAcceptor,
    ca: NamedTempFile,
    address: SocketAddr,
}

/// One connection.
pub struct Script {
    tls: TlsStream<TcpStream>,
    read: String,
}

impl Listener {
    /// Listens with a certificate for these names.
    pub async fn open(names: &[&str]) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        // OpenSSL takes a certificate whose subject is its issuer's for a self-signed one.
        params.distinguished_name.push(DnType::CommonName, "a CA for tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let ca = NamedTempFile::new().unwrap();
        std::fs::write(ca.path(), params.self_signed(&key).unwrap().pem()).unwrap();
        let issuer = Issuer::new(params, key);
        let key = KeyPair::generate().unwrap();
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let leaf = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key)
            .unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = tcp.local_addr().unwrap();
        Self { tcp, acceptor: TlsAcceptor::from(Arc::new(config)), ca, address }
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn ca(&self) -> &Path {
        self.ca.path()
    }

    /// Stops listening; the CA file stays.
    pub fn close(self) -> NamedTempFile {
        self.ca
    }

    pub async fn accept(&self) -> Script {
        let (tcp, _) = self.tcp.accept().await.unwrap();
        Script { tls: self.acceptor.accept(tcp).await.unwrap(), read: String::new() }
    }

    /// Accepts a connection that the client breaks off while it is secured.
    pub async fn refuse(&self) {
        let (tcp, _) = self.tcp.accept().await.unwrap();
        if let Ok(mut tls) = self.acceptor.accept(tcp).await {
            // With TLS 1.3 the server is done before the client has judged the certificate.
            assert!(tls.read_u8().await.is_err());
        }
    }
}

impl Script {
    pub async fn send(&mut self, text: &str) {
        self.tls.write_all(text.as_bytes()).await.unwrap();
        self.tls.flush().await.unwrap();
    }

    /// Reads up to and including `end`; returns it all.
    pub async fn expect(&mut self, end: &str) -> String {
        loop {
            if let Some(at) = self.read.find(end) {
                let rest = self.read.split_off(at + end.len());
                return std::mem::replace(&mut self.read, rest);
            }
            let mut buffer = [0; 4096];
            let count = self.tls.read(&mut buffer).await.unwrap();
            assert!(count > 0, "the client closed before {end}; read so far: {}", self.read);
            self.read.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
        }
    }

    /// Reads until the client closes; an error if it did so without `close_notify`.
    pub async fn expect_end(&mut self) -> io::Result<()> {
        let mut rest = Vec::new();
        self.tls.read_to_end(&mut rest).await.map(|_| ())
    }

    pub async fn close(mut self) {
        self.tls.shutdown().await.unwrap();
    }

    /// Reads the login and answers it; returns the SASL PLAIN message.
    pub async fn answer_login(&mut self, answer: &str) -> Vec<u8> {
        self.expect("<stream:stream").await;
        self.expect(">").await;
        self.send(HEADER).await;
        self.send(MECHANISMS).await;
        let auth: minidom::Element = self.expect("</auth>").await.parse().unwrap();
        self.send(answer).await;
        Auth::try_from(auth).unwrap().data
    }

    /// Opens a session; returns the SASL PLAIN message.
    pub async fn log_in(&mut self) -> Vec<u8> {
        let auth = self.answer_login(SUCCESS).await;
        self.expect("<stream:stream").await;
        self.expect(">").await;
        self.send(&format!("{HEADER}{FEATURES}")).await;
        self.expect("</iq>").await;
        self.send(&format!("{BOUND} ")).await;
        self.expect("</iq>").await;
        self.send(r#"<iq from="gcm.googleapis.com" id="session" type="result"/>"#).await;
        auth
    }
}
