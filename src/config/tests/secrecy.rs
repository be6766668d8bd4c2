//! What a fault must not show: secrets that stand where a table or an address should.

use super::*;

fn shown(text: &str, environment: &[(&str, &str)]) -> String {
    load(text, environment).expect_err("the configuration is wrong").to_string()
}

#[test]
fn a_table_that_cannot_be_read_is_named_and_not_quoted() {
    let route = ROUTE.replace("k3y", "other");
    for (text, (name, value), key) in [
        ("", ("PUSHWEIR__ADMIN__USERS", "[{ name = \"o\", password = \"s3cret\" }"), "admin.users"),
        ("", ("PUSHWEIR__ROUTE", "[{ name = \"a\", xmpp = { server_key = \"s3cret\" }"), "route"),
        ("", ("PUSHWEIR__FEEDBACK__WEBHOOK", "{ secret = \"s3cret\""), "feedback.webhook"),
        (route.as_str(), ("PUSHWEIR__ROUTE__IOS_1__XMPP", "server_key = s3cret"), "route.ios_1.xmpp"),
        ("[admin]\nusers = \"o:s3cret\"\n", ("HOME", "/"), "admin.users"),
        ("[admin]\nusers = [\"o:s3cret\"]\n", ("HOME", "/"), "admin.users[0]"),
        ("admin = \"o:s3cret\"\n", ("HOME", "/"), "admin"),
    ] {
        let shown = shown(text, &[(name, value)]);
        assert!(shown.contains(&format!(": {key}")) && !shown.contains("s3cret"), "{shown}");
    }
}

#[test]
fn a_login_in_an_address_is_refused_and_not_quoted() {
    let web = "[[route]]\nname = \"w\"\ntransport = \"webpush\"\n[route.webpush]\n";
    for (text, key) in [
        ("[feedback.webhook]\nurl = \"https://me:s3cret@h.example/\"\n".to_owned(), "feedback.webhook.url"),
        (
            "[telemetry.traces]\nendpoint = \"https://me:s3cret@h.example/\"\n".to_owned(),
            "telemetry.traces.endpoint",
        ),
        (format!("{web}proxy = \"me:s3cret@h.example:3128\"\n"), "route[0].webpush.proxy"),
    ] {
        let shown = shown(&text, &[]);
        assert!(shown.contains(&format!("{key} = \"***\": is not allowed")), "{shown}");
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}
