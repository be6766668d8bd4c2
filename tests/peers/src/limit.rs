//! What the machine can do with the same bytes and nothing else: the limits that a gateway's figures are set in relation to.
//!
//! `pushweir-peers limit` is the command around it: [`echo`] moves the bytes of pushes and answers over bare TLS between two processes,
//! [`channel`] moves them between two threads. Nothing here knows XML, JSON or a push.

pub mod channel;
pub mod echo;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use crate::units;

/// The programs.
#[derive(Debug, Subcommand)]
pub enum Limit {
    /// Answer bytes with bytes over TLS, until SIGTERM or SIGINT. Prints `listening on ADDR`.
    Serve(ServeArgs),
    /// Send bytes to `serve` as fast as the windows allow. Prints the outcome as JSON.
    Ask(AskArgs),
    /// Hand bytes from one thread to another as fast as the windows allow. Prints the outcome as JSON.
    Channel(ChannelArgs),
}

/// The bytes of a push and of its answer.
#[derive(Debug, Clone, Copy, Args)]
pub struct Sizes {
    /// Bytes of a push.
    #[arg(long, value_name = "BYTES", default_value = "425", value_parser = size)]
    pub request: usize,
    /// Bytes of an answer.
    #[arg(long, value_name = "BYTES", default_value = "286", value_parser = size)]
    pub reply: usize,
}

/// How much is under way.
#[derive(Debug, Clone, Copy, Args)]
pub struct Flow {
    /// Unanswered pushes per connection.
    #[arg(long, value_name = "N", default_value = "100", value_parser = size)]
    pub window: usize,
    /// Pushes in a write; each write is flushed by itself. At most the window.
    #[arg(long, value_name = "N", default_value = "100", value_parser = size)]
    pub batch: usize,
    /// Connections.
    #[arg(long, value_name = "N", default_value = "8", value_parser = size)]
    pub connections: usize,
    /// How long to go on.
    #[arg(long = "for", value_name = "D", default_value = "3s", value_parser = units::duration)]
    pub length: Duration,
}

/// Flags of the answering end.
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Directory for the certificate authority.
    #[arg(long, value_name = "DIR", default_value = "target/peers")]
    pub tls_dir: PathBuf,
    /// The TLS library.
    #[arg(long, value_enum, default_value = "native")]
    pub tls: Library,
    /// The sizes.
    #[command(flatten)]
    pub sizes: Sizes,
}

/// Flags of the asking end.
#[derive(Debug, Clone, Args)]
pub struct AskArgs {
    /// The answering end.
    #[arg(long, value_name = "ADDR")]
    pub to: SocketAddr,
    /// Directory with its ca.pem.
    #[arg(long, value_name = "DIR", default_value = "target/peers")]
    pub tls_dir: PathBuf,
    /// The sizes.
    #[command(flatten)]
    pub sizes: Sizes,
    /// How much is under way.
    #[command(flatten)]
    pub flow: Flow,
}

/// Flags of the two threads.
#[derive(Debug, Clone, Args)]
pub struct ChannelArgs {
    /// The sizes.
    #[command(flatten)]
    pub sizes: Sizes,
    /// How much is under way.
    #[command(flatten)]
    pub flow: Flow,
}

/// Who speaks TLS at the answering end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Library {
    /// native-tls (OpenSSL; TLS 1.2, as its acceptor is).
    Native,
    /// rustls (TLS 1.3), as the doubles.
    Rustls,
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

impl Outcome {
    fn of(answered: u64, elapsed: Duration) -> Self {
        let elapsed_seconds = elapsed.as_secs_f64();
        Self { answered, elapsed_seconds, per_second: answered as f64 / elapsed_seconds }
    }
}

/// Reads a number from 1 to a million.
fn size(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(size @ 1..=1_000_000) => Ok(size),
        _ => Err("a whole number from 1 to 1000000 is wanted".to_owned()),
    }
}
