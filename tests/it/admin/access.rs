//! The page, and who may see it and act.

use crate::support::gateway::Gateway;
use crate::support::http::{self, Client};
use crate::support::{Config, Peer};

#[test]
fn the_page_is_served_with_what_it_needs_and_nothing_from_elsewhere() {
    let peer = Peer::start(&[]);
    let gateway = Gateway::start_ready(&Config::to(&peer));
    let page = gateway.get("/").expect(200);
    assert!(
        page.header("content-type").is_some_and(|value| value.starts_with("text/html")),
        "{:?}",
        page.headers
    );
    let policy = page.header("content-security-policy").unwrap_or_default();
    assert!(policy.contains("'self'") || policy.contains("'none'"), "{:?}", page.headers);
    for far in ["http://", "https://", "//cdn"] {
        let foreign =
            page.body.match_indices(far).any(|(at, _)| !page.body[at..].starts_with("http://www.w3.org/"));
        assert!(!foreign, "the page names {far}");
    }
    gateway.finish();
}

#[test]
fn the_interface_asks_for_the_password_where_users_are_configured() {
    let peer = Peer::start(&[]);
    let users = "[{ name = \"ops\", password = \"s3same\" }]";
    let config = Config::to(&peer).set("admin.users", users);
    let gateway = Gateway::start(&config);
    let with = |method: &str, path: &str, credentials: &[(&str, &str)]| {
        http::call(gateway.admin, method, path, credentials, b"")
    };
    // ops:s3same, ops:wrong, other:s3same
    let good = [("authorization", "Basic b3BzOnMzc2FtZQ==")];
    for path in ["/", "/admin/api/state", "/metrics", "/admin/api/events"] {
        let reply = with("GET", path, &[]).expect(401);
        assert!(
            reply.header("www-authenticate").is_some_and(|value| value.starts_with("Basic")),
            "{reply:?}"
        );
    }
    with("POST", "/admin/api/drain", &[]).expect(401);
    for wrong in ["Basic b3BzOndyb25n", "Basic b3RoZXI6czNzYW1l", "Basic !!!", "Bearer s3same"] {
        let status = with("GET", "/admin/api/state", &[("authorization", wrong)]).status;
        assert!(status == 401 || status == 403, "{wrong}: {status}");
    }
    with("GET", "/healthz", &[]).expect(200);
    assert_ne!(with("GET", "/readyz", &[]).status, 401);
    let state = with("GET", "/admin/api/state", &good).expect(200);
    assert!(!state.body.contains("s3same"));
    with("POST", "/admin/api/drain", &good).expect(200);
    let log = gateway.finish().join("\n");
    assert!(!log.contains("s3same"), "{log}");
}

#[test]
fn a_page_from_elsewhere_can_neither_read_nor_act() {
    let peer = Peer::start(&[]);
    let gateway = Gateway::start_ready(&Config::to(&peer));
    let mut client = Client::connect(gateway.admin).expect("it listens");
    client.send_raw(b"GET /admin/api/state HTTP/1.1\r\nhost: rebound.example\r\n\r\n".to_vec());
    let reply = client.read().expect("there is an answer");
    assert!((400..500).contains(&reply.status), "a foreign host name: {reply:?}");
    for headers in [[("origin", "https://evil.example")], [("sec-fetch-site", "cross-site")]] {
        let reply = http::call(gateway.admin, "POST", "/admin/api/drain", &headers, b"");
        assert_eq!(reply.status, 403, "{headers:?}: {reply:?}");
    }
    assert_eq!(gateway.state().state(), "ok");
    gateway.finish();
}
