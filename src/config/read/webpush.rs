//! `[route.webpush]`. Pure.

use super::{DAY, SECOND, Section, Transport, http2};
use crate::transport::webpush::Settings;
use crate::transport::webpush::encrypt::MAX_PLAINTEXT;
use crate::transport::webpush::origin::{Hosts, Pattern};
use crate::transport::webpush::vapid::{self, Key};

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
        http: http2::settings(route, &section),
    }))
}
