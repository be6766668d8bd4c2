//! What a configuration may say, and what is said about a wrong one.

mod apns;
mod connections;
mod secrecy;
mod webpush;

use std::ffi::OsString;
use std::io;

use proptest::prelude::*;

use super::*;
use crate::push::Lane;

const ROUTE: &str = "[[route]]\nname = \"ios-1\"\ntransport = \"xmpp\"\n[route.xmpp]\nhost = \"h\"\nsender_id = \"1\"\nserver_key = \"k3y\"\n";

fn load(text: &str, environment: &[(&str, &str)]) -> Result<Loaded, Faults> {
    let environment: Vec<_> =
        environment.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))).collect();
    let outside = Outside {
        variable: &|name| (name == "PRESENT").then(|| "from-variable".into()),
        read: &|path| match path.to_str() {
            Some("/secret") => Ok(b"from-file\n".to_vec()),
            _ => Err(io::Error::from(io::ErrorKind::NotFound)),
        },
    };
    Loaded::assemble(Some(Source { name: "test.toml", text }), environment, outside)
}

fn faults(text: &str) -> Vec<Fault> {
    load(text, &[]).expect_err("the configuration is wrong").as_slice().to_vec()
}

fn xmpp(route: &Route) -> &transport::xmpp::Settings {
    let Transport::Xmpp(settings) = &route.transport else { panic!("not XMPP") };
    settings
}

#[test]
fn the_compiled_in_text_is_a_valid_configuration() {
    let loaded = Loaded::assemble(None, [], OUTSIDE).unwrap();
    let config = &loaded.config;
    assert_eq!(config.ingest.listen.to_string(), "127.0.0.1:8650");
    assert_eq!(config.ingest.max_body, 1 << 20);
    assert_eq!(config.ingest.ttl[Lane::Low.index()], Duration::from_secs(86_400));
    assert_eq!(config.collector.buffer, 100_000);
    let route = &config.routes[0];
    assert_eq!((route.name.as_str(), route.connections.min, route.connections.max), ("android", 8, 8));
    let settings = xmpp(route);
    assert_eq!((settings.host.as_str(), settings.port, settings.window), ("127.0.0.1", 5236, 100));
    assert_eq!(settings.server_key.expose(), "demo-server-key");
}

#[test]
fn a_file_overrides_the_defaults_and_the_environment_the_file() {
    let text = "[collector]\nbuffer = 7\nkeep = \"oldest\"\n";
    let config = load(text, &[("PUSHWEIR__COLLECTOR__BUFFER", "5000"), ("HOME", "/")]).unwrap().config;
    assert_eq!((config.collector.buffer, config.collector.keep), (5_000, collector::Keep::Oldest));
    assert_eq!(config.collector.intake, 1_024);
}

#[test]
fn the_environment_reaches_lists_inner_tables_and_routes() {
    let environment = [
        ("PUSHWEIR__INGEST__TOKENS", "[\"env:PRESENT\", \"file:/secret\", \"plain\"]"),
        ("PUSHWEIR__INGEST__TTL__LOW", "2h"),
        ("PUSHWEIR__ROUTE__IOS_1__XMPP__PORT", "99"),
        ("PUSHWEIR__ROUTE__IOS_1__XMPP__SENDER_ID", "42"),
    ];
    let config = load(ROUTE, &environment).unwrap().config;
    let tokens: Vec<_> = config.ingest.tokens.iter().map(|token| token.expose()).collect();
    assert_eq!(tokens, ["from-variable", "from-file", "plain"]);
    assert_eq!(config.ingest.ttl[3], Duration::from_secs(7_200));
    let settings = xmpp(&config.routes[0]);
    assert_eq!((settings.port, settings.sender_id.as_str()), (99, "42"));
}

