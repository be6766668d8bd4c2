//! Which settings can work, and that a shut gate lets nobody connect.

use super::auth::key::fixture;
use super::*;
use crate::transport::Connector as _;

fn settings() -> Settings {
    Settings {
        auth: Auth::Token(fixture::key()),
        defaults: Defaults { topic: "com.example.app".into(), kind: None },
        endpoint: Uri::from_static("https://127.0.0.1:1"),
        ca: None,
        proxy: None,
        window: 1000,
        connect_timeout: Duration::from_secs(5),
        request_timeout: Duration::from_secs(20),
        retry_min: Duration::from_secs(60),
        login_retry: Duration::from_secs(60),
        ping_after: Duration::from_secs(30),
        ping_timeout: Duration::from_secs(15),
    }
}

#[test]
fn settings_that_can_never_work_are_refused() {
    let refused = |settings| Connector::new(settings).unwrap_err();
    assert_eq!(refused(Settings { window: 0, ..settings() }), SettingsError::Window);
    for text in ["http://a.example", "https://a.example/v1", "a.example"] {
        let endpoint: Uri = text.parse().unwrap();
        let expected = SettingsError::Endpoint(endpoint.clone());
        assert_eq!(refused(Settings { endpoint, ..settings() }), expected);
    }
    let certificate = Certificate { bytes: b"-----BEGIN x-----".to_vec(), password: Secret::default() };
    let auth = Auth::Certificate(certificate);
    assert!(!format!("{auth:?}").contains("BEGIN"));
    assert!(matches!(refused(Settings { auth, ..settings() }), SettingsError::Certificate(_)));
}

#[tokio::test]
async fn while_the_credentials_are_refused_connecting_is_a_login_refused() {
    let connector = Connector::new(settings()).unwrap();
    connector.shared.common.gate.lock().refused(Instant::now(), "InvalidProviderToken".into());
    let refused = connector.connect().await.map(|_| ()).unwrap_err();
    assert!(refused.is_login_refused() && refused.to_string().contains("InvalidProviderToken"), "{refused}");
    connector.shared.common.gate.lock().accepted();
    let refused = connector.connect().await.map(|_| ()).unwrap_err();
    assert!(!refused.is_login_refused(), "{refused}");
}
