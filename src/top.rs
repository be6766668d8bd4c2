//! `pushweir top` and `pushweir health`: the admin interface from a terminal, for people and for scripts.
//!
//! A client of the same HTTP that the page uses. `cli` runs it; `draw` is pure and knows no terminal, the rest is a thin shell around it.

mod client;
mod draw;
mod state;
#[cfg(test)]
mod tests;
mod text;

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

pub use self::client::{Client, Proof};
use self::draw::{Screen, draw};
use self::state::State;

/// The width where none is known.
const WIDTH: usize = 120;
/// Another screen with a hidden cursor, and back (xterm's control sequences).
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

/// Why there is nothing to see.
#[derive(Debug, thiserror::Error)]
pub enum TopError {
    /// Not an address.
    #[error("{0:?} is not the address of an admin interface (hint: http://127.0.0.1:8651)")]
    Address(String),
    /// No answer.
    #[error(
        "cannot reach {peer}: {cause} (hint: --admin names the address that pushweir logs as listening admin=)"
    )]
    Unreachable {
        /// Host and port.
        peer: String,
        /// Why.
        cause: String,
    },
    /// Another answer.
    #[error("{peer} answers {status}: {text}")]
    Refused {
        /// Host and port.
        peer: String,
        /// HTTP's.
        status: u16,
        /// What it says.
        text: String,
    },
    /// The terminal does not take it.
    #[error("write to the terminal: {0}")]
    Terminal(#[from] io::Error),
}

/// How to show it.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Show one picture and end.
    pub once: bool,
    /// Time between two pictures.
    pub every: Duration,
}

/// Shows the service until Ctrl-C, or once.
///
/// # Errors
/// Nothing could be shown; a service that goes away meanwhile is shown as gone.
pub fn run(client: &Client, options: Options) -> Result<(), TopError> {
    in_runtime(async {
        let is_live = !options.once && io::stdout().is_terminal();
        if !is_live && options.once {
            return write(&frame(&fetch(client).await?, client, None), false);
        }
        if !is_live {
            return follow(client, options.every).await;
        }
        emit(ENTER)?;
        let shown = live(client, options.every).await;
        emit(LEAVE)?;
        shown
    })
}

/// Returns what `/healthz` says, or `/readyz` with `is_ready`.
///
/// # Errors
/// It is not well, or does not answer.
pub fn health(client: &Client, is_ready: bool) -> Result<String, TopError> {
    in_runtime(async {
        let (status, body) = client.get(if is_ready { "/readyz" } else { "/healthz" }).await?;
        let text = String::from_utf8_lossy(&body).trim().to_owned();
        if status == 200 { Ok(text) } else { Err(TopError::Refused { peer: client.peer(), status, text }) }
    })
}

fn in_runtime<T>(task: impl Future<Output = Result<T, TopError>>) -> Result<T, TopError> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(task)
}

async fn fetch(client: &Client) -> Result<State, TopError> {
    let (status, body) = client.get("/admin/api/state").await?;
    let refused = |text: String| TopError::Refused { peer: client.peer(), status, text };
    if status != 200 {
        let json: Option<serde_json::Value> = serde_json::from_slice(&body).ok();
        let message = json.and_then(|json| Some(json["error"]["message"].as_str()?.to_owned()));
        return Err(refused(message.unwrap_or_else(|| "nothing that explains it".to_owned())));
    }
    serde_json::from_slice(&body).map_err(|error| refused(format!("no state of pushweir: {error}")))
}

/// One picture after the other, for a pipe or a terminal that cannot go back.
async fn follow(client: &Client, every: Duration) -> Result<(), TopError> {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        write(&frame(&fetch(client).await?, client, None), false)?;
    }
}

async fn live(client: &Client, every: Duration) -> Result<(), TopError> {
    let (mut resized, mut interrupted) =
        (signal(SignalKind::window_change())?, signal(SignalKind::interrupt())?);
    let mut terminated = signal(SignalKind::terminate())?;
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // Without a first picture there is nothing to come back to.
    let (mut state, mut trouble) = (fetch(client).await?, None::<TopError>);
    loop {
        write(&frame(&state, client, Some(trouble.as_ref())), true)?;
        tokio::select! {
            _ = ticks.tick() => match fetch(client).await {
                Ok(fresh) => (state, trouble) = (fresh, None),
                Err(error) => trouble = Some(error),
            },
            _ = resized.recv() => {}
            _ = interrupted.recv() => return Ok(()),
            _ = terminated.recv() => return Ok(()),
        }
    }
}

/// `live`: none for a picture that is followed by others or by nothing, else what is in the way of the next.
fn frame(state: &State, client: &Client, live: Option<Option<&TopError>>) -> Vec<String> {
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    let has_colour = io::stdout().is_terminal() && !is_dumb && std::env::var_os("NO_COLOR").is_none();
    let size = terminal_size::terminal_size();
    let width = size.map_or(WIDTH, |(width, _)| usize::from(width.0));
    let trouble = live.flatten().map(TopError::to_string);
    let height = size.filter(|_| live.is_some()).map(|(_, height)| usize::from(height.0));
    draw(state, &client.peer(), trouble.as_deref(), Screen { width, height, has_colour })
}

/// Writes lines; in place of those before if `over`.
fn write(lines: &[String], over: bool) -> Result<(), TopError> {
    let mut text = String::with_capacity(8 * 1_024);
    let (begin, end) = if over { ("\x1b[H", "\x1b[K") } else { ("", "") };
    text.push_str(begin);
    for (index, line) in lines.iter().enumerate() {
        // A newline in the last line would scroll.
        text.push_str(if index > 0 && over { "\r\n" } else { "" });
        text.push_str(line);
        text.push_str(end);
        text.push_str(if over { "" } else { "\n" });
    }
    text.push_str(if over { "\x1b[J" } else { "\n" });
    emit(&text)
}

fn emit(text: &str) -> Result<(), TopError> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush())?;
    Ok(())
}
