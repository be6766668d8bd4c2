//! The command line of `pushweir-peers`.
//!
//! Only `main` uses it. The knobs' own flags are defined where the knobs are.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::apns::service::Apns;
use crate::double::listener::Place;
use crate::double::script::TOKEN_TABLE;
use crate::fcm::service::Fcm;
use crate::http2::{self, call, hub};
use crate::limit::Limit;
use crate::load::profile::Profile;
use crate::tls::LOCAL_NAMES;
use crate::units;
use crate::webpush::service::WebPush;
use crate::xmpp::hub::CALLS;
use crate::xmpp::knobs::Knobs;
use crate::{apns, fcm, webpush};

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
    /// A double of FCM's HTTP v1 API: HTTP/2 over TLS, with the token service in front of it, strict about both.
    ///
    /// Writes service-account.json beside ca.pem; a client needs both. Prints `listening on ADDR` and `control on ADDR` once it is up, and its
    /// report as JSON on SIGTERM or SIGINT. Counts given to --drain-after, --close-after and --stall-after are pushes per connection.
    Fcm(Box<FcmArgs>),
    /// A double of Apple's push notification service: HTTP/2 over TLS, strict about tokens, headers and payloads.
    ///
    /// Writes apns-key.p8 (team PWTEAM0001, key PWKEY00001), apns-client.pem and apns-client.p12 (password demo) beside ca.pem; a client logs in
    /// with the key or the certificate. Prints `listening on ADDR` and `control on ADDR` once it is up, and its report as JSON on SIGTERM or SIGINT.
    /// Counts given to --drain-after, --close-after and --stall-after are pushes per connection.
    Apns(Box<ApnsArgs>),
    /// A double of a browser's push service: HTTP/2 or HTTP/1.1 over TLS, with the browsers behind it, strict about both.
    ///
    /// Writes vapid.pem beside ca.pem: the key that its subscriptions are made with. Prints `listening on ADDR` and `control on ADDR` once it is
    /// up, and its report as JSON on SIGTERM or SIGINT. Counts given to --drain-after, --close-after and --stall-after are pushes per connection.
    Webpush(Box<WebPushArgs>),
    /// Pushes straight into the XMPP double as fast as its windows allow, without a gateway.
    ///
    /// What it reaches is the ceiling for a gateway on the same machine. Prints the outcome as JSON.
    Pump(PumpArgs),
    /// What the machine can do with the same bytes and nothing else: no XML, no JSON, no push.
    #[command(subcommand)]
    Limit(Limit),
    /// An open-loop load generator for the gateway's ingest door.
    ///
    /// Send times are fixed in advance and latency is counted from them. A request that cannot be sent because too many
    /// wait already is skipped and counted; 429 and 503 are counted and never retried. Prints a summary.
    Load(Box<LoadArgs>),
    /// Watch a gateway: a live line a second, then its ledger beside the double's report.
    ///
    /// Ends after --for, or on SIGINT or SIGTERM; waits for the gateway to end what it holds; exits 1 if the books do not balance, the two
    /// sides disagree, or the double saw a violation.
    Watch(WatchArgs),
}

/// Where a double listens and what it leaves behind.
#[derive(Debug, Args)]
pub struct PlaceArgs {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Directory for the certificate authority and the accounts; ca.pem there is what clients must trust. What is there is reused.
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
}

impl PlaceArgs {
    /// Returns where the double listens.
    #[must_use]
    pub fn place(&self) -> Place {
        let names = self.cert_name.clone();
        let names = if names.is_empty() { LOCAL_NAMES.map(str::to_owned).to_vec() } else { names };
        Place { listen: self.listen, control: self.control, tls_dir: self.tls_dir.clone(), names }
    }
}

/// Flags of the XMPP double.
#[derive(Debug, Args)]
#[command(after_help = format!("Control calls: {CALLS}\n\n{TOKEN_TABLE}"))]
#[command(mut_arg("listen", |arg| arg.default_value("127.0.0.1:5236")))]
pub struct XmppArgs {
    /// Where it listens.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// The sender id that may log in.
    #[arg(long, value_name = "S", default_value = "1234567890")]
    pub sender_id: String,
    /// Its server key.
    #[arg(long, value_name = "K", default_value = "demo-server-key")]
    pub server_key: String,
    /// Seed for everything random.
    #[arg(long, value_name = "N", default_value = "1")]
    pub seed: u64,
    /// The behaviour.
    #[command(flatten)]
    pub knobs: Knobs,
}

