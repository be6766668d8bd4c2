//! `[route.webpush]`. Pure.

use super::http2::{ca, proxy};
use super::{DAY, HOUR, MILLISECOND, MINUTE, SECOND, Section, TENTH, Transport};
use crate::transport::webpush::Settings;
use crate::transport::webpush::encrypt::MAX_PLAINTEXT;
use crate::transport::webpush::origin::{Hosts, Pattern};
use crate::transport::webpush::vapid::{self, Key};

/// Far above what the services allow; a connection never has more than its service allows.
const MOST_STREAMS: u64 = 1000;

/// Each costs connections and a place among the partitions; twice as many may be known at a time.
const MOST_ORIGINS: u64 = 1000;

/// Reads the table.
pub(super) fn read(route: &Section<'_>) -> Transport {
    let section = route.table("webpush");
    let host = "\"host\" or \"*.domain\", and maybe \":port\"";
    let hosts = section.texts("hosts", host, |text| Pattern::parse(text).is_some());
    if hosts.is_empty() && section.is_sound(&["hosts", "hosts[0]"]) {
        section.fault(
            "hosts",
            "is empty",
            "at least one host",
            "without the key, the known services are listed",
        );
    }
    let subject = "\"mailto:\" or \"https://\" with a public domain name";
    Transport::WebPush(Box::new(Settings {
        key: section.document("private_key", Key::parse).unwrap_or_default(),
        subject: section.text("subject", subject, vapid::is_subject),
        hosts: Hosts::new(hosts.iter().filter_map(|text| Pattern::parse(text)).collect()),
        allow_private: section.flag("allow_private"),
        max_origins: section.whole("max_origins", 1..=MOST_ORIGINS),
        idle_shutdown: section.duration("idle_shutdown", SECOND..=DAY),
        pad_to: usize::try_from(section.size("pad_to", 0..=MAX_PLAINTEXT as u64)).unwrap_or_default(),
        ca: ca(&section),
        proxy: proxy(&section),
        window: route.whole("window", 1..=MOST_STREAMS),
        connect_timeout: section.duration("connect_timeout", TENTH..=5 * MINUTE),
        request_timeout: section.duration("request_timeout", TENTH..=10 * MINUTE),
        retry_min: section.duration("retry_min", MILLISECOND..=HOUR),
        ping_after: section.duration("ping_after", SECOND..=HOUR),
        ping_timeout: section.duration("ping_timeout", SECOND..=HOUR),
    }))
}
