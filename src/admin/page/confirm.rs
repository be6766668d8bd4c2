//! The question before an action: a page of its own without a script, the content of a dialog with it.

use std::fmt::Write;

use super::begin;
use super::html::Escaped;
use crate::admin::actions::{MAX_CONNECTIONS, MAX_TRACED};
use crate::admin::forms::Fields;
use crate::admin::guard::Actor;
use crate::admin::state::Snapshot;
use crate::admin::words::grouped;
use crate::telemetry::log::EXAMPLE;

/// What is asked.
struct Question {
    /// The action in words, such as `Restart android/0`.
    title: String,
    /// What it means.
    text: String,
    /// The word on the button.
    button: &'static str,
}

/// Returns the page with the question; `None` if it makes no sense.
pub(in crate::admin) fn render(
    snapshot: &Snapshot,
    actor: &Actor,
    fields: &Fields,
    token: &str,
) -> Option<String> {
    let question = question(snapshot, fields)?;
    let mut out = String::with_capacity(4 * 1_024);
    begin(&mut out, &format!("{} – pushweir", question.title), false);
    let _ = write!(
        out,
        "<main id=\"main\" class=\"asking\"><form class=\"confirm card\" method=\"post\" action=\"/admin/actions\">\
         <h1 id=\"question\">{}?</h1><p>{}</p>",
        Escaped(&question.title),
        Escaped(&question.text)
    );
    for (name, value) in [("token", token), ("do", &fields.verb), ("target", &fields.target)] {
        let _ = write!(out, "<input type=\"hidden\" name=\"{name}\" value=\"{}\">", Escaped(value));
    }
    if fields.verb == "restart" {
        out.push_str(
            "<fieldset><legend>How</legend><label><input type=\"radio\" name=\"mode\" value=\"graceful\" checked> \
             Graceful: wait up to 10 s for its answers, then reconnect</label><label><input type=\"radio\" \
             name=\"mode\" value=\"force\"> Force: put its unanswered pushes back and reconnect now; the provider may \
             see some of them twice</label></fieldset>",
        );
    }
    if fields.verb == "scale" {
        let now = snapshot.routes.iter().find(|route| route.name == fields.target)?.connections;
        let _ = write!(
            out,
            "<label>Connections <input type=\"number\" name=\"connections\" min=\"1\" max=\"{MAX_CONNECTIONS}\" \
             value=\"{now}\" required></label>"
        );
    }
    match fields.verb.as_str() {
        "log" => log(&mut out, &snapshot.telemetry.log),
        "trace" => next(&mut out),
        "test" => to(&mut out),
        _ => {}
    }
    if actor.is_operator() {
        let _ = write!(out, "<p class=\"buttons\"><button class=\"primary\">{}</button>", question.button);
    } else {
        out.push_str("<p>You are a viewer: ask an operator to do it.</p><p class=\"buttons\">");
    }
    out.push_str("<a class=\"button\" href=\"/\" data-cancel>Cancel</a></p></form></main></body></html>\n");
    Some(out)
}

fn log(out: &mut String, filter: &str) {
    let _ = write!(
        out,
        "<label>Filter <input name=\"filter\" value=\"{}\" list=\"filters\" required autocomplete=\"off\"></label>\
         <datalist id=\"filters\"><option>info</option><option>debug</option><option>{EXAMPLE}</option>\
         <option>warn</option></datalist>",
        Escaped(filter)
    );
}

fn next(out: &mut String) {
    let _ = write!(
        out,
        "<label>Pushes <input type=\"number\" name=\"count\" min=\"1\" max=\"{MAX_TRACED}\" value=\"10\" required></label>"
    );
}

fn to(out: &mut String) {
    out.push_str(
        "<label>Device token, or a JSON object as in a push's <code>to</code> <input name=\"to\" required \
         autocomplete=\"off\" spellcheck=\"false\"></label>",
    );
}

fn question(snapshot: &Snapshot, fields: &Fields) -> Option<Question> {
    let target = fields.target.as_str();
    let route = snapshot.routes.iter().find(|route| route.name == target);
    let pusher = snapshot.pushers.iter().find(|pusher| pusher.id == target);
    let ask = |title: String, text: String, button| Some(Question { title, text, button });
    match (fields.verb.as_str(), route, pusher) {
        ("restart", None, Some(pusher)) => {
            let text = format!(
                "Its connection is opened anew. {} of its pushes are unanswered. Other pushers go on.",
                grouped(pusher.in_flight.into())
            );
            ask(format!("Restart {target}"), text, "Restart")
        }
        ("restart", Some(route), None) => {
            let text =
                format!("Its {} pushers are restarted one at a time; the others go on.", route.connections);
            ask(format!("Rolling restart of {target}"), text, "Restart all")
        }
        ("pause", None, Some(_)) => {
            let text =
                "It takes no more pushes; the other pushers take its share. What it has in flight goes on.";
            ask(format!("Pause {target}"), text.to_owned(), "Pause")
        }
        ("pause", Some(_), None) => {
            let text = "New pushes for the route are refused with 503, and what is buffered waits until you resume it.";
            ask(format!("Pause route {target}"), text.to_owned(), "Pause")
        }
        ("resume", None, Some(_)) => {
            ask(format!("Resume {target}"), "It takes pushes again.".to_owned(), "Resume")
        }
        ("resume", Some(_), None) => {
            let text = "The route takes pushes again and delivers what waits.";
            ask(format!("Resume route {target}"), text.to_owned(), "Resume")
        }
        ("scale", Some(route), None) => {
            let text = format!(
                "It has {} connections now. More connections deliver more a second if the provider allows them; \
                 fewer close in order.",
                route.connections
            );
            ask(format!("Scale {target}"), text, "Scale")
        }
        ("test", Some(_), None) => {
            let text = "One push, titled Test, goes through the gateway like any sender's and waits up to 10 s for its end. \
                        It is traced if traces have a receiver.";
            ask(format!("Test push on {target}"), text.to_owned(), "Send")
        }
        ("log", None, None) if target.is_empty() => {
            let text = "It holds until the next change or reload. Debug and trace levels cost throughput, and at trace \
                        device tokens are logged.";
            ask("Change the log level".to_owned(), text.to_owned(), "Change")
        }
        ("trace", None, None) if target.is_empty() => {
            let traces = &snapshot.telemetry.traces;
            let text = match (traces.is_on, traces.wanted) {
                (false, _) => "Traces have no receiver: set [telemetry.traces] endpoint first.".to_owned(),
                (true, 0) => "They are traced whatever the shares, and posted to the receiver.".to_owned(),
                (true, wanted) => {
                    format!("{} that were wanted before are still to come.", grouped(wanted.into()))
                }
            };
            ask("Trace the next pushes".to_owned(), text, "Trace")
        }
        ("drain", None, None) if target.is_empty() => {
            let text = format!(
                "New pushes are refused everywhere with 503 and Retry-After, and readiness fails, until you resume \
                 the intake. The {} pushes held are delivered.",
                grouped(snapshot.ledger.held())
            );
            ask("Drain the intake".to_owned(), text, "Drain")
        }
        ("resume", None, None) if target.is_empty() => {
            ask("Resume the intake".to_owned(), "New pushes are taken again.".to_owned(), "Resume intake")
        }
        _ => None,
    }
}