#[test]
fn a_share_is_a_number_in_its_range() {
    let read = |text: &str| load(&format!("[collector]\ncritical_reserve = {text}\n"), &[]);
    assert_eq!(load("", &[]).unwrap().config.collector.critical_reserve, 0.05);
    assert_eq!(read("0").unwrap().config.collector.critical_reserve, 0.0);
    assert_eq!(read("0.25").unwrap().config.collector.critical_reserve, 0.25);
    for wrong in ["1", "-0.1", "nan", "\"5 %\"", "inf"] {
        let error = read(wrong).unwrap_err().to_string();
        assert!(error.contains("allowed: a number from 0 to 0.9"), "{error}");
    }
}

#[test]
fn a_route_list_replaces_the_default_and_inherits_its_documented_values() {
    let config = load(ROUTE, &[]).unwrap().config;
    assert_eq!(config.routes.len(), 1);
    let route = &config.routes[0];
    assert_eq!((route.name.as_str(), route.connections.min, xmpp(route).port), ("ios-1", 8, 5_236));
}

#[test]
fn a_route_must_name_its_own_account() {
    let faults = faults("\n[[route]]\nname = \"a\"\n[route.xmpp]\nport = 1\n");
    let keys: Vec<_> = faults.iter().map(|fault| fault.key.as_str()).collect();
    let expected =
        ["route[0].transport", "route[0].xmpp.host", "route[0].xmpp.sender_id", "route[0].xmpp.server_key"];
    for key in expected {
        assert!(keys.contains(&key), "{key} not in {keys:?}");
    }
    assert_eq!(keys.len(), expected.len());
    assert!(faults.iter().all(|fault| fault.problem == "is missing" && fault.place == "test.toml:2"));
}

const FCM: &str = "[[route]]\nname = \"v1\"\ntransport = \"fcm\"\n[route.fcm]\nservice_account = ";

fn fcm_route(account: &str) -> String {
    format!("{FCM}{}\n", toml::Value::String(account.to_owned()))
}

#[test]
fn a_route_over_fcm_has_the_account_and_the_documented_values() {
    let account = transport::fcm::auth::account::fixture::text("https://t.example/token");
    let loaded = load(&fcm_route(&account), &[("PUSHWEIR__ROUTE__V1__FCM__RETRY_MIN", "1s")]).unwrap();
    let route = &loaded.config.routes[0];
    let Transport::Fcm(settings) = &route.transport else { panic!("not FCM") };
    assert_eq!((route.transport.name(), settings.http.window), ("fcm", 100));
    assert_eq!(settings.account.project.as_deref(), Some("demo"));
    assert_eq!(
        (settings.project.clone(), settings.endpoint.to_string()),
        (None, "https://fcm.googleapis.com/".into())
    );
    assert_eq!((settings.http.retry_min.as_secs(), settings.http.request_timeout.as_secs()), (1, 20));
    assert!(loaded.effective.contains("[route.fcm]") && !loaded.effective.contains("[route.xmpp]"));
    assert!(!loaded.effective.contains("PRIVATE KEY"), "{}", loaded.effective);
}

#[test]
fn a_request_that_may_last_longer_than_its_answer_is_waited_for_is_warned_of() {
    let account = transport::fcm::auth::account::fixture::text("https://t.example/token");
    let warnings = |answer: &str| {
        let limit = [("PUSHWEIR__ROUTE__V1__ANSWER_TIMEOUT", answer)];
        load(&fcm_route(&account), &limit).unwrap().config.warnings()
    };
    assert_eq!(warnings("21s"), [""; 0], "20s are the default");
    for limit in ["20s", "5s"] {
        let warnings = warnings(limit);
        let expected = ["route v1 ", "fcm.request_timeout is 20s", &format!("answer_timeout {limit}")];
        assert!(expected.iter().all(|part| warnings[0].contains(part)), "{warnings:?}");
    }
}

#[test]
fn a_service_account_that_cannot_sign_is_a_fault_that_is_not_quoted() {
    let broken = fcm_route("{\"client_email\":\"a\",\"private_key\":\"s3cret\"}");
    let faults = load(&broken, &[]).unwrap_err().to_string();
    assert!(faults.contains("route[0].fcm.service_account") && faults.contains("private_key"), "{faults}");
    assert!(!faults.contains("s3cret"), "{faults}");
    let missing = load(&FCM.replace("service_account = ", ""), &[]).unwrap_err();
    assert_eq!((missing.as_slice().len(), missing.as_slice()[0].problem.as_str()), (1, "is missing"));
    let absent = load(&fcm_route("file:/absent"), &[]).unwrap_err().to_string();
    assert!(absent.contains("/absent cannot be read"), "{absent}");
}

