//! A blocking HTTP/1.1 client that can also say what no client should.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use serde_json::Value;

const TIMEOUT: Duration = Duration::from_secs(30);

/// An answer.
#[derive(Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

/// A connection that carries one request after the other.
pub struct Client {
    reader: BufReader<TcpStream>,
}

// === impl Reply ===

impl Reply {
    /// Returns the body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// Returns a header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Returns the text of the error in the body.
    #[track_caller]
    pub fn error(&self) -> String {
        let json = self.json();
        let text = json["error"]["message"].as_str().or_else(|| json["error"].as_str());
        text.unwrap_or_else(|| panic!("no error in {self:?}")).to_owned()
    }

    /// Checks the status, with the whole answer in the failure's text.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }
}

// === impl Client ===

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// Nobody listens.
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        Ok(Self { reader: BufReader::new(stream) })
    }

    /// Makes a request and reads the answer.
    ///
    /// # Errors
    /// The connection broke.
    pub fn call(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Reply> {
        let mut bytes = head(method, path, headers, body.len());
        bytes.extend_from_slice(body);
        self.reader.get_mut().write_all(&bytes)?;
        self.read()
    }

    /// Sends bytes as they are, while an early answer can already be read.
    pub fn send_raw(&mut self, bytes: Vec<u8>) {
        let mut stream = self.reader.get_ref().try_clone().expect("a socket can be cloned");
        // A server may answer and close before it has read everything; the answer is what counts.
        thread::spawn(move || drop(stream.write_all(&bytes)));
    }

    /// Reads an answer.
    ///
    /// # Errors
    /// The connection broke, or what came is no HTTP.
    pub fn read(&mut self) -> io::Result<Reply> {
        let status_line = self.line()?;
        let status = status_line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| io::Error::other(format!("not HTTP: {status_line:?}")))?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut reply = Reply { status, headers, body: String::new() };
        let body = if reply.header("transfer-encoding") == Some("chunked") {
            self.chunks()?
        } else if let Some(length) = reply.header("content-length").and_then(|length| length.parse().ok()) {
            self.exactly(length)?
        } else {
            let mut rest = Vec::new();
            self.reader.read_to_end(&mut rest)?;
            rest
        };
        reply.body = String::from_utf8_lossy(&body).into_owned();
        Ok(reply)
    }

    /// Reads one line without its end, such as of an event stream.
    ///
    /// # Errors
    /// The connection broke or has ended.
    pub fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }

    fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.reader.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        loop {
            let line = self.line()?;
            let length = usize::from_str_radix(line.trim(), 16).map_err(io::Error::other)?;
            bytes.extend(self.exactly(length)?);
            self.line()?;
            if length == 0 {
                return Ok(bytes);
            }
        }
    }
}

/// Returns the head of a request with a body of `length` bytes.
pub fn head(method: &str, path: &str, headers: &[(&str, &str)], length: usize) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if length > 0 || method != "GET" {
        head.push_str(&format!("content-length: {length}\r\n"));
    }
    head.push_str("\r\n");
    head.into_bytes()
}

/// Makes one request on a connection of its own.
#[track_caller]
pub fn call(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    let answer = Client::connect(address).and_then(|mut client| client.call(method, path, headers, body));
    answer.unwrap_or_else(|error| panic!("{method} {path} at {address}: {error}"))
}
