//! What a route over Web Push may say.

use super::*;

const WEB: &str = "[[route]]\nname = \"web\"\ntransport = \"webpush\"\n[route.webpush]\nsubject = \"mailto:a@example.com\"\n";

#[test]
fn a_route_over_web_push_has_a_key_and_the_documented_services() {
    let key = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw";
    let loaded = load(&format!("{WEB}private_key = \"{key}\"\n"), &[]).unwrap();
    let route = &loaded.config.routes[0];
    let Transport::WebPush(settings) = &route.transport else { panic!("not Web Push") };
    assert_eq!(
        (route.transport.name(), settings.http.window, settings.allow_private),
        ("webpush", 100, false)
    );
    assert_eq!(route.transport.on_demand(), Some(OnDemand { most: 64, idle: Duration::from_secs(600) }));
    for host in [
        "fcm.googleapis.com",
        "updates.push.services.mozilla.com",
        "web.push.apple.com",
        "wns2-by3p.notify.windows.com",
    ] {
        assert!(settings.hosts.admit(&format!("https://{host}/x")).is_ok(), "{host}");
    }
    assert!(settings.hosts.admit("https://localhost/x").is_err());
    assert!(!loaded.effective.contains(key), "{}", loaded.effective);
}

#[test]
fn what_no_push_service_takes_is_a_fault() {
    let keys = |text: &str| -> Vec<String> {
        faults(&format!("{WEB}{text}\n")).into_iter().map(|fault| fault.key).collect()
    };
    assert_eq!(keys(""), ["route[0].webpush.private_key"]);
    assert_eq!(keys("private_key = \"s3cret\""), ["route[0].webpush.private_key"]);
    let with =
        |more: &str| keys(&format!("private_key = \"yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw\"\n{more}"));
    assert_eq!(with("hosts = []"), ["route[0].webpush.hosts"]);
    assert_eq!(with("hosts = [\"*\"]"), ["route[0].webpush.hosts[0]"]);
    assert_eq!(with("pad_to = \"4 KiB\""), ["route[0].webpush.pad_to"]);
    let shown = load(&format!("{WEB}private_key = \"s3cret\"\n"), &[]).unwrap_err().to_string();
    assert!(!shown.contains("s3cret"), "{shown}");
    let local = WEB.replace("example.com", "localhost");
    let faults = load(&format!("{local}private_key = \"env:PRESENT\"\n"), &[]).unwrap_err().to_string();
    assert!(faults.contains("route[0].webpush.subject"), "{faults}");
}