#[test]
fn a_route_has_only_the_table_of_its_own_transport() {
    let both = format!("{ROUTE}[route.fcm]\nretry_min = \"1s\"\n");
    let loaded = load(&both, &[]).unwrap();
    assert!(loaded.effective.contains("[route.xmpp]") && !loaded.effective.contains("[route.fcm]"));
}

#[test]
fn the_documented_defaults_are_a_configuration_as_a_file_too() {
    let loaded = load(DEFAULTS, &[]).unwrap();
    assert_eq!(loaded.config.routes.len(), 1);
    assert!(!loaded.effective.contains("[route.fcm]"));
}

#[test]
fn all_faults_are_reported_at_once_with_place_key_value_limits_and_hint() {
    let text = "[ingest]\nmax_batch = 0\nmax_body = \"1 MB\"\nread_timeout = 5\n[collector]\nkeep = \"both\"\nbufer = 1\n[feedback]\nbackoff_min = \"10m\"\n";
    let error = load(text, &[("PUSHWEIR__RUNTIME__DELIVERY_THREADS", "many")]).unwrap_err();
    let shown = error.to_string();
    let expected = [
        "the configuration has 7 faults:",
        "test.toml:2: ingest.max_batch = 0: is out of range (allowed: a whole number from 1 to 100000; hint: ",
        "test.toml:3: ingest.max_body = \"1 MB\": has the unit `MB` (known: B, KiB, MiB, GiB) (allowed: \"1 KiB\" to \"256 MiB\"; ",
        "test.toml:4: ingest.read_timeout = 5: is not text (allowed: \"1s\" to \"10m\"; hint: ",
        "test.toml:6: collector.keep = \"both\": is not one of the choices (allowed: \"newest\", \"oldest\"; hint: ",
        "test.toml:7: collector.bufer: is not a key (allowed: buffer, buffer_bytes, critical_reserve, keep, refuse_late, coalesce, intake; hint: ",
        "test.toml:9: feedback.backoff_min = \"10m\": is above backoff_max (allowed: at most feedback.backoff_max; ",
        "PUSHWEIR__RUNTIME__DELIVERY_THREADS: runtime.delivery_threads = \"many\": is not a whole number",
    ];
    for line in expected {
        assert!(shown.contains(line), "{line}\nnot in\n{shown}");
    }
}

#[test]
fn syntax_faults_name_their_line_and_never_quote_it() {
    let faults = faults("[collector]\nbuffer = 1\n[ingest]\ntokens = [\"s3cret\" \"t0ken\"]\n");
    assert_eq!(faults[0].place, "test.toml:4");
    let shown = format!("{faults:?}");
    assert!(!shown.contains("s3cret") && !shown.contains("t0ken"), "{shown}");
}

#[test]
fn an_address_beyond_loopback_needs_credentials() {
    let text = "[ingest]\nlisten = \"0.0.0.0:1\"\n[admin]\nlisten = \"[::]:2\"\n";
    let keys: Vec<_> = faults(text).into_iter().map(|fault| fault.key).collect();
    assert_eq!(keys, ["ingest.listen", "admin.listen"]);
    let text = "[ingest]\nlisten = \"0.0.0.0:1\"\ntokens = [\"a\"]\n[admin]\nlisten = \"[::]:2\"\nusers = [{ name = \"o\", password = \"p\" }]\n";
    let users = load(text, &[]).unwrap().config.admin.users;
    assert!(users[0].proof.is(b"p") && users[0].role == crate::admin::Role::Operator);
    let text = "[admin]\nusers = [{ name = \"o\", password = \"p\", role = \"viewer\" }]\n";
    assert_eq!(load(text, &[]).unwrap().config.admin.users[0].role, crate::admin::Role::Viewer);
    let text = "[admin]\nusers = [{ name = \"o\", password = \"p\", role = \"root\" }]\n";
    assert_eq!(faults(text)[0].key, "admin.users[0].role");
}

