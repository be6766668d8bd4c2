//! The way from a secured connection to a bound resource (`reference/fcm.md` 1.3, RFC 6120 sections 4 to 7).
//!
//! ```text
//! Header ─► Features ─► Success ──restart──► SecondHeader ─► SecondFeatures ─► Bound ─► Done
//!   send header  send auth          send header                 send bind        send session, if asked for
//! ```
//! The connector feeds it the stream's items and sends what it returns. Pure. Elements are told by name and namespace, never by prefix, and
//! unknown features do not matter.

use minidom::Element;
use xmpp_parsers::bind::{BindQuery, BindResponse};
use xmpp_parsers::iq::Iq;
use xmpp_parsers::jid::Jid;
use xmpp_parsers::ns;
use xmpp_parsers::sasl::{Auth, DefinedCondition, Mechanism, Nonza};
use xmpp_parsers::stream_features::StreamFeatures;

use super::document::Item;
use super::{encode, fault};

const SESSION_NS: &str = "urn:ietf:params:xml:ns:xmpp-session";
const BIND_ID: &str = "bind";

/// Who logs in, and where.
#[derive(Debug, Clone)]
pub struct Login {
    /// The XMPP domain.
    pub domain: Jid,
    /// The SASL PLAIN message.
    pub plain: Vec<u8>,
    /// The resource to ask for.
    pub resource: String,
}

/// The state between two items.
#[derive(Debug)]
pub struct Handshake {
    login: Login,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Header,
    Features,
    Success,
    SecondHeader,
    SecondFeatures,
    Bound { session: bool },
    Done,
}

/// What to do after an item.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Read on.
    Wait,
    /// Send this and read on.
    Send(Vec<u8>),
    /// Send this; what comes next is a new stream.
    Restart(Vec<u8>),
    /// The session is open; send this first.
    Open {
        /// The optional session request, or nothing.
        send: Vec<u8>,
        /// The full address the provider gave us.
        jid: String,
    },
}

/// Why there is no session.
#[derive(Debug, PartialEq, Eq)]
pub enum Failure {
    /// Our credentials are not accepted.
    Login(String),
    /// Anything else.
    Protocol(String),
}

// === impl Handshake ===

impl Handshake {
    /// Returns the first state and what to send first.
    pub fn start(login: Login) -> (Self, Vec<u8>) {
        let header = header(&login.domain);
        (Self { login, state: State::Header }, header)
    }

