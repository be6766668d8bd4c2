//! The sections: which key is read how, within which limits, and what must fit together. Pure.

mod admin;
mod apns;
mod fcm;
mod http2;
mod webpush;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::section::Section;
use super::{Config, Connections, Route, Runtime, Transport};
use crate::feedback::results;
use crate::feedback::webhook;
use crate::flow::breaker;
use crate::telemetry::{log as logging, trace};
use crate::transport::exchange::Endpoint;
use crate::transport::xmpp;
use crate::units::Secret;
use crate::{collector, feedback, ingest, pusher};

const MILLISECOND: Duration = Duration::from_millis(1);
const TENTH: Duration = Duration::from_millis(100);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// FCM's and Web Push's longest time to live.
const LONGEST_TTL: Duration = Duration::from_secs(crate::ingest::MAX_TTL as u64);
/// The window that FCM's XMPP servers enforce per connection (`reference/fcm.md` part 1).
const XMPP_WINDOW: u64 = 100;

/// Reads everything.
pub(super) fn config(root: &Section<'_>) -> Config {
    let telemetry = root.table("telemetry");
    let config = Config {
        runtime: runtime(&root.table("runtime")),
        ingest: ingest(&root.table("ingest")),
        collector: collector(&root.table("collector")),
        admin: admin::read(&root.table("admin")),
        feedback: feedback(&root.table("feedback")),
        results: results(&root.table("feedback")),
        webhook: webhook(&root.table("feedback").table("webhook")),
        log: telemetry.text("log", logging::FILTERS, logging::is_filter),
        traces: traces(&telemetry.table("traces")),
        routes: routes(root),
        effective: String::new(),
    };
    listeners_differ(root, &config);
    config
}

fn traces(section: &Section<'_>) -> trace::Settings {
    let allowed = "\"\", or an http:// or https:// URL without user name";
    let is_url = |url: &str| url.is_empty() || Endpoint::parse(url, None).is_some();
    let endpoint = section.text("endpoint", allowed, is_url);
    let name = |text: &str| (1..=255).contains(&text.len()) && !text.contains(char::is_control);
    trace::Settings {
        endpoint: (!endpoint.is_empty()).then_some(endpoint),
        sample: section.share("sample", 0.0..=1.0),
        pushes_per_request: section.share("pushes_per_request", 0.01..=10_000.0),
        callers: section.whole("callers", 0..=100_000),
        queue: section.whole("queue", 64..=1_000_000),
        service_name: section.text("service_name", "1 to 255 characters", name),
    }
}

fn runtime(section: &Section<'_>) -> Runtime {
    Runtime {
        delivery_threads: section.whole("delivery_threads", 1..=256),
        drain_deadline: section.duration("drain_deadline", Duration::ZERO..=HOUR),
        fault_injection: section.flag("fault_injection"),
    }
}

fn ingest(section: &Section<'_>) -> ingest::Settings {
    let ttl = section.table("ttl");
    let settings = ingest::Settings {
        listen: section.address("listen"),
        tokens: section.secrets("tokens"),
        threads: section.whole("threads", 1..=256),
        max_connections: section.whole("max_connections", 1..=1_000_000),
        max_body: usize::try_from(section.size("max_body", KIB..=256 * MIB)).unwrap_or(usize::MAX),
        max_batch: section.whole("max_batch", 1..=100_000),
        read_timeout: section.duration("read_timeout", SECOND..=10 * MINUTE),
        idempotency_window: section.duration("idempotency_window", Duration::ZERO..=DAY),
        idempotency_ids: section.whole("idempotency_ids", 1_000..=100_000_000),
        ttl: ["critical", "high", "normal", "low"].map(|lane| whole_seconds(&ttl, lane)),
    };
    let hint = "set ingest.tokens, or listen on 127.0.0.1";
    guarded(section, settings.listen, ("tokens", settings.tokens.is_empty()), hint);
    settings
}

fn whole_seconds(section: &Section<'_>, key: &str) -> Duration {
    let read = section.duration(key, Duration::ZERO..=LONGEST_TTL);
    if read.subsec_nanos() != 0 {
        section.fault(key, "is not whole seconds", "whole seconds", "providers count in seconds");
    }
    read
}