#[test]
fn operators_prove_themselves_by_password_hash_or_token_and_none_is_shown() {
    let hash = crate::admin::password::hash(b"p").unwrap();
    let text = format!("[admin]\nusers = [{{ name = \"o\", password_hash = \"{hash}\" }}]\n");
    assert!(load(&text, &[]).unwrap().config.admin.users[0].proof.is(b"p"));
    let both = text.replace(" }]", ", password = \"p\" }]");
    assert_eq!(faults(&both)[0].key, "admin.users[0].password");
    let bad = "[admin]\nusers = [{ name = \"o\", password_hash = \"s3cret\" }]\n";
    let found = &faults(bad)[0];
    assert!(
        found.key == "admin.users[0].password_hash" && !format!("{found:?}").contains("s3cret"),
        "{found:?}"
    );
    let text = "[admin]\nlisten = \"[::]:2\"\ntokens = [{ name = \"scrape\", token = \"s3cret\", role = \"viewer\" }]\n";
    let loaded = load(text, &[]).unwrap();
    assert_eq!(loaded.config.admin.tokens[0].role, crate::admin::Role::Viewer);
    assert!(
        loaded.effective.contains("\"scrape\"") && !loaded.effective.contains("s3cret"),
        "{}",
        loaded.effective
    );
}

#[test]
fn listeners_windows_and_names_must_fit_together() {
    let same = faults("[admin]\nlisten = \"127.0.0.1:8650\"\n");
    assert_eq!(same[0].key, "admin.listen");
    let window = faults(&ROUTE.replace("[route.xmpp]", "window = 101\n[route.xmpp]"));
    assert_eq!((window[0].key.as_str(), window[0].value.as_deref()), ("route[0].window", Some("101")));
    let twice = faults(&format!("{ROUTE}{ROUTE}"));
    assert_eq!(twice[0].key, "route[1].name");
    assert_eq!(faults("route = []")[0].key, "route");
    assert_eq!(
        faults("[admin]\nusers = [{ name = \"o\", pasword = \"p\" }]")[0].key,
        "admin.users[0].pasword"
    );
}

#[test]
fn secrets_are_masked_in_faults_and_in_what_is_in_effect() {
    let text = "[ingest]\ntokens = [\"s3cret\", 5, \"env:ABSENT\"]\n[collector]\nserver_key = \"s3cret\"\n";
    let shown =
        load(text, &[("PUSHWEIR__ADMIN__USERS", "[{ name = 1, password = \"s3cret\" }]")]).unwrap_err();
    assert!(!shown.to_string().contains("s3cret"), "{shown}");
    assert!(shown.to_string().contains("the variable ABSENT is not set"), "{shown}");
    let text = "[ingest]\ntokens = [\"s3cret\", \"file:/secret\"]\n[admin]\nusers = [{ name = \"o\", password = \"s3cret\" }]\n";
    let loaded = load(text, &[]).unwrap();
    assert!(!loaded.effective.contains("s3cret") && !loaded.effective.contains("demo-server-key"));
    assert!(
        loaded.effective.contains("tokens = [\"***\", \"file:/secret\"]  # test.toml:2"),
        "{}",
        loaded.effective
    );
    assert!(!format!("{:?}", loaded.config).contains("s3cret"));
}

#[test]
fn what_is_in_effect_is_a_configuration_itself() {
    let loaded = load(&format!("[collector]\nbuffer = 7\n{ROUTE}"), &[]).unwrap();
    let again = load(&loaded.effective, &[]).unwrap();
    assert_eq!(again.config.collector.buffer, 7);
    assert_eq!(again.config.routes[0].name, "ios-1");
    assert!(loaded.effective.contains("buffer = 7  # test.toml:2"), "{}", loaded.effective);
}

