//! The table of hostile requests: every one is refused, changes nothing, and is in the list.

use super::login::{Browser, field};
use super::*;
use crate::admin::record::Entry;

const OPS: &str = "authorization: Basic b3BzOnNlY3JldA==";
const LOOK: &str = "authorization: Basic bG9vazpvbmx5";
const WRONG: &str = "authorization: Basic b3BzOndyb25n";
const ACTIONS: [&str; 9] = [
    "/admin/api/pushers/android/0/restart",
    "/admin/api/pushers/android/0/pause",
    "/admin/api/pushers/android/0/resume",
    "/admin/api/routes/android/restart",
    "/admin/api/routes/android/scale",
    "/admin/api/routes/android/pause",
    "/admin/api/routes/android/resume",
    "/admin/api/drain",
    "/admin/api/resume",
];

/// A request, what it is answered with, and what the list says: who, and a part of why not.
struct Row {
    what: String,
    head: String,
    body: String,
    status: u16,
    listed: (&'static str, &'static str),
}

fn row(what: &str, head: String, body: &str, status: u16, listed: (&'static str, &'static str)) -> Row {
    Row { what: what.to_owned(), head, body: body.to_owned(), status, listed }
}

fn sightings(entries: &[Entry], (actor, reason): (&str, &str)) -> u64 {
    let fits = |entry: &&Entry| {
        !entry.audited.is_done && entry.audited.actor == actor && entry.audited.result.contains(reason)
    };
    entries.iter().filter(fits).map(|entry| entry.times).sum()
}

/// `cookie` is that of an operator who is logged in, `token` that of another one's forms.
fn table(address: SocketAddr, cookie: &str, token: &str) -> Vec<Row> {
    let (cookie, ours) = (format!("cookie: {cookie}"), format!("origin: http://{address}"));
    let form = "do=drain&target=";
    let with_token = format!("{form}&token={token}");
    let actions = "POST /admin/actions";
    let mut rows = vec![
        row(
            "form of another site",
            format!("{actions}\r\n{cookie}\r\norigin: http://evil.example"),
            &with_token,
            403,
            ("unknown", "another site"),
        ),
        row(
            "form of a sandboxed frame",
            format!("{actions}\r\n{cookie}\r\norigin: null"),
            &with_token,
            403,
            ("unknown", "another site"),
        ),
        row(
            "form of a sibling host",
            format!("{actions}\r\n{cookie}\r\nsec-fetch-site: same-site"),
            &with_token,
            403,
            ("unknown", "another site"),
        ),
        row(
            "cookie without any origin",
            format!("POST /admin/api/drain\r\n{cookie}"),
            "",
            403,
            ("unknown", "another site"),
        ),
        row(
            "form without its token",
            format!("{actions}\r\n{cookie}\r\n{ours}"),
            form,
            403,
            ("unknown", "no valid token"),
        ),
        row(
            "form with another session's token",
            format!("{actions}\r\n{cookie}\r\n{ours}"),
            &with_token,
            403,
            ("unknown", "no valid token"),
        ),
        row(
            "foreign host, reading",
            format!("GET /admin/api/state\r\nhost: evil.example\r\n{OPS}"),
            "",
            403,
            ("unknown", "host name"),
        ),
        row(
            "foreign host, the page",
            "GET /\r\nhost: evil.example".into(),
            "",
            403,
            ("unknown", "host name"),
        ),
        row(
            "foreign host, the login",
            "GET /login\r\nhost: evil.example".into(),
            "",
            403,
            ("unknown", "host name"),
        ),
        row(
            "foreign host, the files",
            "GET /admin/assets/page.js\r\nhost: evil.example".into(),
            "",
            403,
            ("unknown", "host name"),
        ),
        row(
            "foreign host, acting",
            format!("POST /admin/api/drain\r\nhost: evil.example\r\n{OPS}"),
            "",
            403,
            ("unknown", "host name"),
        ),
        row(
            "login from another site",
            "POST /login\r\norigin: http://evil.example".into(),
            "name=ops&password=secret",
            403,
            ("unknown", "another site"),
        ),
        row(
            "login without the form's token",
            format!("POST /login\r\n{ours}"),
            "name=ops&password=secret",
            403,
            ("unknown", "no valid token"),
        ),
        row(
            "a made-up session",
            "GET /admin/api/state\r\ncookie: pushweir_PORT=AAAA".replace("PORT", &address.port().to_string()),
            "",
            401,
            ("unknown", "session has ended"),
        ),
        row(
            "a wrong token",
            "GET /admin/api/state\r\nauthorization: Bearer firs".into(),
            "",
            401,
            ("unknown", "credentials are needed"),
        ),
        row(
            "a header of nonsense",
            "GET /metrics\r\nauthorization: Basic %%%".into(),
            "",
            401,
            ("unknown", "credentials are needed"),
        ),
    ];
    for path in ACTIONS {
        rows.push(row(&format!("GET {path}"), format!("GET {path}\r\n{OPS}"), "", 405, ("ops", "by GET")));
        rows.push(row(&format!("HEAD {path}"), format!("HEAD {path}\r\n{OPS}"), "", 405, ("ops", "by GET")));
        rows.push(row(
            &format!("nobody at {path}"),
            format!("POST {path}"),
            "{}",
            401,
            ("unknown", "credentials are needed"),
        ));
        rows.push(row(
            &format!("a viewer at {path}"),
            format!("POST {path}\r\n{LOOK}"),
            "{}",
            403,
            ("look", "may look but not act"),
        ));
        let scraper = format!("POST {path}\r\nauthorization: Bearer second");
        rows.push(row(
            &format!("a viewer's token at {path}"),
            scraper,
            "{}",
            403,
            ("token scrape", "may look but not act"),
        ));
    }
    rows
}