    /// Returns what is being waited for, for the text of a time-out.
    pub const fn stage(&self) -> &'static str {
        match self.state {
            State::Header => "waiting for the stream header",
            State::Features => "waiting for the stream features",
            State::Success => "waiting for the answer to the login",
            State::SecondHeader => "waiting for the stream header after the login",
            State::SecondFeatures => "waiting for the stream features after the login",
            State::Bound { .. } => "waiting for the resource to be bound",
            State::Done => "open",
        }
    }

    /// Takes the next part of the stream.
    ///
    /// # Errors
    /// [`Failure`]; the connection is of no more use.
    pub fn on_item(&mut self, item: Item) -> Result<Step, Failure> {
        let element = match item {
            Item::Opened => return self.on_opened(),
            Item::Closed => {
                return Err(protocol(format!("the peer ended the stream while {}", self.stage())));
            }
            Item::Element(element) => element,
        };
        if fault::is_stream_error(&element) {
            return Err(protocol(fault::stream_error(&element)));
        }
        match self.state {
            State::Features => self.on_features(element),
            State::Success => self.on_sasl(element),
            State::SecondFeatures => self.on_second_features(element),
            State::Bound { session } => self.on_bound(element, session),
            State::Header | State::SecondHeader | State::Done => Err(unexpected(&element, self.stage())),
        }
    }

    fn on_opened(&mut self) -> Result<Step, Failure> {
        self.state = match self.state {
            State::Header => State::Features,
            State::SecondHeader => State::SecondFeatures,
            _ => return Err(protocol(format!("a second stream header while {}", self.stage()))),
        };
        Ok(Step::Wait)
    }

    fn on_features(&mut self, element: Element) -> Result<Step, Failure> {
        let features = parse_features(element, self.stage())?;
        if !features.sasl_mechanisms.contains("PLAIN") {
            let offered: Vec<_> = features.sasl_mechanisms.iter().map(String::as_str).collect();
            return Err(protocol(format!("the peer offers no login by PLAIN, but [{}]", offered.join(", "))));
        }
        self.state = State::Success;
        let auth = Auth { mechanism: Mechanism::Plain, data: std::mem::take(&mut self.login.plain) };
        Ok(Step::Send(bytes(&auth.into())))
    }

    fn on_sasl(&mut self, element: Element) -> Result<Step, Failure> {
        let found = element.clone();
        match Nonza::try_from(element) {
            Ok(Nonza::Success(_)) => {
                self.state = State::SecondHeader;
                Ok(Step::Restart(header(&self.login.domain)))
            }
            Ok(Nonza::Failure(failure)) => {
                let text = failure.texts.values().next().map(|text| format!(": {text}")).unwrap_or_default();
                Err(refused(&failure.defined_condition, &text))
            }
            // RFC 6120 section 6.5: an unknown condition counts as a plain failure to authenticate.
            _ if found.is("failure", ns::SASL) => {
                let condition = found.children().next().map_or("no reason given", Element::name);
                Err(Failure::Login(condition.to_owned()))
            }
            _ => Err(unexpected(&found, self.stage())),
        }
    }

    fn on_second_features(&mut self, element: Element) -> Result<Step, Failure> {
        let features = parse_features(element, self.stage())?;
        if !features.can_bind() {
            return Err(protocol("the peer offers no resource binding".to_owned()));
        }
        let offered = features.others.iter().find(|feature| feature.is("session", SESSION_NS));
        let session = offered.is_some_and(|feature| !feature.has_child("optional", SESSION_NS));
        self.state = State::Bound { session };
        let query = BindQuery::new(Some(self.login.resource.clone()));
        let iq = Iq::from_set(BIND_ID, query).with_to(self.login.domain.clone());
        Ok(Step::Send(bytes(&iq.into())))
    }

    fn on_bound(&mut self, element: Element, session: bool) -> Result<Step, Failure> {
        if !element.is("iq", ns::DEFAULT_NS) || element.attr("id") != Some(BIND_ID) {
            log::debug!("ignored a stanza while binding name={}", element.name());
            return Ok(Step::Wait);
        }
        let jid = match Iq::try_from(element) {
            Ok(Iq::Result { payload: Some(payload), .. }) => BindResponse::try_from(payload)
                .map_err(|error| protocol(format!("an unreadable answer to the binding: {error}")))?
                .jid
                .to_string(),
            Ok(Iq::Error { error, .. }) => {
                let condition = Element::from(error.defined_condition);
                return Err(protocol(format!("the peer refused to bind a resource: {}", condition.name())));
            }
            _ => return Err(protocol("an unreadable answer to the binding".to_owned())),
        };
        self.state = State::Done;
        let send = if session { bytes(&self.session_request()) } else { Vec::new() };
        Ok(Step::Open { send, jid })
    }

    /// Old servers (RFC 3921) want it, nobody needs its answer.
    fn session_request(&self) -> Element {
        let payload = Element::bare("session", SESSION_NS);
        Iq::Set { from: None, to: Some(self.login.domain.clone()), id: "session".to_owned(), payload }.into()
    }
}

/// Returns the stream header to a domain.
fn header(domain: &Jid) -> Vec<u8> {
    // An address cannot hold a quote, `<` or `&` in its domain, so there is nothing to escape.
    format!(
        "<stream:stream to=\"{domain}\" version=\"1.0\" xmlns=\"{}\" xmlns:stream=\"{}\">",
        ns::DEFAULT_NS,
        ns::STREAM
    )
    .into_bytes()
}

fn bytes(element: &Element) -> Vec<u8> {
    let mut out = Vec::new();
    encode::element(&mut out, element);
    out
}

fn parse_features(element: Element, stage: &str) -> Result<StreamFeatures, Failure> {
    if !element.is("features", ns::STREAM) {
        return Err(unexpected(&element, stage));
    }
    StreamFeatures::try_from(element)
        .map_err(|error| protocol(format!("unreadable stream features: {error}")))
}

fn refused(condition: &DefinedCondition, text: &str) -> Failure {
    let name = Element::from(condition.clone()).name().to_owned();
    match condition {
        DefinedCondition::MalformedRequest => Failure::Login(format!(
            "{name}{text}; an ordinary XMPP server wants identity = \"node\", the sender id without the domain"
        )),
        DefinedCondition::NotAuthorized
        | DefinedCondition::AccountDisabled
        | DefinedCondition::CredentialsExpired
        | DefinedCondition::InvalidAuthzid => Failure::Login(format!("{name}{text}")),
        _ => protocol(format!("the login failed: {name}{text}")),
    }
}

const fn protocol(cause: String) -> Failure {
    Failure::Protocol(cause)
}

fn unexpected(element: &Element, stage: &str) -> Failure {
    protocol(format!("an unexpected <{}> while {stage}", element.name()))
}

#[cfg(test)]
mod tests;
