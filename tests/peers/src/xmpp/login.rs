//! The server's side of the stream's negotiation: headers, SASL and resource binding.
//!
//! The session feeds it headers and stanzas until a JID is bound. The texts are those of `reference/fcm.md` 1.3, byte
//! for byte; every SASL identity form that working clients use is accepted.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::xmpp::element::Element;
use crate::xmpp::escape::escape_attribute_into;
use crate::xmpp::output::Output;

const STREAMS: &str = "http://etherx.jabber.org/streams";
const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";
const BIND: &str = "urn:ietf:params:xml:ns:xmpp-bind";
const DEFAULT_HOST: &str = "fcm-xmpp.googleapis.com";

const MECHANISMS: &str = "<stream:features><mechanisms xmlns=\"urn:ietf:params:xml:ns:xmpp-sasl\">\
    <mechanism>X-OAUTH2</mechanism><mechanism>X-GOOGLE-TOKEN</mechanism><mechanism>PLAIN</mechanism>\
    </mechanisms></stream:features>";
const SUCCESS: &str = "<success xmlns=\"urn:ietf:params:xml:ns:xmpp-sasl\"/>";
const FEATURES: &str = "<stream:features><bind xmlns=\"urn:ietf:params:xml:ns:xmpp-bind\"/>\
    <session xmlns=\"urn:ietf:params:xml:ns:xmpp-session\"/></stream:features>";

/// Domains an identity may carry.
const DOMAINS: [&str; 3] = ["gcm.googleapis.com", "fcm.googleapis.com", "projects.gcm.android.com"];

/// The accepted account.
#[derive(Debug, Clone)]
pub struct Account {
    /// The sender id.
    pub sender_id: String,
    /// The server key.
    pub server_key: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Header,
    Auth,
    SecondHeader,
    Bind,
}

/// What a header or stanza led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginOutcome {
    /// The negotiation goes on.
    Continue,
    /// Login succeeded: the next thing is a new stream header.
    Restart,
    /// Login was refused; the stream is over.
    Refused,
    /// The client may send messages under this JID.
    Bound(String),
    /// The stream ends with this error condition.
    StreamError(&'static str),
    /// The client sent something out of turn; the stream ends.
    OutOfTurn,
}

/// The state of a negotiation.
#[derive(Debug)]
pub struct Login {
    step: Step,
    host: String,
    /// Who logged in.
    sender_id: String,
    /// A stream error to answer the first header with.
    refusal: Option<&'static str>,
}

impl Login {
    /// Returns a negotiation that waits for the first header; with a `refusal` it ends there.
    #[must_use]
    pub fn new(refusal: Option<&'static str>) -> Self {
        Self { step: Step::Header, host: DEFAULT_HOST.to_owned(), sender_id: String::new(), refusal }
    }

    /// Returns the name the client called the server by.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Answers a stream header.
    pub fn header(&mut self, tag: &[u8], stream_id: u64, out: &mut Output) -> LoginOutcome {
        let Some(header) = read_header(tag) else {
            return LoginOutcome::StreamError("invalid-namespace");
        };
        if let Some(to) = header.attribute("to") {
            to.clone_into(&mut self.host);
        }
        let bytes = out.bytes();
        bytes.extend_from_slice(b"<stream:stream from=\"");
        escape_attribute_into(bytes, &self.host);
        out.text(&format!(
            "\" id=\"{stream_id:016x}\" version=\"1.0\" xmlns:stream=\"{STREAMS}\" xmlns=\"jabber:client\">"
        ));
        out.border();
        if let Some(condition) = self.refusal {
            return LoginOutcome::StreamError(condition);
        }
        match self.step {
            Step::Header => {
                out.text(MECHANISMS);
                self.step = Step::Auth;
            }
            Step::SecondHeader => {
                out.text(FEATURES);
                self.step = Step::Bind;
            }
            Step::Auth | Step::Bind => return LoginOutcome::OutOfTurn,
        }
        out.border();
        LoginOutcome::Continue
    }