/// Flags of the FCM double.
#[derive(Debug, Args)]
#[command(after_help = format!("Control calls: {}\n\n{}\n{}\n\n{TOKEN_TABLE}", hub::calls::<Fcm>(), fcm::answer::CODES, call::CODES))]
#[command(mut_arg("listen", |arg| arg.default_value("127.0.0.1:5443")))]
pub struct FcmArgs {
    /// Where it listens.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// The behaviour.
    #[command(flatten)]
    pub knobs: fcm::knobs::Knobs,
}

/// Flags of the APNs double.
#[derive(Debug, Args)]
#[command(after_help = format!("Control calls: {}\n\n{}\n{}\n\n{TOKEN_TABLE}", hub::calls::<Apns>(), apns::answer::CODES, call::CODES))]
#[command(mut_arg("listen", |arg| arg.default_value("127.0.0.1:5444")))]
pub struct ApnsArgs {
    /// Where it listens.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// The app's bundle id.
    #[arg(long, value_name = "TOPIC", default_value = "com.example.app")]
    pub topic: String,
    /// The behaviour.
    #[command(flatten)]
    pub knobs: apns::knobs::Knobs,
}

/// Flags of the Web Push double.
#[derive(Debug, Args)]
#[command(after_help = format!("Control calls: {}\n\n{}\n{}\n\n{TOKEN_TABLE}", hub::calls::<WebPush>(), webpush::answer::CODES, call::CODES))]
#[command(mut_arg("listen", |arg| arg.default_value("127.0.0.1:5445")))]
pub struct WebPushArgs {
    /// Where it listens.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Offer HTTP/1.1 only.
    #[arg(long)]
    pub http1: bool,
    /// The behaviour.
    #[command(flatten)]
    pub knobs: http2::knobs::Knobs,
}

/// Flags of the pump.
#[derive(Debug, Args)]
pub struct PumpArgs {
    /// The double.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:5236")]
    pub to: SocketAddr,
    /// The sender id to log in with.
    #[arg(long, value_name = "S", default_value = "1234567890")]
    pub sender_id: String,
    /// Its server key.
    #[arg(long, value_name = "K", default_value = "demo-server-key")]
    pub server_key: String,
    /// Directory with the double's ca.pem.
    #[arg(long, value_name = "DIR", default_value = "target/peers")]
    pub tls_dir: PathBuf,
    /// Connections.
    #[arg(long, value_name = "N", default_value = "8", value_parser = clap::value_parser!(u32).range(1..))]
    pub connections: u32,
    /// Un-acked pushes per connection.
    #[arg(long, value_name = "N", default_value = "100", value_parser = clap::value_parser!(u16).range(1..))]
    pub window: u16,
    /// How long to push.
    #[arg(long = "for", value_name = "D", default_value = "5s", value_parser = units::duration)]
    pub length: Duration,
}