#[actix_rt::test]
async fn hostile_requests_are_refused_and_listed() {
    let rig = Rig::start(&[("ops", "secret"), ("look", "only")]);
    let (mut operator, mut other) = (Browser::new(&rig), Browser::new(&rig));
    operator.log_in("ops", "secret").await;
    other.log_in("ops", "secret").await;
    let (_, _, question) = other.send("GET /confirm?do=drain&target=", "").await;
    for row in table(rig.address, &operator.cookie, &field(&question, "token")) {
        let before = sightings(&rig.backend.record.audit(), row.listed);
        let (status, head, answer) = rig.send(&row.head, &row.body).await;
        assert_eq!(status, row.status, "{}: {answer}", row.what);
        assert!(!head.contains("set-cookie"), "{}: {head}", row.what);
        let entries = rig.backend.record.audit();
        assert_eq!(sightings(&entries, row.listed), before + 1, "{} is not in {entries:?}", row.what);
        // Ten failures from one address would hide what the next rows are about.
        rig.send(&format!("GET /metrics\r\n{OPS}"), "").await;
        rig.send("GET /metrics\r\nauthorization: Bearer first", "").await;
    }
    assert!(rig.backend.commands.lock().is_empty());
    assert_eq!(operator.send("GET /admin/api/state", "").await.0, 200, "the session lives on");
    rig.stop().await;
}

#[actix_rt::test]
async fn a_planted_session_is_not_the_victims_after_the_login() {
    let rig = Rig::start(&[("ops", "secret")]);
    let mut victim = Browser::new(&rig);
    let planted = format!("pushweir_{}={}", rig.address.port(), "A".repeat(43));
    victim.cookie.clone_from(&planted);
    assert_eq!(victim.log_in("ops", "secret").await.0, 303);
    assert!(victim.cookie != planted && victim.cookie.len() == planted.len(), "{}", victim.cookie);
    let attacker = format!("GET /admin/api/state\r\ncookie: {planted}");
    assert_eq!(rig.json(&attacker, "").await.1["error"]["code"], "session");
    let before = victim.cookie.clone();
    victim.log_in("ops", "secret").await;
    assert_ne!(victim.cookie, before, "each login has an id of its own");
    rig.stop().await;
}

#[actix_rt::test]
async fn a_thousand_logins_are_refused_listed_and_wash_nothing_away() {
    let rig = Rig::start(&[("ops", "secret"), ("look", "only")]);
    rig.send(&format!("POST /admin/api/drain\r\n{OPS}"), "").await;
    let (_, _, page) = rig.send("GET /login", "").await;
    let body = format!("name=ops&password=wrong&token={}", field(&page, "token"));
    let mut statuses = [0_u32; 600];
    for attempt in 0..1_000 {
        let status = match attempt % 2 {
            0 => rig.send("POST /login", &body).await.0,
            _ => rig.send(&format!("GET /admin/api/state\r\n{WRONG}"), "").await.0,
        };
        statuses[usize::from(status)] += 1;
    }
    assert_eq!((statuses[401], statuses[429]), (10, 990));
    let right = body.replace("wrong", "secret");
    assert_eq!(rig.send("POST /login", &right).await.0, 429, "nor is the right one told apart");
    let entries = rig.backend.record.audit();
    assert!(
        sightings(&entries, ("unknown", "credentials are needed")) == 10 && entries.len() < 10,
        "{entries:?}"
    );
    assert_eq!(sightings(&entries, ("unknown", "too many failed logins")), 991);
    assert!(
        entries.iter().any(|entry| entry.audited.action == "drain" && entry.audited.is_done),
        "{entries:?}"
    );
    rig.stop().await;
}
