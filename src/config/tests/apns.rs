//! What a route over APNs may say.

use super::*;

fn apns_route(rest: &str) -> String {
    let key =
        crate::transport::apns::auth::key::fixture::pem(&crate::transport::apns::auth::key::fixture::pair());
    let key = toml::Value::String(key);
    format!(
        "[[route]]\nname = \"ios\"\ntransport = \"apns\"\n[route.apns]\ntopic = \"com.example.app\"\n{}",
        rest.replace("@KEY@", &key.to_string())
    )
}

fn apns(text: &str) -> Box<transport::apns::Settings> {
    let loaded = load(text, &[]).unwrap();
    assert!(!loaded.effective.contains("PRIVATE KEY"), "{}", loaded.effective);
    let Transport::Apns(settings) = loaded.config.routes[0].transport.clone() else { panic!("not APNs") };
    settings
}

#[test]
fn a_route_over_apns_has_a_key_and_goes_where_its_environment_is() {
    use transport::apns::Auth;
    const TOKEN: &str = "team_id = \"ABCDE12345\"\nkey_id = \"FGHIJ67890\"\nkey = @KEY@\n";
    let settings = apns(&apns_route(TOKEN));
    let Auth::Token(key) = &settings.auth else { panic!("no key") };
    assert_eq!((key.team.as_str(), key.id.as_str()), ("ABCDE12345", "FGHIJ67890"));
    assert_eq!(
        (settings.endpoint.to_string(), settings.defaults.kind),
        ("https://api.push.apple.com:443/".into(), None)
    );
    let other = "environment = \"sandbox\"\nport = 2197\npush_type = \"voip\"\n";
    let settings = apns(&apns_route(&format!("{TOKEN}{other}")));
    assert_eq!(settings.endpoint.to_string(), "https://api.sandbox.push.apple.com:2197/");
    assert_eq!(settings.defaults.kind, Some(transport::apns::kind::PushType::Voip));
}

#[test]
fn a_route_over_apns_with_a_certificate_needs_no_key() {
    let pair = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["com.example.app".into()]).unwrap();
    let pem = format!("{}{}", params.self_signed(&pair).unwrap().pem(), pair.serialize_pem());
    let certificate = format!("certificate = {}\n", toml::Value::String(pem));
    let settings = apns(&apns_route(&certificate));
    assert!(matches!(settings.auth, transport::apns::Auth::Certificate(_)));
    let faults = faults(&apns_route(&format!("{certificate}key = @KEY@\n")));
    assert_eq!((faults.len(), faults[0].key.as_str()), (1, "route[0].apns.certificate"));
}

#[test]
fn a_route_over_apns_that_cannot_log_in_is_a_fault_that_quotes_no_secret() {
    for (rest, key) in [
        ("", "key"),
        ("team_id = \"a\"\nkey_id = \"b\"\nkey = \"s3cret\"\n", "key"),
        ("team_id = \"\"\nkey_id = \"b\"\nkey = @KEY@\n", "team_id"),
        ("certificate = \"s3cret\"\n", "certificate"),
    ] {
        let error = load(&apns_route(rest), &[]).unwrap_err();
        assert_eq!(error.as_slice()[0].key, format!("route[0].apns.{key}"), "{error}");
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }
}
