//! `check --online`: tries every configured route with its provider, and says what came of it in a line each.

use std::io::Write;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use tokio::time::Instant;

use super::Exit;
use crate::config::{Config, Route};

/// What came of one route.
struct Line {
    is_well: bool,
    text: String,
}

/// Tries all routes at once, none longer than `limit`, and prints a line for each in the configuration's order.
pub(super) fn check(config: &Config, limit: Duration) -> Exit {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "no runtime: {error}");
            return Exit::StartFailed;
        }
    };
    let width = config.routes.iter().map(|route| route.name.len()).max().unwrap_or_default();
    let failed = runtime.block_on(async {
        let trials = config.routes.iter().map(|route| try_route(route, limit, width));
        let mut lines = trials.collect::<FuturesOrdered<_>>();
        let mut failed = 0;
        while let Some(Line { is_well, text }) = lines.next().await {
            failed += usize::from(!is_well);
            // Nothing can be said about a standard stream that is closed.
            let _ = writeln!(std::io::stdout(), "{text}");
        }
        failed
    });
    // A name look-up may be under way that nobody waits for any more.
    runtime.shutdown_background();
    if failed == 0 {
        return Exit::Fine;
    }
    let _ = writeln!(std::io::stderr(), "{failed} of {} routes failed", config.routes.len());
    Exit::Configuration
}

async fn try_route(route: &Route, limit: Duration, width: usize) -> Line {
    let began = Instant::now();
    let tried = tokio::time::timeout(limit, route.transport.probe()).await;
    let (tried, result) = match tried {
        Ok(Ok(probe)) => (probe.tried, probe.result.map_err(|suspicion| suspicion.to_string())),
        Ok(Err(error)) => ("read the settings".to_owned(), Err(error.to_string())),
        Err(_) => {
            let why = format!("no result in {limit:?} (hint: --timeout gives it longer)");
            ("try the settings".to_owned(), Err(why))
        }
    };
    let (is_well, word, finding) = match result {
        Ok(finding) => (true, "ok", finding),
        Err(finding) => (false, "failed", finding),
    };
    let millis = began.elapsed().as_millis();
    let text = format!(
        "{word:<6}  {:<width$}  {:<7}  {millis:>6} ms  {tried}: {}",
        route.name,
        route.transport.name(),
        on_one_line(&finding)
    );
    Line { is_well, text }
}

/// Returns a finding, which may hold the provider's words, as what can neither end the line nor command the terminal.
fn on_one_line(finding: &str) -> String {
    let mut line = String::with_capacity(finding.len());
    for character in finding.chars() {
        match character.is_control() {
            true => line.extend(character.escape_default()),
            false => line.push(character),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{Answer, Verdict};
    use crate::transport::probe::{Setting, Suspects};

    #[test]
    fn a_provider_s_words_neither_end_the_line_nor_command_the_terminal() {
        let setting = || Setting::new("x.key", "***");
        let suspects = Suspects { address: setting(), proxy: None, ca: setting(), login: setting() };
        let odd = "BAD\nok      other\u{1b}[2J\u{9b}";
        let answer = Verdict::Rejected(Box::new(Answer::new(odd, "")));
        let finding = suspects.conclude(answer).expect("an answer about the push");
        assert_eq!(
            on_one_line(&finding),
            r"credentials accepted (the trial itself was answered BAD\nok      other\u{1b}[2J\u{9b})"
        );
        assert_eq!(on_one_line("f\u{fc}r: \"it\""), "f\u{fc}r: \"it\"");
    }
}
