//! `[route.fcm]`. Pure.

use super::http2::{self, is_origin, optional};
use super::{Section, Transport};
use crate::transport::fcm::auth::Account;
use crate::transport::fcm::{Connector, Settings};

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
        account: account.unwrap_or_default(),
        project: optional(project),
        endpoint: endpoint.parse().unwrap_or_default(),
        http: http2::settings(route, section),
    }
}
