//! What settings a route may have.

use super::*;
use crate::transport::Connector as _;

fn settings() -> Settings {
    Settings {
        account: auth::account::fixture::account("https://tokens.example/token"),
        project: None,
        endpoint: Uri::from_static("https://fcm.googleapis.com"),
        ca: None,
        proxy: None,
        window: 100,
        connect_timeout: Duration::from_secs(10),
        request_timeout: Duration::from_secs(20),
        retry_min: Duration::from_secs(10),
        ping_after: Duration::from_secs(30),
        ping_timeout: Duration::from_secs(15),
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
    assert_eq!(refused(Settings { window: 0, ..settings() }), SettingsError::Window);
    for text in ["http://a.example", "https://a.example/v1", "a.example"] {
        let endpoint: Uri = text.parse().unwrap();
        assert_eq!(
            refused(Settings { endpoint: endpoint.clone(), ..settings() }),
            SettingsError::Endpoint(endpoint)
        );
    }
    for name in ["", "a/b", "a b"] {
        let settings = Settings { project: Some(name.into()), ..settings() };
        assert_eq!(refused(settings), SettingsError::ProjectName(name.into()));
    }
    let mut nameless = settings();
    nameless.account.project = None;
    assert_eq!(refused(nameless), SettingsError::Project);
}
