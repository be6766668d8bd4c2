//! The login's form.

use std::fmt::Write;

use super::begin;
use super::html::Escaped;

/// What the form holds.
pub(in crate::admin) struct LoginForm<'a> {
    /// Shows that the form is ours.
    pub(in crate::admin) token: &'a str,
    /// The name that was given before.
    pub(in crate::admin) name: &'a str,
    /// Where it leads.
    pub(in crate::admin) next: &'a str,
    /// What went wrong before; empty at first.
    pub(in crate::admin) problem: &'a str,
}

/// Returns the page.
pub(in crate::admin) fn render(form: &LoginForm<'_>) -> String {
    let mut out = String::with_capacity(4 * 1_024);
    begin(&mut out, "Log in – pushweir", false);
    let _ = write!(
        out,
        "<main id=\"main\" class=\"asking\"><form class=\"confirm card\" method=\"post\" action=\"/login\">\
         <h1>Log in to pushweir</h1>"
    );
    if !form.problem.is_empty() {
        let _ = write!(out, "<p role=\"alert\" class=\"problem\">{}</p>", Escaped(form.problem));
    }
    let (focus_name, focus_password) =
        if form.name.is_empty() { (" autofocus", "") } else { ("", " autofocus") };
    let _ = writeln!(
        out,
        "<label>Name <input name=\"name\" autocomplete=\"username\" autocapitalize=\"none\" spellcheck=\"false\" \
         required value=\"{}\"{focus_name}></label><label>Password <input type=\"password\" name=\"password\" \
         autocomplete=\"current-password\" required{focus_password}></label><input type=\"hidden\" name=\"token\" \
         value=\"{}\"><input type=\"hidden\" name=\"next\" value=\"{}\"><p class=\"buttons\">\
         <button class=\"primary\">Log in</button></p></form></main></body></html>",
        Escaped(form.name),
        Escaped(form.token),
        Escaped(form.next),
    );
    out
}
