//! Pushes straight into a double as fast as its window allows, without a gateway.
//!
//! `pushweir-peers pump` is the command around it. It measures the double itself: what it reaches with the same bytes is the
//! ceiling for a gateway on the same machine.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use memchr::memmem;
use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;

use crate::xmpp::login::Account;
use crate::xmpp::probe::Probe;

const STANZA_END: &[u8] = b"</message>";

/// What to pump.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The double.
    pub target: SocketAddr,
    /// The directory of its authority.
    pub tls_dir: PathBuf,
    /// Who logs in.
    pub account: Account,
    /// Connections.
    pub connections: u32,
    /// Un-acked pushes per connection.
    pub window: usize,
    /// How long to push.
    pub length: Duration,
}

/// What came of it; the field names are the JSON's keys.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// Pushes answered.
    pub answered: u64,
    /// From the first push to the last answer.
    pub elapsed_seconds: f64,
    /// Answers per second.
    pub per_second: f64,
}

/// Pumps until the time is over and every answer is in.
///
/// # Errors
/// When a connection fails.
pub async fn run(plan: &Plan) -> io::Result<Outcome> {
    let mut streams = Vec::new();
    for _ in 0..plan.connections {
        let (probe, _) = Probe::login(plan.target, &plan.tls_dir, &plan.account).await?;
        streams.push(probe.into_stream());
    }
    let start = Instant::now();
    let mut pumps = JoinSet::new();
    for (number, stream) in streams.into_iter().enumerate() {
        pumps.spawn(pump(stream, number, plan.window, start + plan.length));
    }
    let mut answered = 0;
    while let Some(pumped) = pumps.join_next().await {
        answered += pumped.map_err(io::Error::other)??;
    }
    let elapsed_seconds = start.elapsed().as_secs_f64();
    Ok(Outcome { answered, elapsed_seconds, per_second: answered as f64 / elapsed_seconds })
}

async fn pump(
    mut stream: TlsStream<TcpStream>,
    number: usize,
    window: usize,
    until: Instant,
) -> io::Result<u64> {
    let (mut sent, mut answered) = (0u64, 0u64);
    let mut free = window;
    let (mut out, mut input) = (Vec::new(), Vec::with_capacity(64 * 1024));
    loop {
        if Instant::now() < until {
            for _ in 0..free {
                push_into(&mut out, number, sent);
                sent += 1;
            }
            stream.write_all(&out).await?;
            stream.flush().await?;
            out.clear();
        } else if answered == sent {
            stream.shutdown().await?;
            return Ok(answered);
        }
        if stream.read_buf(&mut input).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        free = memmem::find_iter(&input, STANZA_END).count();
        answered += free as u64;
        let rest = memmem::rfind(&input, STANZA_END).map_or(0, |at| at + STANZA_END.len());
        input.drain(..rest);
    }
}

/// Appends a push of the usual size: a stanza of about 425 bytes.
fn push_into(out: &mut Vec<u8>, connection: usize, number: u64) {
    let text = format!(
        "<message id=\"{connection}-{number}\"><gcm xmlns=\"google:mobile:data\">{{\"to\":\"{TOKEN}{number:06}\",\
         \"message_id\":\"{connection}-{number}\",\"priority\":\"high\",\"time_to_live\":3600,\"data\":{{\"channel\":\
         \"41771983423143937\",\"kind\":\"mention\",\"text\":\"Ana &amp; Bo in #general: see you at eight\"}}}}</gcm></message>"
    );
    out.extend_from_slice(text.as_bytes());
}

/// As long as a registration token is.
const TOKEN: &str = "fXk9-bQ2RkGh:APA91bHPRgkF3JUikC4ENAHEeMrd41Zxv3hVZjC9KtT8OvPVGJ-hQMRKRrZuJAEcl7B338qju59zJMjw2DELjzEvxwYv7hH5\
                     Ynpc1ODQ0aT4U4OFEeco8ohsN5PjL1iC2dNtk2";