/// Flags of the load generator.
#[derive(Debug, Args)]
pub struct LoadArgs {
    /// The gateway, such as http://127.0.0.1:8650; without a path, /v1/pushes is used.
    #[arg(long, value_name = "URL")]
    pub to: Door,
    /// The route to push to.
    #[arg(long, value_name = "NAME")]
    pub route: String,
    /// The shape of the load: steady; burst (four times --rate in the first second of every ten); incident (--rate for
    /// 5/9 of the time, then 0.3 of it: Discord's overload); day (midnight to midnight, --rate at the evening's peak).
    #[arg(long, value_enum, default_value = "steady")]
    pub profile: Profile,
    /// Pushes per second at the profile's peak (burst: outside its bursts).
    #[arg(long, value_name = "N", default_value = "16667", value_parser = rate)]
    pub rate: f64,
    /// How long to offer load.
    #[arg(long = "for", value_name = "D", default_value = "90s", value_parser = units::duration)]
    pub length: Duration,
    /// Stop after this many pushes.
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,
    /// Pushes per request; one push is sent without a list around it.
    #[arg(long, value_name = "N", default_value = "10", value_parser = clap::value_parser!(u32).range(1..))]
    pub batch: u32,
    /// Connections to the gateway, each with one request at a time.
    #[arg(long, value_name = "N", default_value = "32", value_parser = clap::value_parser!(u32).range(1..))]
    pub connections: u32,
    /// Requests that may wait for a connection before further ones are skipped.
    #[arg(long, value_name = "N", default_value = "10000")]
    pub backlog: usize,
    /// How long a response may take.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = units::duration)]
    pub timeout: Duration,
    /// Closed loop instead, for benchmarks: each connection keeps --pipeline requests under way, as fast as the gateway
    /// answers. --profile and --rate are ignored, and latency says nothing about an open system.
    #[arg(long)]
    pub max: bool,
    /// Requests under way per connection with --max.
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u16).range(1..))]
    pub pipeline: u16,
    /// Bearer token for the gateway.
    #[arg(long, value_name = "TOKEN")]
    pub token: Option<String>,
    /// About how many bytes one push's JSON has.
    #[arg(long, value_name = "BYTES", default_value = "300")]
    pub payload: usize,
    /// Time to live in seconds (the gateway's default when absent).
    #[arg(long, value_name = "SECONDS")]
    pub ttl: Option<u32>,
    /// Priority of the pushes (the gateway's default when absent).
    #[arg(long, value_parser = ["critical", "high", "normal", "low"])]
    pub priority: Option<String>,
    /// What device tokens start with; see the XMPP double's table of tokens.
    #[arg(long, value_name = "TEXT", default_value = "device-")]
    pub device_prefix: String,
    /// Write device tokens in hex, as Apple's are; the double reads --device-prefix back from them.
    #[arg(long)]
    pub device_hex: bool,
    /// Send every push to this one instead, as the JSON of its `to`, such as a Web Push subscription.
    #[arg(long = "to-json", value_name = "JSON", value_parser = object)]
    pub everybody: Option<serde_json::Value>,
    /// Number of different devices.
    #[arg(long, value_name = "N", default_value = "100000", value_parser = clap::value_parser!(u64).range(1..))]
    pub devices: u64,
    /// Give every push an id: this text and its number (the gateway makes ids when absent).
    #[arg(long, value_name = "TEXT")]
    pub id_prefix: Option<String>,
    /// Print a line each second.
    #[arg(long)]
    pub live: bool,
    /// Write the report to this file as JSON.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Threads to send with.
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: u16,
}

/// A JSON object. (By itself the flag's type would take the text for a JSON string.)
fn object(text: &str) -> Result<serde_json::Value, String> {
    let value: serde_json::Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if value.is_object() { Ok(value) } else { Err("is no JSON object".to_owned()) }
}

/// A rate above zero.
fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate.is_finite() => Ok(rate),
        _ => Err("a rate is a number above 0 (hint: write 16667)".to_owned()),
    }
}

/// Flags of the watcher.
#[derive(Debug, Args)]
pub struct WatchArgs {
    /// Address of the gateway's admin interface.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8651")]
    pub admin: String,
    /// Address of the double's control face (its --control); without it only the gateway is looked at.
    #[arg(long, value_name = "ADDR")]
    pub control: Option<String>,
    /// How long to watch.
    #[arg(long = "for", value_name = "TIME", value_parser = crate::units::duration)]
    pub length: Option<Duration>,
    /// How long the gateway then has to end everything it holds.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = crate::units::duration)]
    pub settle: Duration,
}

/// Where the gateway listens for pushes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Door {
    /// Host and port.
    pub host: String,
    /// The path to post to.
    pub path: String,
}

impl FromStr for Door {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fault = || "not an http address with a host (hint: write http://127.0.0.1:8650)".to_owned();
        let rest = text.strip_prefix("http://").ok_or_else(fault)?;
        let (host, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
        if host.is_empty() {
            return Err(fault());
        }
        let bare = host.rsplit_once(']').map_or(host, |(_, after)| after);
        let host = if bare.contains(':') { host.to_owned() } else { format!("{host}:80") };
        let path = if path == "/" { "/v1/pushes" } else { path };
        Ok(Self { host, path: path.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_target_is_an_object() {
        assert_eq!(object(r#"{"token": "a"}"#).map(|to| to.to_string()), Ok(r#"{"token":"a"}"#.to_owned()));
        assert!(object("\"a\"").is_err() && object("{").is_err());
    }

    #[test]
    fn the_gateway_s_address_may_leave_port_and_path_out() {
        let door = |host: &str, path: &str| Ok(Door { host: host.to_owned(), path: path.to_owned() });
        assert_eq!("http://127.0.0.1:8650".parse(), door("127.0.0.1:8650", "/v1/pushes"));
        assert_eq!("http://gateway/".parse(), door("gateway:80", "/v1/pushes"));
        assert_eq!("http://[::1]:1/x".parse(), door("[::1]:1", "/x"));
        assert!(Door::from_str("https://a").is_err());
        assert!(Door::from_str("http://").is_err());
    }
}