fn collector(section: &Section<'_>) -> collector::Settings {
    use collector::Keep;
    collector::Settings {
        buffer: section.whole("buffer", 1..=100_000_000),
        buffer_bytes: section.size("buffer_bytes", 4 * KIB..=1024 * GIB),
        critical_reserve: section.share("critical_reserve", 0.0..=0.9),
        keep: section.choice("keep", &[("newest", Keep::Newest), ("oldest", Keep::Oldest)]),
        refuse_late: section.flag("refuse_late"),
        coalesce: section.flag("coalesce"),
        intake: section.whole("intake", 1..=1_000_000),
    }
}

fn is_host(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte))
}

fn feedback(section: &Section<'_>) -> feedback::Settings {
    let settings = feedback::Settings {
        max_attempts: section.whole("max_attempts", 1..=20),
        backoff_min: section.duration("backoff_min", 10 * MILLISECOND..=HOUR),
        backoff_max: section.duration("backoff_max", 10 * MILLISECOND..=DAY),
        retry_share: section.share("retry_share", 0.0..=1.0),
        breaker: breaker(&section.table("breaker")),
    };
    ordered(section, ("backoff_min", settings.backoff_min), ("backoff_max", settings.backoff_max));
    settings
}

fn breaker(section: &Section<'_>) -> breaker::Settings {
    let settings = breaker::Settings {
        enabled: section.flag("enabled"),
        share: section.share("share", 0.01..=1.0),
        least: section.whole("least", 1..=1_000_000),
        window: section.duration("window", SECOND..=HOUR),
        open_min: section.duration("open_min", 10 * MILLISECOND..=HOUR),
        open_max: section.duration("open_max", 10 * MILLISECOND..=HOUR),
        probes: section.whole("probes", 1..=1_000),
    };
    ordered(section, ("open_min", settings.open_min), ("open_max", settings.open_max));
    settings
}

fn results(section: &Section<'_>) -> results::Settings {
    use results::{Bound, Report};
    results::Settings {
        report: section.choice("report", &[("failures", Report::Failures), ("all", Report::All)]),
        ring: Bound {
            records: section.whole("results", 1..=100_000_000),
            bytes: section.size("results_bytes", 4 * KIB..=1024 * GIB),
        },
        awaited: section.whole("awaited", 0..=10_000_000),
        history: section.whole("history", 0..=10_000_000),
    }
}

fn webhook(section: &Section<'_>) -> webhook::Settings {
    let allowed = "\"\", or an http:// or https:// URL without user name";
    let url = section.text("url", allowed, |url| url.is_empty() || Endpoint::parse(url, None).is_some());
    let ca = section.text("ca", "a path, or \"\" for the system's certificates", |_| true);
    let ca = (!ca.is_empty()).then(|| PathBuf::from(ca));
    webhook::Settings {
        // Without a receiver there is nothing to sign.
        secret: if url.is_empty() { Secret::new("") } else { section.secret("secret") },
        endpoint: Endpoint::parse(&url, ca),
        batch: section.whole("batch", 1..=10_000),
        interval: section.duration("interval", 10 * MILLISECOND..=10 * MINUTE),
        timeout: section.duration("timeout", TENTH..=5 * MINUTE),
        max_pending: section.whole("max_pending", 1..=100_000_000),
    }
}

fn routes(root: &Section<'_>) -> Vec<Route> {
    let sections = root.routes();
    let routes: Vec<_> = sections.iter().map(route).collect();
    unique(routes.iter().map(|route| route.name.as_str()), &sections, "name");
    if sections.is_empty() && root.is_sound(&["route"]) {
        root.fault("route", "is empty", "1 to 1000 routes", "add a [[route]]");
    }
    routes
}

