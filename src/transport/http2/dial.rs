//! Opens a connection that speaks HTTP/2: name look-up, TCP, maybe a proxy, TLS with ALPN.
//!
//! Sessions and single calls connect by it. Names are looked up anew each time, as providers move traffic by DNS. Invariant: where only public
//! addresses may be reached, the addresses that are checked are the ones that are connected to.

use http::Uri;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Endpoint, Reach};
use crate::transport::{ConnectError, guard, peer_name, tls};

/// What ALPN calls HTTP/2 over TLS (RFC 9113 section 3.2).
pub const ALPN: &str = "h2";

const HTTPS_PORT: u16 = 443;

/// The most bytes of a proxy's answer.
const MAX_PROXY_HEAD: usize = 8 * 1024;

/// Returns host and port of an origin.
pub fn host_and_port(origin: &Uri) -> (&str, u16) {
    // An IPv6 address stands in brackets in a URI and without them everywhere else.
    let host = origin.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    (host, origin.port_u16().unwrap_or(HTTPS_PORT))
}

/// Names an origin for logs, such as `fcm.googleapis.com:443`.
pub fn peer(origin: &Uri) -> String {
    let (host, port) = host_and_port(origin);
    peer_name(host, port)
}

/// Connects to a peer that must speak HTTP/2; `tell` hears what is being waited for.
///
/// # Errors
/// [`ConnectError`] for the step that failed.
pub async fn connect(endpoint: &Endpoint, tell: impl Fn(&'static str)) -> Result<tls::Secured, ConnectError> {
    match secure(endpoint, &[ALPN], tell).await? {
        (io, true) => Ok(io),
        (_, false) => Err(ConnectError::Tls {
            peer: peer(&endpoint.origin),
            cause: "the peer does not offer HTTP/2 (hint: is this the provider's address?)".into(),
        }),
    }
}

/// Connects and secures, offering these protocols; says whether the peer took HTTP/2. `tell` hears what is being waited for.
///
/// # Errors
/// [`ConnectError`] for the step that failed.
pub async fn secure(
    endpoint: &Endpoint,
    protocols: &'static [&'static str],
    tell: impl Fn(&'static str),
) -> Result<(tls::Secured, bool), ConnectError> {
    let peer = peer(&endpoint.origin);
    let (host, port) = host_and_port(&endpoint.origin);
    tell("resolving the host's name and connecting");
    let tcp = match (&endpoint.proxy, endpoint.reach) {
        (Some(proxy), _) => tunnel(proxy, &peer).await,
        (None, Reach::Anywhere) => TcpStream::connect((host, port)).await,
        (None, Reach::Public) => connect_public(host, port, &peer).await?,
    };
    let network = |error: std::io::Error| {
        let cause = match &endpoint.proxy {
            None => error.to_string(),
            Some(proxy) => format!("through the proxy {proxy}: {error}"),
        };
        ConnectError::Network { peer: peer.clone(), cause }
    };
    let tcp = tcp.map_err(network)?;
    // Requests are written in batches: waiting to fill a packet would only add delay.
    tcp.set_nodelay(true).map_err(network)?;
    tell("securing the connection");
    let failed = |cause: String| ConnectError::Tls { peer: peer.clone(), cause };
    let io = tls::connect_as(tcp, host, endpoint.ca.clone(), endpoint.identity.clone(), protocols)
        .await
        .map_err(|error| failed(error.to_string()))?;
    let agreed = io.get_ref().negotiated_alpn().map_err(|error| failed(error.to_string()))?;
    Ok((io, agreed.as_deref() == Some(ALPN.as_bytes())))
}

/// Connects to those of a host's addresses that are public.
async fn connect_public(
    host: &str,
    port: u16,
    peer: &str,
) -> Result<std::io::Result<TcpStream>, ConnectError> {
    let found = match tokio::net::lookup_host((host, port)).await {
        Ok(found) => found,
        Err(error) => return Ok(Err(error)),
    };
    let mut forbidden = None;
    let mut public = Vec::new();
    for address in found {
        match guard::check(address.ip()) {
            Ok(()) => public.push(address),
            Err(error) => forbidden = Some(error),
        }
    }
    match forbidden {
        Some(error) if public.is_empty() => {
            Err(ConnectError::Forbidden { peer: peer.to_owned(), cause: error.to_string() })
        }
        _ => Ok(TcpStream::connect(&public[..]).await),
    }
}

/// Opens a tunnel through an HTTP proxy.
async fn tunnel(proxy: &str, peer: &str) -> std::io::Result<TcpStream> {
    let mut tcp = TcpStream::connect(proxy).await?;
    tcp.write_all(format!("CONNECT {peer} HTTP/1.1\r\nHost: {peer}\r\n\r\n").as_bytes()).await?;
    let mut head = Vec::with_capacity(256);
    // One byte at a time: what follows the head belongs to TLS and must stay in the socket.
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= MAX_PROXY_HEAD {
            return Err(std::io::Error::other("its answer is too long"));
        }
        head.push(tcp.read_u8().await?);
    }
    let text = String::from_utf8_lossy(&head);
    let first = text.lines().next().unwrap_or_default();
    if first.starts_with("HTTP/1.") && first.split(' ').nth(1).is_some_and(|code| code.starts_with('2')) {
        return Ok(tcp);
    }
    Err(std::io::Error::other(format!("it answered {first:?}")))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn an_origin_has_a_host_and_a_port() {
        let of = |text: &str| {
            let uri: Uri = text.parse().unwrap();
            let (host, port) = host_and_port(&uri);
            (host.to_owned(), port, peer(&uri))
        };
        assert_eq!(of("https://a.example"), ("a.example".into(), 443, "a.example:443".into()));
        assert_eq!(of("https://[::1]:8443/x"), ("::1".into(), 8443, "[::1]:8443".into()));
    }

    #[tokio::test]
    async fn a_name_that_resolves_to_this_machine_is_not_connected_to_unless_any_address_may_be() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        for host in ["localhost", "127.0.0.1", "2130706433", "[::ffff:127.0.0.1]"] {
            let endpoint = |reach| Endpoint {
                origin: format!("https://{host}:{port}").parse().unwrap(),
                ca: None,
                identity: None,
                proxy: None,
                connect_timeout: std::time::Duration::from_secs(5),
                reach,
            };
            let refused = connect(&endpoint(Reach::Public), |_| ()).await.unwrap_err();
            assert!(matches!(refused, ConnectError::Forbidden { .. }), "{host}: {refused}");
            let anywhere = endpoint(Reach::Anywhere);
            tokio::select! {
                opened = connect(&anywhere, |_| ()) => panic!("{host}: {opened:?}"),
                accepted = listener.accept() => drop(accepted.unwrap()),
            }
        }
    }

    #[tokio::test]
    async fn a_proxy_opens_a_tunnel_or_says_why_not() {
        for (answer, fine) in [
            ("HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\nrest", true),
            ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", false),
            ("HTTP/1.1 200 OK\r\n", false),
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap().to_string();
            let server = async {
                let (mut tcp, _) = listener.accept().await.unwrap();
                let mut head = vec![0; 1024];
                let count = tcp.read(&mut head).await.unwrap();
                assert!(head[..count].starts_with(b"CONNECT a.example:443 HTTP/1.1\r\n"));
                tcp.write_all(answer.as_bytes()).await.unwrap();
            };
            let (opened, ()) = tokio::join!(tunnel(&address, "a.example:443"), server);
            match opened {
                Ok(mut tcp) if fine => {
                    let mut rest = String::new();
                    tcp.read_to_string(&mut rest).await.unwrap();
                    assert_eq!(rest, "rest");
                }
                Err(_) if !fine => {}
                other => panic!("{answer:?}: {other:?}"),
            }
        }
    }
}
