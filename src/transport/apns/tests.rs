//! Which settings can work, and that a shut gate lets nobody connect.

use super::auth::key::fixture;
use super::*;
use crate::transport::Connector as _;

fn settings() -> Settings {
    Settings {
        auth: Auth::Token(fixture::key()),
        defaults: Defaults { topic: "com.example.app".into(), kind: None },
        endpoint: Uri::from_static("https://127.0.0.1:1"),
        login_retry: Duration::from_secs(60),
        http: http2::settings::fixture::settings(),
    }
}

#[test]
fn settings_that_can_never_work_are_refused() {
    let refused = |settings| Connector::new(settings).unwrap_err();
    let endpoint = Uri::from_static("https://a.example/v1");
    let expected = http2::SettingsError::Endpoint(endpoint.clone()).into();
    assert_eq!(refused(Settings { endpoint, ..settings() }), expected);
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
