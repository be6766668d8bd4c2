//! `[route.apns]`. Pure.

use super::http2::{self, is_origin};
use super::{HOUR, SECOND, Section, Transport};
use crate::transport::apns::auth::Key;
use crate::transport::apns::kind::PushType;
use crate::transport::apns::request::Defaults;
use crate::transport::apns::{Auth, Certificate, Settings};

/// Apple's hosts.
const ENVIRONMENTS: [(&str, &str); 2] =
    [("production", "api.push.apple.com"), ("sandbox", "api.sandbox.push.apple.com")];

/// Reads the table.
pub(super) fn read(route: &Section<'_>) -> Transport {
    let section = route.table("apns");
    let host = section.choice("environment", &ENVIRONMENTS);
    let port: u16 = section.whole("port", 1..=65_535);
    let allowed = "\"\" for Apple's own, or an https address without a path";
    let endpoint = section.text("endpoint", allowed, |text| text.is_empty() || is_origin(text));
    let endpoint = if endpoint.is_empty() { format!("https://{host}:{port}") } else { endpoint };
    Transport::Apns(Box::new(Settings {
        auth: auth(&section),
        defaults: defaults(&section),
        endpoint: endpoint.parse().unwrap_or_default(),
        login_retry: route.duration("login_retry", SECOND..=HOUR),
        http: http2::settings(route, &section),
    }))
}

fn auth(section: &Section<'_>) -> Auth {
    let (has_key, has_certificate) = (section.is_given("key"), section.is_given("certificate"));
    let password = if section.is_given("certificate_password") {
        section.secret("certificate_password")
    } else {
        crate::units::Secret::default()
    };
    if has_certificate {
        if has_key {
            let hint = "leave one of them empty";
            section.fault("certificate", "is there beside a key", "a key or a certificate", hint);
        }
        let read = |bytes: &[u8]| {
            let certificate = Certificate { bytes: bytes.to_vec(), password: password.clone() };
            certificate.identity().map(|_| certificate)
        };
        if let Some(certificate) = section.file("certificate", read) {
            return Auth::Certificate(certificate);
        }
    } else if !has_key {
        let hint = "create a key in Apple's developer console and name its .p8 file";
        section.fault("key", "is missing", "a key or a certificate", hint);
    } else {
        let id = |key| {
            section.text(key, "10 letters and digits", |text| {
                !text.is_empty() && text.len() <= 32 && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
            })
        };
        let (team, id) = (id("team_id"), id("key_id"));
        if let Some(key) = section.document("key", |text| Key::parse(&team, &id, text)) {
            return Auth::Token(key);
        }
    }
    Auth::Token(Key::default())
}

fn defaults(section: &Section<'_>) -> Defaults {
    let topic = section.text("topic", "the app's bundle id, such as \"com.example.app\"", |text| {
        !text.is_empty() && text.len() <= 200 && text.bytes().all(|byte| byte.is_ascii_graphic())
    });
    let mut kinds = vec![("auto", None)];
    kinds.extend(PushType::all().map(|kind| (kind.as_str(), Some(kind))));
    Defaults { topic, kind: section.choice("push_type", &kinds) }
}
