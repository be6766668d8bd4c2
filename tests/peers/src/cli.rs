//! The command line of `pushweir-peers`.
//!
//! Only `main` uses it. The knobs' own flags are defined where the knobs are.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::xmpp::admin::CALLS;
use crate::xmpp::knobs::Knobs;
use crate::xmpp::script::TOKEN_TABLE;

/// Provider doubles and a load generator for testing pushweir.
#[derive(Debug, Parser)]
#[command(name = "pushweir-peers", version, subcommand_required = true, arg_required_else_help = true)]
pub struct Cli {
    /// What to run.
    #[command(subcommand)]
    pub command: Command,
}

/// The programs in the binary.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// A double of FCM's XMPP server (CCS): TLS from the first byte, one account, strict about the protocol.
    ///
    /// Prints `listening on ADDR` and `control on ADDR` once it is up, and its report as JSON on SIGTERM or SIGINT.
    /// Counts given to --drain-after, --close-after and --stall-after are pushes per connection.
    Xmpp(Box<XmppArgs>),
}

/// Flags of the XMPP double.
#[derive(Debug, Args)]
#[command(after_help = format!("Control calls: {CALLS}\n\n{TOKEN_TABLE}"))]
pub struct XmppArgs {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:5236")]
    pub listen: SocketAddr,
    /// The sender id that may log in.
    #[arg(long, value_name = "S", default_value = "1234567890")]
    pub sender_id: String,
    /// Its server key.
    #[arg(long, value_name = "K", default_value = "demo-server-key")]
    pub server_key: String,
    /// Directory for the certificate authority; ca.pem there is what clients must trust. It is reused if present.
    #[arg(long, value_name = "DIR", default_value = "target/peers")]
    pub tls_dir: PathBuf,
    /// Make the certificate for this name instead of localhost, 127.0.0.1 and ::1 (may be given several times).
    #[arg(long, value_name = "NAME")]
    pub cert_name: Vec<String>,
    /// Write the report to this file at the end.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Where to answer control calls; port 0 takes a free one.
    #[arg(long, value_name = "ADDR")]
    pub control: Option<SocketAddr>,
    /// Threads to serve connections with.
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: u16,
    /// Seed for everything random.
    #[arg(long, value_name = "N", default_value = "1")]
    pub seed: u64,
    /// The behaviour.
    #[command(flatten)]
    pub knobs: Knobs,
}