#[test]
fn a_missing_ca_file_is_a_warning() {
    let text = format!("{ROUTE}ca = \"/does/not/exist\"\n");
    let warnings = load(&text, &[]).unwrap().config.warnings();
    assert!(warnings[0].contains("ios-1") && warnings[0].contains("/does/not/exist"), "{warnings:?}");
    assert!(load(&format!("{ROUTE}ca = \"\"\n"), &[]).unwrap().config.warnings().is_empty());
}

fn any_value() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| format!("{number:?}")),
        "\"[a-z0-9 :./]{0,12}\"",
        Just("true".into()),
        Just("[]".into()),
        Just("[1, \"x\", {}]".into()),
        Just("{ name = \"x\" }".into()),
        Just("1979-05-27".into()),
        "[ -~]{0,10}",
    ]
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,200}") {
        let _ = load(&text, &[]);
    }

    #[test]
    fn no_value_of_a_known_key_panics(
        section in prop::sample::select(vec!["runtime", "ingest", "collector", "admin", "feedback", "telemetry", "route", "ingest.ttl"]),
        key in prop::sample::select(vec!["listen", "tokens", "users", "hosts", "ttl", "buffer", "keep", "log", "max_body", "name", "xmpp", "low"]),
        value in any_value(),
        list: bool,
    ) {
        let header = if list { format!("[[{section}]]") } else { format!("[{section}]") };
        let _ = load(&format!("{header}\n{key} = {value}\n"), &[]);
        let _ = load(&format!("{section} = {value}\n"), &[]);
        let name = format!("PUSHWEIR__{}__{}", section.replace('.', "__"), key).to_uppercase();
        let _ = load("", &[(&name, &value)]);
    }

    #[test]
    fn no_variable_panics(name in "PUSHWEIR__[A-Z_0-9]{0,20}", value in "\\PC{0,30}") {
        let _ = load("", &[(&name, &value)]);
    }
}

#[test]
fn a_webhook_needs_a_url_that_can_be_posted_to_and_a_secret() {
    let config = load("[feedback.webhook]\nurl = \"https://h.example/in\"\nsecret = \"env:PRESENT\"\n", &[]);
    let webhook = config.unwrap().config.webhook;
    assert_eq!(webhook.endpoint.map(|endpoint| endpoint.peer()).as_deref(), Some("h.example:443"));
    assert_eq!(webhook.secret.expose(), "from-variable");
    for (text, key) in [
        ("url = \"ftp://h/\"\nsecret = \"s\"", "feedback.webhook.url"),
        ("url = \"http://h/\"", "feedback.webhook.secret"),
        ("batch = 0", "feedback.webhook.batch"),
    ] {
        let faults = faults(&format!("[feedback.webhook]\n{text}\n"));
        assert_eq!(faults.iter().map(|fault| fault.key.as_str()).collect::<Vec<_>>(), [key]);
    }
}

#[test]
fn an_account_that_makes_no_address_is_a_fault_and_not_a_failed_start() {
    // A character that no XMPP address may have (RFC 3454 table C.3).
    let faults = faults(&ROUTE.replace("sender_id = \"1\"", "sender_id = \"\\uE000\""));
    assert_eq!(
        faults.iter().map(|fault| fault.key.as_str()).collect::<Vec<_>>(),
        ["route[0].xmpp.sender_id"]
    );
}

#[test]
fn a_proxy_is_a_host_and_a_port() {
    let fault = |proxy: &str| {
        let text = format!(
            "[[route]]\nname = \"w\"\ntransport = \"webpush\"\n[route.webpush]\nproxy = \"{proxy}\"\n"
        );
        faults(&text).iter().any(|fault| fault.key == "route[0].webpush.proxy")
    };
    for fine in ["", "proxy.internal:3128", "10.0.0.1:8080", "[fd00::1]:3128"] {
        assert!(!fault(fine), "{fine}");
    }
    for wrong in [
        "proxy",
        "proxy:",
        "http://proxy:3128",
        "proxy:3128/",
        "a b:1",
        ":3128",
        "proxy:70000",
        "fd00::1:3128",
    ] {
        assert!(fault(wrong), "{wrong}");
    }
}
