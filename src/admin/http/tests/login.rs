//! Browsers log in by a form and out again; hashes are compared seldom and in turn.

use super::*;
use crate::admin::password::{Hashed, hash};
use crate::admin::{Proof, Role, User};

/// Somebody's browser.
pub(super) struct Browser<'r> {
    rig: &'r Rig,
    pub(super) cookie: String,
}

// === impl Browser ===

impl<'r> Browser<'r> {
    pub(super) fn new(rig: &'r Rig) -> Self {
        Self { rig, cookie: String::new() }
    }

    /// Sends a request as a browser does from our own page, and keeps the cookie that it is given.
    pub(super) async fn send(&mut self, line: &str, body: &str) -> (u16, String, String) {
        let mut head = format!("{line}\r\naccept: text/html\r\nsec-fetch-site: same-origin");
        if !self.cookie.is_empty() {
            head.push_str(&format!("\r\ncookie: other=1; {}", self.cookie));
        }
        let (status, head, body) = self.rig.exchange(&head, body).await;
        let given = head.lines().find_map(|line| line.strip_prefix("set-cookie: "));
        if let Some(given) = given {
            self.cookie = given.split(';').next().unwrap().to_owned();
        }
        (status, head.to_lowercase(), body)
    }

    /// Logs in by the form.
    pub(super) async fn log_in(&mut self, name: &str, password: &str) -> (u16, String) {
        let (status, _, page) = self.send("GET /login?next=%2F%3Fpage%3D2", "").await;
        assert_eq!(status, 200, "{page}");
        let token = field(&page, "token");
        let body = format!("name={name}&password={password}&token={token}&next=%2F%3Fpage%3D2");
        let (status, head, _) = self.send("POST /login", &body).await;
        (status, head)
    }
}

/// What a hidden field of a form holds.
pub(super) fn field(page: &str, name: &str) -> String {
    let (_, rest) =
        page.split_once(&format!("name=\"{name}\" value=\"")).unwrap_or_else(|| panic!("{name}: {page}"));
    rest.split('"').next().unwrap().to_owned()
}

#[actix_rt::test]
async fn a_browser_logs_in_acts_and_logs_out() {
    let rig = Rig::start(&[("ops", "secret"), ("look", "only")]);
    let mut browser = Browser::new(&rig);
    let (status, head, _) = browser.send("GET /?page=2", "").await;
    assert!(status == 303 && head.contains("location: /login?next=%2f%3fpage%3d2"), "{head}");
    let (status, head) = browser.log_in("ops", "wrong").await;
    assert!(status == 401 && !head.contains("set-cookie"), "{head}");
    let (status, head) = browser.log_in("ops", "secret").await;
    assert!(status == 303 && head.contains("location: /?page=2"), "{head}");
    assert!(head.contains("; path=/; httponly; samesite=strict\r\n") && !head.contains("secure"), "{head}");
    let (status, _, page) = browser.send("GET /", "").await;
    assert!(status == 200 && page.contains("Log out"), "{page}");
    let (_, _, question) = browser.send("GET /confirm?do=drain&target=", "").await;
    let form = format!("do=drain&target=&token={}", field(&question, "token"));
    assert_eq!(browser.send("POST /admin/actions", &form).await.0, 303);
    assert_eq!(*rig.backend.commands.lock(), [Command::Drain]);
    let cookie = browser.cookie.clone();
    assert_eq!(browser.send("POST /logout", "token=wrong").await.0, 403);
    let (status, head, _) = browser.send("POST /logout", &format!("token={}", field(&page, "token"))).await;
    assert!(status == 303 && head.contains("max-age=0"), "{head}");
    browser.cookie = cookie;
    assert_eq!(browser.send("GET /", "").await.0, 303, "the id is worth nothing any more");
    let entries = rig.backend.record.audit();
    let words: Vec<_> =
        entries.iter().map(|entry| (entry.audited.actor.as_str(), entry.audited.action)).collect();
    for expected in [("ops", "login"), ("ops", "drain"), ("ops", "logout")] {
        assert!(words.contains(&expected), "{words:?}");
    }
    rig.stop().await;
}

#[actix_rt::test]
async fn a_login_over_tls_gets_a_cookie_for_tls_only() {
    let rig = Rig::start(&[("ops", "secret")]);
    let (_, _, page) = rig.send("GET /login", "").await;
    let body = format!("name=ops&password=secret&token={}", field(&page, "token"));
    let host = rig.address;
    let (status, head, _) = rig.send(&format!("POST /login\r\norigin: https://{host}"), &body).await;
    assert!(status == 303 && head.contains("set-cookie: __host-pushweir_"), "{head}");
    assert!(head.contains("; secure\r\n"), "{head}");
    rig.stop().await;
}

