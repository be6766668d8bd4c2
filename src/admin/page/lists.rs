//! What went wrong, who did what, what happened, and who supervises whom.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::html::Escaped;
use crate::admin::record::{Entry, Mark, Problem};
use crate::admin::state::TreeNode;
use crate::admin::words::grouped;

/// Actions on the page; the others are at `/admin/api/audit`.
const ACTIONS: usize = 20;
const MARKS: usize = 12;

pub(super) fn problems(out: &mut String, problems: &[Problem]) {
    out.push_str(
        "<section class=\"card\" id=\"problems\" aria-labelledby=\"problems-title\"><h2 id=\"problems-title\">\
         Recent problems</h2><ol class=\"list\" data-f=\"problems\" tabindex=\"0\" aria-label=\"Recent problems\">",
    );
    for problem in problems {
        let _ = write!(
            out,
            "<li><time>{}</time> <b>{}×</b> <span class=\"kind\">{}</span> {}",
            problem.last,
            grouped(problem.count),
            problem.kind,
            Escaped(&problem.reason)
        );
        if let Some(pusher) = &problem.pusher {
            let _ = write!(out, " <small>last: {}</small>", Escaped(pusher));
        }
        out.push_str("</li>");
    }
    out.push_str("</ol>");
    none(out, problems.is_empty(), "no-problems", "No problem since the start.");
    out.push_str("</section>");
}

pub(super) fn audit(out: &mut String, entries: &[Entry]) {
    out.push_str(
        "<section class=\"card\" id=\"audit\" aria-labelledby=\"audit-title\"><h2 id=\"audit-title\">Who did what</h2>\
         <ol class=\"list\" data-f=\"audit\" tabindex=\"0\" aria-label=\"Who did what\">",
    );
    for entry in entries.iter().take(ACTIONS) {
        let audited = &entry.audited;
        let word = if audited.is_done { "done" } else { "refused" };
        let _ = write!(
            out,
            "<li data-entry=\"{}\"><time>{}</time> <b>{}</b> {} <span class=\"badge\" data-state=\"{word}\">{word}</span>",
            entry.number,
            entry.at,
            Escaped(&audited.actor),
            Escaped(audited.summary()),
        );
        if let Some(result) = audited.said() {
            let _ = write!(out, " {}", Escaped(result));
        }
        if entry.times > 1 {
            let _ = write!(out, " <small>{}×</small>", grouped(entry.times));
        }
        out.push_str("</li>");
    }
    out.push_str("</ol>");
    none(out, entries.is_empty(), "no-audit", "Nobody has done anything since the start.");
    out.push_str("</section>");
}

fn none(out: &mut String, is_empty: bool, id: &str, text: &str) {
    let hidden = if is_empty { "" } else { " hidden" };
    let _ = write!(out, "<p id=\"{id}\"{hidden}>{text}</p>");
}

pub(super) fn marks(out: &mut String, marks: &[Mark]) {
    for mark in marks.iter().rev().take(MARKS) {
        let _ = write!(
            out,
            "<li><b class=\"sign\" aria-hidden=\"true\">{}</b> <time>{} UTC</time> <span class=\"kind\">{}</span> {}</li>",
            letter(mark.kind),
            mark.at.clock(),
            mark.kind,
            Escaped(&mark.text)
        );
    }
}

/// The letter of a mark in the graphs; `assets/graph.js` has the same.
fn letter(kind: &str) -> char {
    match kind {
        "restart" => 'R',
        "pause" => 'P',
        "resume" => 'C',
        "drain" => 'D',
        "scale" => 'S',
        "panic" => 'X',
        "state" => '●',
        _ => '•',
    }
}

pub(super) fn tree(out: &mut String, root: &TreeNode) {
    out.push_str(
        "<details class=\"card\" open><summary>Supervision tree</summary><ul class=\"tree\" data-f=\"tree\">",
    );
    node(out, root);
    out.push_str("</ul></details>");
}

/// Workers under a route's supervisor have rows among the pushers; here they are counted.
fn node(out: &mut String, of: &TreeNode) {
    let _ = write!(
        out,
        "<li><b>{}</b> <span class=\"badge\" data-state=\"{1}\">{1}</span> {2}",
        Escaped(&of.id),
        Escaped(&of.state),
        Escaped(&of.kind)
    );
    if let Some(strategy) = &of.strategy {
        let _ = write!(out, ", {}", Escaped(strategy));
    }
    let _ = write!(out, ", {}", times(of.restarts));
    if let Some(exit) = &of.last_exit {
        let _ = write!(out, ", last exit: {}", Escaped(exit));
    }
    let (pushers, others): (Vec<_>, Vec<_>) = of.children.iter().partition(|child| child.id.contains('/'));
    if !pushers.is_empty() {
        let mut states = BTreeMap::<&str, usize>::new();
        pushers.iter().for_each(|child| *states.entry(child.state.as_str()).or_default() += 1);
        let states: Vec<String> = states.iter().map(|(state, count)| format!("{count} {state}")).collect();
        let _ = write!(out, "; pushers: {}", Escaped(states.join(", ")));
    }
    if !others.is_empty() {
        out.push_str("<ul>");
        others.iter().for_each(|child| node(out, child));
        out.push_str("</ul>");
    }
    out.push_str("</li>");
}

fn times(restarts: u64) -> String {
    if restarts == 1 { "1 restart".to_owned() } else { format!("{} restarts", grouped(restarts)) }
}
