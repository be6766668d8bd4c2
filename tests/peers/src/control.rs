//! The HTTP face that steers a double: just enough HTTP/1.1 for curl and tests.
//!
//! A double gives [`serve`] a function from request to response. One request per connection; the body is ignored, all
//! parameters are in the query.

use std::future::Future;
use std::time::Duration;

use log::debug;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// The most bytes a request's head may have.
const MAX_HEAD: usize = 8 * 1024;

/// How long a client may take to send its request.
const PATIENCE: Duration = Duration::from_secs(5);

/// A request: its method, path and query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method, such as `GET`.
    pub method: String,
    /// The path without query.
    pub path: String,
    /// The parameters in order, percent-decoded.
    pub query: Vec<(String, String)>,
}

impl Request {
    /// Returns the value of a parameter.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Returns the request in the first line of `head`, or nothing when it is none.
    #[must_use]
    pub fn parse(head: &str) -> Option<Self> {
        let mut words = head.lines().next()?.split(' ');
        let (method, target, version) = (words.next()?, words.next()?, words.next()?);
        if !version.starts_with("HTTP/1.") || !target.starts_with('/') {
            return None;
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let query = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        });
        Some(Self { method: method.to_owned(), path: path.to_owned(), query: query.collect() })
    }
}

/// A response: status and text, JSON when it starts with a brace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: String,
}

impl Response {
    /// Returns a response with status 200.
    #[must_use]
    pub fn fine(body: String) -> Self {
        Self { status: 200, body }
    }

    /// Returns a response that says what is wrong.
    #[must_use]
    pub fn fault(status: u16, text: &str) -> Self {
        Self { status, body: serde_json::json!({ "error": text }).to_string() }
    }

    fn bytes(&self) -> Vec<u8> {
        let reason = match self.status {
            200 => "OK",
            400 => "Bad Request",
            404 => "Not Found",
            _ => "Error",
        };
        format!(
            "HTTP/1.1 {} {reason}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{}",
            self.status,
            self.body.len(),
            self.body
        )
        .into_bytes()
    }
}

/// Answers requests with `handle` until the listener's task is dropped.
pub async fn serve<H, F>(listener: TcpListener, handle: H)
where
    H: Fn(Request) -> F + Clone + Send + 'static,
    F: Future<Output = Response> + Send,
{
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                debug!("control accept failed error={error}");
                tokio::task::yield_now().await;
                continue;
            }
        };
        let handle = handle.clone();
        tokio::spawn(async move {
            if timeout(PATIENCE, answer(stream, handle)).await.is_err() {
                debug!("control client too slow");
            }
        });
    }
}

async fn answer<H, F>(mut stream: TcpStream, handle: H)
where
    H: Fn(Request) -> F,
    F: Future<Output = Response>,
{
    let mut head = Vec::new();
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        if head.len() > MAX_HEAD || !matches!(stream.read_buf(&mut head).await, Ok(count) if count > 0) {
            return;
        }
    }
    let response = match Request::parse(&String::from_utf8_lossy(&head)) {
        Some(request) => handle(request).await,
        None => Response::fault(400, "not an HTTP/1.1 request"),
    };
    let written = stream.write_all(&response.bytes()).await;
    if written.and(stream.shutdown().await).is_err() {
        debug!("control client left early");
    }
}

/// Undoes percent-encoding; what is no valid escape stays as it is.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = match (first, tail) {
            (b'%', [a, b, ..]) => hex(*a).zip(hex(*b)).map(|(high, low)| high * 16 + low),
            _ => None,
        };
        bytes.push(escaped.unwrap_or(if *first == b'+' { b' ' } else { *first }));
        rest = if escaped.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_method_path_and_decoded_parameters() {
        let request =
            Request::parse("POST /set?nack=0.1%3AX&latency=5ms&flag HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/set"));
        assert_eq!(request.parameter("nack"), Some("0.1:X"));
        assert_eq!(request.parameter("flag"), Some(""));
        assert_eq!(request.parameter("other"), None);
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for head in ["", "GET", "GET / SPDY/3", "GET x HTTP/1.1", "\r\n"] {
            assert_eq!(Request::parse(head), None, "{head:?}");
        }
    }

    #[test]
    fn broken_escapes_stay_as_they_are() {
        assert_eq!(decode("a%2"), "a%2");
        assert_eq!(decode("%zz+%41"), "%zz A");
    }
}