#[actix_rt::test]
async fn a_stream_ends_with_its_session() {
    let rig = Rig::start(&[("ops", "secret")]);
    let mut browser = Browser::new(&rig);
    browser.log_in("ops", "secret").await;
    let mut stream = TcpStream::connect(rig.address).await.unwrap();
    let (address, cookie) = (rig.address, &browser.cookie);
    let request = format!("GET /admin/api/events HTTP/1.1\r\nhost: {address}\r\ncookie: {cookie}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut seen = vec![0; 64 * 1_024];
    assert!(stream.read(&mut seen).await.unwrap() > 0);
    let (_, _, page) = browser.send("GET /", "").await;
    browser.send("POST /logout", &format!("token={}", field(&page, "token"))).await;
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.unwrap();
    assert!(rest.ends_with("0\r\n\r\n"), "the server ends it: {rest}");
    rig.stop().await;
}

#[actix_rt::test]
async fn scripts_use_a_token_or_basic_and_no_cookie() {
    let rig = Rig::start(&[("ops", "secret")]);
    let with = |line: &str, proof: &str| format!("{line}\r\nauthorization: {proof}");
    assert_eq!(rig.send(&with("GET /metrics", "Bearer second"), "").await.0, 200);
    assert_eq!(rig.send(&with("POST /admin/api/drain", "Bearer second"), "").await.0, 403);
    let (status, head, _) = rig.send(&with("POST /admin/api/drain", "Bearer first"), "").await;
    assert!(status == 200 && !head.contains("set-cookie"), "{head}");
    assert_eq!(rig.send(&with("GET /metrics", "Bearer third"), "").await.0, 401);
    let entries = rig.backend.record.audit();
    assert!(
        entries.iter().any(|entry| entry.audited.actor == "token deploy" && entry.audited.is_done),
        "{entries:?}"
    );
    rig.stop().await;
}

#[actix_rt::test]
async fn hashes_are_compared_in_turn_and_once_for_many_requests() {
    let mut settings = settings("127.0.0.1:0", &[], &[]);
    let proof = Proof::Hash(Hashed::read(&hash(b"secret").unwrap()).unwrap());
    settings.users.push(User { name: "ops".into(), proof, role: Role::Operator });
    let rig = Rig::start_with(settings);
    let right = "GET /admin/api/state\r\nauthorization: Basic b3BzOnNlY3JldA==";
    assert_eq!(rig.send(right, "").await.0, 200);
    let wrong = "GET /\r\nauthorization: Basic b3BzOndyb25n";
    let guesses = futures_util::future::join_all((0..20).map(|_| rig.send(wrong, "")));
    let (guesses, known) = futures_util::future::join(guesses, rig.send(right, "")).await;
    assert_eq!(known.0, 200, "who was known before does not wait in line");
    let count = |status: u16| guesses.iter().filter(|(found, ..)| *found == status).count();
    assert!(count(401) <= 8 && count(503) >= 10 && count(401) + count(503) + count(429) == 20, "{guesses:?}");
    rig.stop().await;
}

#[actix_rt::test]
async fn a_body_that_nobody_reads_holds_no_connection() {
    let rig = Rig::start(&[("ops", "secret")]);
    for line in ["GET /login", "GET /", "PUT /login"] {
        let mut stream = TcpStream::connect(rig.address).await.unwrap();
        let head = format!(
            "{line} HTTP/1.1\r\nhost: {}\r\naccept: text/html\r\ntransfer-encoding: chunked\r\n\r\n",
            rig.address
        );
        let chunk = format!("1000\r\n{}\r\n", " ".repeat(0x1000));
        stream.write_all(format!("{head}{chunk}{chunk}").as_bytes()).await.unwrap();
        let mut reply = Vec::new();
        while !reply.windows(4).any(|four| four == b"\r\n\r\n") {
            assert_ne!(stream.read_buf(&mut reply).await.unwrap(), 0, "{line}");
        }
        let reply = String::from_utf8_lossy(&reply).to_lowercase();
        assert!(reply.starts_with("http/1.1 413") && reply.contains("connection: close"), "{line}: {reply}");
    }
    rig.stop().await;
}

#[actix_rt::test]
async fn who_may_only_look_cannot_guess_an_operator_s_password_for_ever() {
    let rig = Rig::start(&[("ops", "secret"), ("look", "only")]);
    let mut guesses = Vec::new();
    for _ in 0..12 {
        guesses.push(rig.send("GET /metrics\r\nauthorization: Basic b3BzOndyb25n", "").await.0);
        rig.send("GET /metrics\r\nauthorization: Bearer second", "").await;
    }
    assert_eq!((guesses[9], guesses[10]), (401, 429), "{guesses:?}");
    rig.stop().await;
}
