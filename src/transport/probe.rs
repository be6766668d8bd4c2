//! A trial of a route's settings: one connection, and the cheapest question that the provider answers without delivering anything.
//!
//! `pushweir check --online` has it made. The transports connect, send and judge as always; here is what they have in common: one push on a
//! session, and which setting a failure points at. Invariant: nothing that is printed holds a secret.

use std::fmt;
use std::time::Duration;

use futures_util::StreamExt;

use super::{ConnectError, Session, SessionEvent};
use crate::outcome::{Answer, Scope, Verdict};
use crate::push::{KeyMint, Lane, Push, PushRequest, RouteId, SenderId, Target};
use crate::units::Clock;

/// How often a push is sent that the provider certainly did not process.
const SENDS: u32 = 3;

/// What a trial push has to live.
const TIME_TO_LIVE: Duration = Duration::from_secs(60);

/// What came of a trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// What was tried, with whom.
    pub tried: String,
    /// What that shows, or the setting that it points at.
    pub result: Result<String, Suspicion>,
}

/// A setting of the route, by its key; secrets are masked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The key, such as `fcm.endpoint`.
    pub key: &'static str,
    /// Its value.
    pub value: String,
}

/// Why a trial failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspicion {
    /// What it points at.
    pub setting: Setting,
    /// What is wrong, and what to do.
    pub problem: String,
}

/// The settings that a connection depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspects {
    /// Where to connect.
    pub address: Setting,
    /// Through what.
    pub proxy: Option<Setting>,
    /// Whom to trust.
    pub ca: Setting,
    /// Who asks.
    pub login: Setting,
}

// === impl Setting ===

impl Setting {
    /// Returns a setting.
    pub fn new(key: &'static str, value: impl fmt::Display) -> Self {
        Self { key, value: value.to_string() }
    }

    /// Returns the setting of a CA's file.
    pub fn ca(key: &'static str, path: Option<&std::path::Path>) -> Self {
        Self::new(key, path.map_or_else(|| "the system's".into(), |path| path.to_string_lossy()))
    }

    /// Returns that this setting is suspected.
    pub fn suspect<T>(&self, problem: impl fmt::Display) -> Result<T, Suspicion> {
        Err(Suspicion { setting: self.clone(), problem: problem.to_string() })
    }
}

impl fmt::Display for Suspicion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Setting { key, value } = &self.setting;
        write!(f, "{key} = {value}: {}", self.problem)
    }
}

// === impl Suspects ===

impl Suspects {
    /// Returns what is connected to first.
    pub fn way(&self) -> &Setting {
        self.proxy.as_ref().unwrap_or(&self.address)
    }

    /// Returns which setting an error of connecting points at.
    pub fn of(&self, error: &ConnectError) -> Suspicion {
        let way = self.way();
        let (setting, hint) = match error {
            ConnectError::Network { .. } => (way, ""),
            ConnectError::Timeout { .. } => (way, " (hint: does a firewall drop the packets?)"),
            ConnectError::Tls { .. } => (&self.ca, ""),
            ConnectError::LoginRefused { .. } => (&self.login, ""),
            ConnectError::Forbidden { .. } => (&self.address, " (hint: only public addresses are allowed)"),
            ConnectError::Protocol { .. } => (&self.address, " (hint: is this the provider's address?)"),
        };
        Suspicion { setting: setting.clone(), problem: format!("{error}{hint}") }
    }

    /// Returns what a verdict about a push shows that can reach nobody: the provider looks at the credentials before it looks at the push.
    ///
    /// # Errors
    /// It does not show that the credentials are accepted.
    pub fn conclude(&self, verdict: Verdict) -> Result<String, Suspicion> {
        let words = |answer: &Answer| match &*answer.detail {
            "" => answer.code.to_string(),
            detail => format!("{} {detail:?}", answer.code),
        };
        let trouble = |answer: &Answer| {
            let problem = format!("the provider is not well: {} (hint: try again later)", words(answer));
            self.address.suspect(problem)
        };
        match verdict {
            Verdict::Delivered { .. } => Ok("credentials accepted".to_owned()),
            Verdict::Rejected(answer) | Verdict::Unregistered(answer) => {
                Ok(format!("credentials accepted (the trial itself was answered {})", answer.code))
            }
            Verdict::Limited { answer, scope: Scope::Setup, .. } => {
                let hint = "(hint: check the route's credentials)";
                self.login.suspect(format!("the provider refuses it: {} {hint}", words(&answer)))
            }
            Verdict::Limited { answer, after, .. } => {
                let when = format!("(hint: try again in {after:?})");
                self.address.suspect(format!("the provider takes nothing now: {} {when}", words(&answer)))
            }
            Verdict::Retry { answer, .. } | Verdict::BrokenOff { answer, .. } => trouble(&answer),
            Verdict::Elsewhere(code) => trouble(&Answer::new("not processed", code)),
            Verdict::Unanswered => trouble(&Answer::new("no answer", "")),
        }
    }
}

