//! Builds configuration files: the keys that a test is about, over what every test needs.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::peer::Peer;

/// A configuration; keys are dotted paths, values TOML.
#[derive(Debug, Clone)]
pub struct Config {
    keys: BTreeMap<String, String>,
    routes: Vec<BTreeMap<String, String>>,
}

// === impl Config ===

impl Config {
    /// Listens on free ports of loopback, has no route of its own.
    pub fn new() -> Self {
        let config = Self { keys: BTreeMap::new(), routes: Vec::new() };
        config.text("ingest.listen", "127.0.0.1:0").text("admin.listen", "127.0.0.1:0")
    }

    /// One route, `android`, to this peer, with short delays.
    pub fn to(peer: &Peer) -> Self {
        Self::new()
            .and_route("android", peer)
            .set("feedback.backoff_min", "\"50ms\"")
            .set("feedback.max_attempts", 20)
            .set("feedback.retry_share", 1)
    }

    /// Adds a route to a peer; [`Self::route`] changes its keys.
    pub fn and_route(self, name: &str, peer: &Peer) -> Self {
        self.and_route_to(name, "127.0.0.1", peer.address.port()).route_text("xmpp.ca", &peer.ca())
    }

    /// Adds a route to any server.
    pub fn and_route_to(mut self, name: &str, host: &str, port: u16) -> Self {
        self.routes.push(BTreeMap::new());
        self.route_text("name", name)
            .route_text("transport", "xmpp")
            .route("connections", 2)
            .route_text("restart_min", "20ms")
            .route_text("restart_max", "200ms")
            .route_text("xmpp.host", host)
            .route("xmpp.port", port)
            .route_text("xmpp.sender_id", "1234567890")
            .route_text("xmpp.server_key", "demo-server-key")
    }

    /// One route, `android`, over FCM's HTTP v1 to this peer, with short delays.
    pub fn to_fcm(peer: &Peer) -> Self {
        let account = format!("file:{}", peer.file("service-account.json"));
        Self::over_http2("android", "fcm", peer).route_text("fcm.service_account", &account)
    }

    /// One route, `ios`, over APNs to this peer, by its key, with short delays.
    pub fn to_apns(peer: &Peer) -> Self {
        Self::over_http2("ios", "apns", peer)
            .route_text("apns.topic", "com.example.app")
            .route_text("apns.team_id", "PWTEAM0001")
            .route_text("apns.key_id", "PWKEY00001")
            .route_text("apns.key", &format!("file:{}", peer.file("apns-key.p8")))
    }

    fn over_http2(name: &str, transport: &str, peer: &Peer) -> Self {
        Self::over_http2_to(name, transport, &peer.address.to_string(), &peer.ca())
    }

    /// One route over an HTTP/2 transport to any server, `host:port`, with short delays; its account is still to be named.
    pub fn over_http2_to(name: &str, transport: &str, address: &str, ca: &str) -> Self {
        let mut config = Self::new();
        config.routes.push(BTreeMap::new());
        let key = |key: &str| format!("{transport}.{key}");
        config
            .route_text("name", name)
            .route_text("transport", transport)
            .route("connections", 2)
            .route_text("restart_min", "20ms")
            .route_text("restart_max", "200ms")
            .route_text(&key("endpoint"), &format!("https://{address}"))
            .route_text(&key("ca"), ca)
            .route_text(&key("retry_min"), "20ms")
            .set("feedback.backoff_min", "\"50ms\"")
            .set("feedback.max_attempts", 20)
            .set("feedback.retry_share", 1)
    }

    /// One route, `web`, over Web Push to these peers, which share a directory, with short delays.
    pub fn to_webpush(peers: &[&Peer]) -> Self {
        let mut config = Self::new();
        config.routes.push(BTreeMap::new());
        let hosts: Vec<String> =
            peers.iter().map(|peer| format!("localhost:{}", peer.address.port())).collect();
        config
            .route_text("name", "web")
            .route_text("transport", "webpush")
            .route("connections", 2)
            .route_text("restart_min", "20ms")
            .route_text("restart_max", "200ms")
            .route("restart_limit", 1000)
            .route_text("webpush.private_key", &format!("file:{}", peers[0].vapid_key()))
            .route_text("webpush.subject", "mailto:push@example.com")
            .route_text("webpush.ca", &peers[0].ca())
            .route_text("webpush.retry_min", "20ms")
            .route("webpush.hosts", format!("{hosts:?}"))
            .route("webpush.allow_private", true)
            .set("feedback.backoff_min", "\"50ms\"")
            .set("feedback.max_attempts", 20)
            .set("feedback.retry_share", 1)
    }

    /// Adds the routes and keys of another one.
    pub fn and(mut self, other: Self) -> Self {
        self.keys.extend(other.keys);
        self.routes.extend(other.routes);
        self
    }

    /// Sets a key to a TOML value.
    pub fn set(mut self, key: &str, value: impl ToString) -> Self {
        self.keys.insert(key.to_owned(), value.to_string());
        self
    }

    /// Sets a key to a text.
    pub fn text(self, key: &str, value: &str) -> Self {
        self.set(key, format!("{value:?}"))
    }

    /// Sets a key of the last route to a TOML value.
    pub fn route(mut self, key: &str, value: impl ToString) -> Self {
        let route = self.routes.last_mut().expect("a route was added");
        route.insert(key.to_owned(), value.to_string());
        self
    }

    /// Sets a key of the last route to a text.
    pub fn route_text(self, key: &str, value: &str) -> Self {
        self.route(key, format!("{value:?}"))
    }

    /// Returns the file's text.
    pub fn render(&self) -> String {
        let mut text = String::new();
        write_keys(&mut text, &self.keys);
        for route in &self.routes {
            text.push_str("[[route]]\n");
            write_keys(&mut text, route);
        }
        text
    }
}

fn write_keys(text: &mut String, keys: &BTreeMap<String, String>) {
    for (key, value) in keys {
        writeln!(text, "{key} = {value}").expect("text takes everything");
    }
}
