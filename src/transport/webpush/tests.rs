//! The route's connector and the ones for single push services.

use super::*;
use crate::push::Target;
use crate::transport::Connector as _;
use crate::transport::webpush::encrypt::tests::Browser;
use crate::transport::webpush::origin::Pattern;

fn settings(allow_private: bool) -> Settings {
    Settings {
        key: Key::parse("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw").unwrap(),
        subject: "mailto:push@example.com".into(),
        hosts: Hosts::new(vec![Pattern::parse("localhost:1").unwrap()]),
        allow_private,
        max_origins: 2,
        idle_shutdown: Duration::from_secs(1),
        pad_to: 0,
        http: http2::settings::fixture::settings(),
    }
}

#[test]
fn a_push_names_its_peer_and_the_peer_s_connector_reads_it_back() {
    let browser = Browser::new();
    let route = Connector::new(settings(true));
    let request = probe::request(Target::WebPush {
        endpoint: "https://LOCALHOST:1/a".into(),
        p256dh: browser.p256dh().into(),
        auth: browser.auth().into(),
    });
    let mut payload = Vec::new();
    route.render(&request, &mut payload).unwrap();
    let peer = route.peer_of(&payload).unwrap();
    assert_eq!(peer, "https://localhost:1");
    let to = route.towards(&peer).unwrap();
    assert_eq!(to.peer(), "localhost:1");
    assert_eq!(to.addressee(&payload), route.addressee(&payload));
    assert_eq!(to.addressee(&payload).unwrap().as_str(), "https://LOCALHOST:1/a");
}

#[tokio::test]
async fn this_machine_is_connected_to_only_if_that_is_allowed() {
    let refused = |allow_private| async move {
        let connector = Connector::new(settings(allow_private)).towards("https://localhost:1").unwrap();
        connector.connect().await.err().expect("nobody listens on that port")
    };
    assert!(matches!(refused(false).await, ConnectError::Forbidden { .. }));
    assert!(matches!(refused(true).await, ConnectError::Network { .. }));
    let route = Connector::new(settings(true)).connect().await.err().expect("no peer was named");
    assert!(matches!(route, ConnectError::Protocol { .. }), "{route}");
}
