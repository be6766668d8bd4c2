//! `[route.fcm]`. Pure.

use super::http2::{ca, is_origin, optional, proxy};
use super::{HOUR, MILLISECOND, MINUTE, SECOND, Section, TENTH, Transport};
use crate::transport::fcm::auth::Account;
use crate::transport::fcm::{Connector, Settings};

/// Far above the 100 streams that the provider allows (`reference/fcm.md` 2.5); a connection never has more than it allows.
const MOST_STREAMS: u64 = 1000;

/// Reads the table; settings that no session can ever open with are a fault.
pub(super) fn read(route: &Section<'_>) -> Transport {
    let section = route.table("fcm");
    let settings = settings(route, &section);
    if section.is_sound(&["service_account", "project_id", "endpoint"])
        && let Err(error) = Connector::new(settings.clone())
    {
        section.fault("project_id", &error.to_string(), "a project's id", "correct the value");
    }
    Transport::Fcm(Box::new(settings))
}

fn settings(route: &Section<'_>, section: &Section<'_>) -> Settings {
    let account = section.document("service_account", Account::parse);
    let project = section.text("project_id", "a project's id, or \"\" for the account's", |_| true);
    let endpoint = section.text("endpoint", "an https address without a path", is_origin);
    Settings {
        window: route.whole("window", 1..=MOST_STREAMS),
        connect_timeout: section.duration("connect_timeout", TENTH..=5 * MINUTE),
        request_timeout: section.duration("request_timeout", TENTH..=10 * MINUTE),
        retry_min: section.duration("retry_min", MILLISECOND..=HOUR),
        ping_after: section.duration("ping_after", SECOND..=HOUR),
        ping_timeout: section.duration("ping_timeout", SECOND..=HOUR),
        account: account.unwrap_or_default(),
        project: optional(project),
        endpoint: endpoint.parse().unwrap_or_default(),
        ca: ca(section),
        proxy: proxy(section),
    }
}
