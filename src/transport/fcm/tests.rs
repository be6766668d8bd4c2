//! What settings a route may have.

use super::*;
use crate::transport::Connector as _;

fn settings() -> Settings {
    Settings {
        account: auth::account::fixture::account("https://tokens.example/token"),
        project: None,
        endpoint: Uri::from_static("https://fcm.googleapis.com"),
        http: http2::settings::fixture::settings(),
    }
}

#[test]
fn messages_go_to_the_project_at_the_endpoint() {
    let connector = Connector::new(settings()).unwrap();
    assert_eq!(connector.shared.send, "https://fcm.googleapis.com/v1/projects/demo/messages:send");
    assert_eq!(connector.peer(), "fcm.googleapis.com:443");
    let other = Settings {
        project: Some("other-1".into()),
        endpoint: Uri::from_static("https://[::1]:8443/"),
        ..settings()
    };
    assert_eq!(
        Connector::new(other).unwrap().shared.send,
        "https://[::1]:8443/v1/projects/other-1/messages:send"
    );
}

#[test]
fn settings_that_can_never_work_are_refused() {
    let refused = |settings| Connector::new(settings).unwrap_err();
    let endpoint = Uri::from_static("https://a.example/v1");
    let expected = http2::SettingsError::Endpoint(endpoint.clone()).into();
    assert_eq!(refused(Settings { endpoint, ..settings() }), expected);
    for name in ["", "a/b", "a b"] {
        let settings = Settings { project: Some(name.into()), ..settings() };
        assert_eq!(refused(settings), SettingsError::ProjectName(name.into()));
    }
    let mut nameless = settings();
    nameless.account.project = None;
    assert_eq!(refused(nameless), SettingsError::Project);
}