    /// Answers a stanza; `account` is nothing when every login must fail, `suffix` ends the bound resource.
    pub fn stanza(
        &mut self,
        stanza: &Element,
        account: Option<&Account>,
        suffix: u32,
        out: &mut Output,
    ) -> LoginOutcome {
        match (self.step, stanza.name.as_str()) {
            (Step::Auth, "auth") if stanza.namespace == SASL => self.auth(stanza, account, out),
            (Step::Bind, "iq") => self.bind(stanza, suffix, out),
            _ => LoginOutcome::OutOfTurn,
        }
    }

    fn auth(&mut self, stanza: &Element, account: Option<&Account>, out: &mut Output) -> LoginOutcome {
        let fault = match stanza.attribute("mechanism") {
            Some("PLAIN") => match credentials(&stanza.text) {
                None => Some("incorrect-encoding"),
                Some(given) => {
                    (!account.is_some_and(|account| given.fit(account))).then_some("not-authorized")
                }
            },
            Some("X-OAUTH2" | "X-GOOGLE-TOKEN") => Some("not-authorized"),
            _ => Some("invalid-mechanism"),
        };
        if let Some(condition) = fault {
            out.text(&format!("<failure xmlns=\"{SASL}\"><{condition}/></failure></stream:stream>"));
            return LoginOutcome::Refused;
        }
        self.sender_id = account.map_or_else(String::new, |account| account.sender_id.clone());
        out.text(SUCCESS);
        out.border();
        self.step = Step::SecondHeader;
        LoginOutcome::Restart
    }

    fn bind(&self, iq: &Element, suffix: u32, out: &mut Output) -> LoginOutcome {
        let (Some(bind), Some("set")) = (iq.child("bind", BIND), iq.attribute("type")) else {
            return LoginOutcome::OutOfTurn;
        };
        let resource = bind.child("resource", BIND).map_or("", |resource| resource.text.as_str());
        let jid = format!("{}@gcm.googleapis.com/{resource}{suffix:08X}", self.sender_id);
        let bytes = out.bytes();
        result_head_into(bytes, &self.host, iq.attribute("id").unwrap_or_default());
        out.text(&format!("><bind xmlns=\"{BIND}\"><jid>"));
        escape_attribute_into(out.bytes(), &jid);
        out.text("</jid></bind></iq>");
        out.border();
        out.text(" ");
        out.border();
        LoginOutcome::Bound(jid)
    }
}

/// Appends the start tag of a result without its end.
pub fn result_head_into(out: &mut Vec<u8>, host: &str, id: &str) {
    out.extend_from_slice(b"<iq from=\"");
    escape_attribute_into(out, host);
    out.extend_from_slice(b"\" id=\"");
    escape_attribute_into(out, id);
    out.extend_from_slice(b"\" type=\"result\"");
}

/// Returns the header as an element when its name and both namespaces are right.
fn read_header(tag: &[u8]) -> Option<Element> {
    let text = std::str::from_utf8(tag).ok()?.strip_suffix('>')?;
    let declares = |namespace: &str| {
        text.contains(&format!("=\"{namespace}\"")) || text.contains(&format!("='{namespace}'"))
    };
    let header = Element::parse(format!("{text}/>").as_bytes(), "").ok()?;
    let named = header.name == "stream" && header.namespace == STREAMS;
    (named && declares(STREAMS) && declares("jabber:client")).then_some(header)
}

struct Credentials {
    authorization: String,
    identity: String,
    password: String,
}

/// Returns the three parts of a SASL PLAIN message (RFC 4616).
fn credentials(text: &str) -> Option<Credentials> {
    let bytes = STANDARD.decode(text.trim()).ok()?;
    let message = String::from_utf8(bytes).ok()?;
    let mut parts = message.split('\0').map(str::to_owned);
    let (authorization, identity, password) = (parts.next()?, parts.next()?, parts.next()?);
    parts.next().is_none().then_some(Credentials { authorization, identity, password })
}

impl Credentials {
    fn fit(&self, account: &Account) -> bool {
        let is_sender = |name: &str| match name.split_once('@') {
            None => name == account.sender_id,
            Some((node, domain)) => node == account.sender_id && DOMAINS.contains(&domain),
        };
        is_sender(&self.identity)
            && (self.authorization.is_empty() || is_sender(&self.authorization))
            && self.password == account.server_key
    }
}

#[cfg(test)]
mod tests;
