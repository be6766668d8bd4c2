//! What the page says, and that what a peer or a form said never becomes markup.

use super::*;
use crate::admin::Role;
use crate::admin::record::Recent;
use crate::admin::state::{Snapshot, tests::fresh};
use crate::flow::PusherState;

fn actor(role: Role) -> Actor {
    Actor::new("ops<".into(), role)
}

fn page(snapshot: Snapshot, query: &str, role: Role) -> String {
    let view = View::new(snapshot, Recent::default());
    let (actor, fields) = (actor(role), Fields::read(query.as_bytes()));
    let configuration = "log = \"<info>\"";
    Page { view: &view, actor: &actor, token: "t0ken", fields: &fields, audit: &[], configuration }.render()
}

#[test]
fn what_a_peer_said_is_text_and_never_markup() {
    let mut snapshot = fresh(1);
    snapshot.pushers[0].last_error = Some("<script>alert('&\"')</script>".into());
    snapshot.tree.last_exit = Some("<b>".into());
    let page = page(snapshot, "sort=%22%3E%3Cscript%3E&show=%3C&note=%3C", Role::Operator);
    assert!(page.contains("&lt;script&gt;alert(&#39;&amp;&quot;&#39;)&lt;/script&gt;"), "{page}");
    assert!(!page.contains("<script>") && !page.contains("last exit: <b>") && !page.contains("<info>"));
    assert!(page.contains("ops&lt;") && page.contains("android/0") && page.contains("0 of 10"));
}

#[test]
fn there_is_no_inline_script_or_style() {
    let page = page(fresh(3), "", Role::Operator);
    assert!(!page.contains(" style=") && !page.contains("<style") && !page.contains(" onclick"));
    assert_eq!(page.matches("<script").count(), 1);
    assert!(page.contains("<script type=\"module\" src=\"/admin/assets/page.js?v="));
}

#[test]
fn the_page_of_a_large_service_has_two_hundred_rows_and_links_to_the_others() {
    let first = page(fresh(450), "sort=acks", Role::Operator);
    assert_eq!(first.matches("<tr role=\"row\" data-id=\"android/").count(), 200);
    assert!(first.contains("page 1 of 3") && first.contains("/?sort=acks&amp;show=&amp;page=2#pushers"));
    let last = page(fresh(450), "page=99", Role::Operator);
    assert_eq!(last.matches("<tr role=\"row\" data-id=\"android/").count(), 50);
    assert!(last.contains("page 3 of 3"));
}

#[test]
fn pushers_are_filtered_and_the_worst_come_first() {
    let mut snapshot = fresh(3);
    snapshot.pushers[1].state = PusherState::Connecting;
    snapshot.pushers[2].state = PusherState::Failed;
    let page = page(snapshot, "show=not_ready&sort=state", Role::Operator);
    let at = |id: &str| page.find(&format!("data-id=\"{id}\""));
    assert!(at("android/0").is_none() && at("android/2") < at("android/1"), "{page}");
}

#[test]
fn a_viewer_is_offered_no_actions() {
    let operators = page(fresh(1), "", Role::Operator);
    let viewers = page(fresh(1), "", Role::Viewer);
    assert!(operators.contains("action=\"/confirm\"") && !viewers.contains("action=\"/confirm\""));
    assert!(viewers.contains("viewer: read only"));
}

#[test]
fn the_books_are_shown_as_sums_that_hold_or_do_not() {
    let mut snapshot = fresh(1);
    snapshot.ledger.accept(1_200, 34);
    let good = page(snapshot.clone(), "", Role::Operator);
    assert_eq!(good.matches("✓ balances").count(), 2);
    assert!(good.contains("<b data-term=\"accepted\">1,234</b>"));
    // Every word of the books that is a place or an end is a term, so that the script's sum holds, too.
    let json = serde_json::to_value(snapshot.ledger).unwrap();
    for word in json.as_object().unwrap().keys() {
        let is_term = good.contains(&format!("data-term=\"{word}\""));
        assert_eq!(is_term, !["duplicates", "unaccounted"].contains(&word.as_str()), "{word}");
    }
    snapshot.ledger.delivered += 1;
    assert_eq!(page(snapshot, "", Role::Operator).matches("✗ does not balance").count(), 1);
}

#[test]
fn every_action_that_exists_is_asked_about_and_no_other() {
    let snapshot = fresh(1);
    let ask = |query: &str, role| confirm(&snapshot, &actor(role), &Fields::read(query.as_bytes()), "t0ken");
    for (query, text) in [
        ("do=restart&target=android%2F0", "3 of its pushes are unanswered"),
        ("do=restart&target=android", "Its 1 pushers"),
        ("do=pause&target=android%2F0", "Pause android/0?"),
        ("do=pause&target=android", "Pause route android?"),
        ("do=resume&target=android%2F0", "Resume android/0?"),
        ("do=resume&target=android", "delivers what waits"),
        ("do=scale&target=android", "value=\"1\" required"),
        ("do=test&target=android", "Test push on android?"),
        ("do=trace&target=", "set [telemetry.traces] endpoint first"),
        ("do=log&target=", "<input name=\"filter\""),
        ("do=drain&target=", "Drain the intake?"),
        ("do=resume&target=", "Resume the intake?"),
    ] {
        let page = ask(query, Role::Operator).unwrap_or_else(|| panic!("no question for {query}"));
        assert!(page.contains(text) && page.contains("value=\"t0ken\""), "{query}: {page}");
        assert!(!page.contains(" style=") && !page.contains("<script"));
        assert!(!ask(query, Role::Viewer).unwrap().contains("<button"), "{query}");
    }
    for query in
        ["", "do=restart", "do=restart&target=ios", "do=scale&target=android%2F0", "do=drain&target=android"]
    {
        assert!(ask(query, Role::Operator).is_none(), "{query}");
    }
}

#[test]
fn the_login_form_shows_what_was_wrong_as_text() {
    let form = LoginForm { token: "t0ken", name: "<ops>", next: "/?a=1&b=\"", problem: "no <b>" };
    let page = login(&form);
    for text in [
        "value=\"&lt;ops&gt;\"",
        "value=\"t0ken\"",
        "value=\"/?a=1&amp;b=&quot;\"",
        "role=\"alert\"",
        "no &lt;b&gt;",
    ] {
        assert!(page.contains(text), "{text}: {page}");
    }
    assert!(!page.contains("<script") && !page.contains(" style=") && !page.contains("value=\"\" autofocus"));
}
