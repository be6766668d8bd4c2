//! A small XMPP client over TLS, for tests of the double and for measuring it.
//!
//! It trusts the double's authority, logs in, and reads stanza by stanza. It is careful about nothing: tests use it to do what
//! a good client would not.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::xmpp::element::Element;
use crate::xmpp::framer::{Frame, Framer};
use crate::xmpp::login::Account;
use crate::xmpp::plain::Plain;

const HEADER: &str = "<stream:stream to=\"fcm-xmpp.googleapis.com\" version=\"1.0\" xmlns=\"jabber:client\" \
                      xmlns:stream=\"http://etherx.jabber.org/streams\">";

/// A piece of the server's stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// The stream header.
    Header,
    /// A stanza or other element.
    Stanza(Element),
    /// The end of the stream.
    End,
    /// The end of the connection without the end of the stream.
    Eof,
}

/// A client; see the module's documentation.
#[derive(Debug)]
pub struct Probe {
    stream: TlsStream<TcpStream>,
    framer: Framer,
}

/// Returns a TLS configuration that trusts the authority in `directory` and nobody else.
///
/// # Errors
/// When the certificate cannot be read.
pub fn client_config(directory: &Path) -> io::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_file(directory.join("ca.pem")).map_err(io::Error::other)?;
    roots.add(authority).map_err(io::Error::other)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().map_err(io::Error::other)?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

impl Probe {
    /// Connects and shakes hands, expecting a certificate for `localhost`.
    ///
    /// # Errors
    /// When the connection or the handshake fails.
    pub async fn connect(address: SocketAddr, directory: &Path) -> io::Result<Self> {
        let connector = TlsConnector::from(Arc::new(client_config(directory)?));
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        Ok(Self { stream: connector.connect(name, tcp).await?, framer: Framer::default() })
    }

    /// Connects and logs in; returns the probe and its JID.
    ///
    /// # Errors
    /// When the connection fails or login is refused.
    pub async fn login(
        address: SocketAddr,
        directory: &Path,
        account: &Account,
    ) -> io::Result<(Self, String)> {
        let mut probe = Self::connect(address, directory).await?;
        let refused = || io::Error::new(io::ErrorKind::PermissionDenied, "the login was refused");
        probe.negotiate().await?;
        let plain = format!("\0{}@gcm.googleapis.com\0{}", account.sender_id, account.server_key);
        let auth = STANDARD.encode(plain);
        probe
            .send(&format!(
                "<auth mechanism=\"PLAIN\" xmlns=\"urn:ietf:params:xml:ns:xmpp-sasl\">{auth}</auth>"
            ))
            .await?;
        match probe.next().await? {
            Piece::Stanza(element) if element.name == "success" => {}
            _ => return Err(refused()),
        }
        probe.framer.restart();
        probe.negotiate().await?;
        probe
            .send(
                "<iq type=\"set\" id=\"bind\"><bind xmlns=\"urn:ietf:params:xml:ns:xmpp-bind\">\
                 <resource>probe</resource></bind></iq>",
            )
            .await?;
        match probe.next().await? {
            Piece::Stanza(iq) => {
                let bound = iq.children.first().and_then(|bind| bind.children.first());
                let jid = bound.map(|jid| jid.text.clone()).ok_or_else(refused)?;
                Ok((probe, jid))
            }
            _ => Err(refused()),
        }
    }

    /// Sends a stream header and reads the server's header and features.
    async fn negotiate(&mut self) -> io::Result<()> {
        self.send(HEADER).await?;
        match (self.next().await?, self.next().await?) {
            (Piece::Header, Piece::Stanza(features)) if features.name == "features" => Ok(()),
            other => Err(io::Error::other(format!("header and features expected, got {other:?}"))),
        }
    }

    /// Sends text as it is.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn send(&mut self, text: &str) -> io::Result<()> {
        self.stream.write_all(text.as_bytes()).await?;
        self.stream.flush().await
    }

    /// Returns the next piece of the server's stream.
    ///
    /// # Errors
    /// When the connection is reset, or what came is no XML.
    pub async fn next(&mut self) -> io::Result<Piece> {
        loop {
            let piece = match self.framer.next_frame().map_err(io::Error::other)? {
                Some(Frame::Header(_)) => Some(Piece::Header),
                Some(Frame::End) => Some(Piece::End),
                Some(Frame::Stanza(bytes) | Frame::Message(Plain { stanza: bytes, .. })) => {
                    Some(Piece::Stanza(Element::parse(bytes, "jabber:client").map_err(io::Error::other)?))
                }
                None => None,
            };
            if let Some(piece) = piece {
                return Ok(piece);
            }
            self.framer.compact();
            match self.stream.read_buf(self.framer.buffer()).await {
                Ok(0) => return Ok(Piece::Eof),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(Piece::Eof),
                Ok(_) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Returns the JSON of the next message, passing over other stanzas.
    ///
    /// # Errors
    /// When the stream or connection ends first.
    pub async fn next_json(&mut self) -> io::Result<serde_json::Value> {
        loop {
            match self.next().await? {
                Piece::Stanza(stanza) => {
                    if let Some(gcm) = stanza.child("gcm", "google:mobile:data") {
                        return serde_json::from_str(&gcm.text).map_err(io::Error::other);
                    }
                }
                other => return Err(io::Error::other(format!("a message expected, got {other:?}"))),
            }
        }
    }

    /// Returns the bare TLS stream, for who reads on without parsing.
    #[must_use]
    pub fn into_stream(self) -> TlsStream<TcpStream> {
        self.stream
    }
}