/// Reads the table of one transport.
type ReadTransport = fn(&Section<'_>) -> Transport;

const TRANSPORTS: [(&str, ReadTransport); 4] = [
    ("xmpp", |route| Transport::Xmpp(xmpp(route))),
    ("fcm", |route| fcm::read(route)),
    ("apns", |route| apns::read(route)),
    ("webpush", |route| webpush::read(route)),
];

fn route(section: &Section<'_>) -> Route {
    let name = |name: &str| {
        (1..=64).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte))
    };
    let route = Route {
        name: section.text("name", "1 to 64 of a-z, 0-9, _ and -", name),
        connections: Connections::read(section),
        share: section.whole("share", 1..=1_000),
        restart_min: section.duration("restart_min", MILLISECOND..=HOUR),
        restart_max: section.duration("restart_max", MILLISECOND..=HOUR),
        restart_limit: section.whole("restart_limit", 1..=1_000_000),
        restart_period: section.duration("restart_period", SECOND..=HOUR),
        pusher: pusher::Settings {
            answer_timeout: section.duration("answer_timeout", TENTH..=10 * MINUTE),
            drain_timeout: section.duration("drain_timeout", Duration::ZERO..=5 * MINUTE),
            login_retry: section.duration("login_retry", SECOND..=HOUR),
        },
        transport: section.choice("transport", &TRANSPORTS)(section),
    };
    ordered(section, ("restart_min", route.restart_min), ("restart_max", route.restart_max));
    route
}

fn xmpp(route: &Section<'_>) -> xmpp::Settings {
    use xmpp::Identity;
    let section = route.table("xmpp");
    let word = |text: &str| {
        !text.is_empty() && text.len() <= 253 && text.chars().all(|c| !c.is_whitespace() && !c.is_control())
    };
    let node = |text: &str| word(text) && !text.contains(['@', '/', '"', '&', '\'', ':', '<', '>']);
    let ca = section.text("ca", "a path, or \"\" for the system's certificates", |_| true);
    let settings = xmpp::Settings {
        host: section.text("host", "a host name or an IP address", word),
        port: section.whole("port", 1..=65_535),
        domain: section.text("domain", "a domain name", |text| is_host(text) && word(text)),
        sender_id: section.text("sender_id", "the account's number, as text", node),
        server_key: section.secret("server_key"),
        identity: section.choice("identity", &[("full", Identity::Full), ("node", Identity::Node)]),
        ca: (!ca.is_empty()).then(|| PathBuf::from(ca)),
        window: route.whole("window", 1..=XMPP_WINDOW),
        connect_timeout: section.duration("connect_timeout", TENTH..=5 * MINUTE),
        ping_after: section.duration("ping_after", SECOND..=HOUR),
        ping_timeout: section.duration("ping_timeout", SECOND..=HOUR),
    };
    if section.is_sound(&["host", "domain", "sender_id", "server_key"])
        && route.is_sound(&["window"])
        && let Err(error) = xmpp::Connector::new(settings.clone())
    {
        section.fault("sender_id", &error.to_string(), "the account's number, as text", "correct the value");
    }
    settings
}

/// An address that others can reach needs credentials.
fn guarded(section: &Section<'_>, listen: SocketAddr, (key, empty): (&str, bool), hint: &str) {
    if empty && section.is_sound(&["listen", key]) && !listen.ip().to_canonical().is_loopback() {
        let allowed = format!("a loopback address while {} is empty", section.key(key));
        section.fault("listen", "is open to others without credentials", &allowed, hint);
    }
}

fn ordered(section: &Section<'_>, least: (&str, Duration), most: (&str, Duration)) {
    if section.is_sound(&[least.0, most.0]) && least.1 > most.1 {
        let allowed = format!("at most {}", section.key(most.0));
        section.fault(least.0, &format!("is above {}", most.0), &allowed, "swap or change them");
    }
}

fn unique<'t>(names: impl Iterator<Item = &'t str>, sections: &[Section<'_>], key: &str) {
    let mut seen = Vec::with_capacity(sections.len());
    for (name, section) in names.zip(sections) {
        if seen.contains(&name) && section.is_sound(&[key]) {
            section.fault(key, "is there twice", "names that differ", "rename one of them");
        }
        seen.push(name);
    }
}

fn listeners_differ(root: &Section<'_>, config: &Config) {
    let (ingest, admin) = (config.ingest.listen, config.admin.listen);
    let same_ip = ingest.ip() == admin.ip() || ingest.ip().is_unspecified() || admin.ip().is_unspecified();
    let same = ingest.port() == admin.port() && ingest.port() != 0 && same_ip;
    let section = root.table("admin");
    if same && section.is_sound(&["listen"]) && root.table("ingest").is_sound(&["listen"]) {
        section.fault("listen", "is taken by ingest.listen", "addresses that differ", "choose another port");
    }
}