/// Returns a request without content to a target.
pub const fn request(to: Target<'_>) -> PushRequest<'_> {
    PushRequest {
        id: None,
        route: None,
        to,
        priority: Lane::Normal,
        ttl: None,
        collapse_key: None,
        notification: None,
        data: None,
        provider: None,
    }
}

/// Sends one push with this payload on a session, and ends the session in order.
///
/// # Errors
/// Why there was no answer within `limit`, as a sentence.
pub async fn send(mut session: Session, payload: Vec<u8>, limit: Duration) -> Result<Verdict, String> {
    let push = push(payload);
    let verdict = tokio::time::timeout(limit, answer(&mut session, &push)).await;
    close(session).await;
    let answered = verdict.unwrap_or_else(|_| Err(format!("no answer in {limit:?}")));
    answered.map_err(|reason| format!("{reason} (hint: is this the provider's address?)"))
}

/// Ends a session in order.
pub async fn close(mut session: Session) {
    session.outbox.finish();
    // It limits its own end.
    while session.events.next().await.is_some() {}
}

async fn answer(session: &mut Session, push: &Push) -> Result<Verdict, String> {
    let mut last = Verdict::NOT_SENT;
    for _ in 0..SENDS {
        session.outbox.send(push, TIME_TO_LIVE);
        session.outbox.flush();
        last = next_verdict(session).await?;
        // An access token that was just replaced, or a window that has just shrunk.
        if !matches!(last, Verdict::Elsewhere(_)) {
            break;
        }
    }
    Ok(last)
}

async fn next_verdict(session: &mut Session) -> Result<Verdict, String> {
    while let Some(events) = session.events.next().await {
        for event in events {
            match event {
                SessionEvent::Answered { verdict, .. } => return Ok(verdict),
                SessionEvent::Closed { reason, .. } => return Err(reason),
                SessionEvent::Window(_) | SessionEvent::Draining { .. } | SessionEvent::Upstream(_) => {}
            }
        }
    }
    Err("the connection was closed".to_owned())
}

fn push(payload: Vec<u8>) -> Push {
    let clock = Clock::start();
    let key = KeyMint::new(fastrand::u64(..)).batch(1).next().expect("a batch of one has one");
    Push {
        key,
        name: None,
        payload: payload.into(),
        accepted_at: clock.now(),
        deadline: clock.now().after(TIME_TO_LIVE),
        route: RouteId(0),
        sender: SenderId(0),
        lane: Lane::Normal,
        collapse: None,
        trace: None,
        attempts: 0,
        maybe_delivered: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suspects(proxy: Option<&str>) -> Suspects {
        Suspects {
            address: Setting::new("x.endpoint", "https://a.example"),
            proxy: proxy.map(|proxy| Setting::new("x.proxy", proxy)),
            ca: Setting::ca("x.ca", None),
            login: Setting::new("x.key", "***"),
        }
    }

    #[test]
    fn each_failure_to_connect_points_at_the_setting_that_can_repair_it() {
        let (peer, cause) = (|| "a.example:443".to_owned(), || "why".to_owned());
        let limit = Duration::from_secs(5);
        let errors = [
            (ConnectError::Network { peer: peer(), cause: cause() }, "x.endpoint"),
            (ConnectError::Forbidden { peer: peer(), cause: cause() }, "x.endpoint"),
            (ConnectError::Tls { peer: peer(), cause: cause() }, "x.ca"),
            (ConnectError::LoginRefused { peer: peer(), cause: cause() }, "x.key"),
            (ConnectError::Protocol { peer: peer(), cause: cause() }, "x.endpoint"),
            (ConnectError::Timeout { peer: peer(), limit, stage: "connecting" }, "x.endpoint"),
        ];
        for (error, key) in &errors {
            let suspicion = suspects(None).of(error);
            assert_eq!(suspicion.setting.key, *key, "{error}");
            assert!(suspicion.to_string().contains("a.example:443"), "{suspicion}");
        }
        assert_eq!(suspects(Some("p:1")).of(&errors[0].0).setting, Setting::new("x.proxy", "p:1"));
        assert_eq!(suspects(Some("p:1")).of(&errors[2].0).setting.value, "the system's");
    }

    #[test]
    fn only_an_answer_about_the_push_itself_shows_that_the_credentials_are_accepted() {
        let answer = || Box::new(Answer::new("CODE", "words"));
        let after = Duration::from_secs(60);
        let limited = |scope| Verdict::Limited { answer: answer(), after, scope };
        for (verdict, key) in [
            (Verdict::Delivered { canonical: None }, None),
            (Verdict::Rejected(answer()), None),
            (Verdict::Unregistered(answer()), None),
            (limited(Scope::Setup), Some("x.key")),
            (limited(Scope::Route), Some("x.endpoint")),
            (limited(Scope::Target), Some("x.endpoint")),
            (Verdict::Retry { answer: answer(), after: None }, Some("x.endpoint")),
            (Verdict::BrokenOff { answer: answer(), after: None }, Some("x.endpoint")),
            (Verdict::GOAWAY, Some("x.endpoint")),
            (Verdict::Unanswered, Some("x.endpoint")),
        ] {
            let shown = format!("{verdict:?}");
            let concluded = suspects(None).conclude(verdict);
            assert_eq!(concluded.as_ref().err().map(|suspicion| suspicion.setting.key), key, "{shown}");
        }
    }
}
