//! A small tree for the stanzas that are not the plain shape of a push: login, `iq`, presence and unusual messages.
//!
//! Built by the session from one framed stanza. Namespaces are resolved; prefixes are gone. Parsing is strict, so that a
//! client that is not well-formed is found out.

use quick_xml::NsReader;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;
use thiserror::Error;

use crate::xmpp::escape::{TextError, unescape};

/// The namespace of the stream's own elements.
const STREAM: &str = "http://etherx.jabber.org/streams";

/// Why a stanza is not an element.
#[derive(Debug, Error)]
pub enum ElementError {
    /// The XML parser's complaint.
    #[error("the stanza is not well-formed")]
    Xml(#[from] quick_xml::Error),
    /// An attribute is malformed or repeated.
    #[error("an attribute is not well-formed")]
    Attribute,
    /// Character data is malformed.
    #[error(transparent)]
    Text(#[from] TextError),
    /// A prefix has no namespace.
    #[error("a prefix is not bound to a namespace")]
    Prefix,
    /// There is no element, or more than one.
    #[error("the stanza is not one element")]
    Shape,
}

/// One element with everything in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Element {
    /// The name without prefix.
    pub name: String,
    /// The namespace, empty when none is declared.
    pub namespace: String,
    /// Attributes without namespace declarations, in order.
    pub attributes: Vec<(String, String)>,
    /// The text directly inside, concatenated.
    pub text: String,
    /// The elements inside, in order.
    pub children: Vec<Element>,
}

impl Element {
    /// Returns the element that `bytes` hold; `default_namespace` is what the stream's header declared.
    ///
    /// # Errors
    /// [`ElementError`] when the bytes are not exactly one well-formed element.
    pub fn parse(bytes: &[u8], default_namespace: &str) -> Result<Self, ElementError> {
        let text = std::str::from_utf8(bytes).map_err(|_| TextError::Encoding)?;
        let mut reader = NsReader::from_str(text);
        let mut open: Vec<Self> = Vec::new();
        let mut root = None;
        loop {
            let (resolved, event) = reader.read_resolved_event()?;
            let closed = match event {
                Event::Start(tag) => {
                    let namespace = namespace(&resolved, &tag, default_namespace)?;
                    open.push(Self::start(&tag, namespace)?);
                    continue;
                }
                Event::Empty(tag) => Self::start(&tag, namespace(&resolved, &tag, default_namespace)?)?,
                Event::End(_) => open.pop().ok_or(ElementError::Shape)?,
                Event::Eof => break,
                other => {
                    open.last_mut().ok_or(ElementError::Shape)?.add_text(&other)?;
                    continue;
                }
            };
            match open.last_mut() {
                Some(parent) => parent.children.push(closed),
                None if root.is_none() => root = Some(closed),
                None => return Err(ElementError::Shape),
            }
        }
        root.filter(|_| open.is_empty()).ok_or(ElementError::Shape)
    }

    /// Returns the value of an attribute.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Returns the first child with this name and namespace.
    #[must_use]
    pub fn child(&self, name: &str, namespace: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name && child.namespace == namespace)
    }

    fn start(tag: &BytesStart<'_>, namespace: String) -> Result<Self, ElementError> {
        let mut element = Self { name: tag.local_name().as_ref().to_owned(), namespace, ..Self::default() };
        for attribute in tag.attributes() {
            let attribute = attribute.map_err(|_| ElementError::Attribute)?;
            let key: &str = attribute.key.as_ref();
            if key != "xmlns" && !key.starts_with("xmlns:") {
                let value = unescape(attribute.value.as_bytes())?.into_owned();
                element.attributes.push((key.to_owned(), value));
            }
        }
        Ok(element)
    }

    fn add_text(&mut self, event: &Event<'_>) -> Result<(), ElementError> {
        match event {
            Event::Text(text) => self.text.push_str(&unescape(text.as_ref().as_bytes())?),
            Event::GeneralRef(name) => {
                let reference = format!("&{};", &**name);
                self.text.push_str(&unescape(reference.as_bytes())?);
            }
            Event::CData(data) => self.text.push_str(data),
            _ => return Err(ElementError::Shape),
        }
        Ok(())
    }
}

fn namespace(
    resolved: &ResolveResult<'_>,
    tag: &BytesStart<'_>,
    default_namespace: &str,
) -> Result<String, ElementError> {
    match resolved {
        ResolveResult::Bound(bound) => Ok(bound.as_ref().to_owned()),
        ResolveResult::Unbound => Ok(default_namespace.to_owned()),
        ResolveResult::Unknown(_) if tag.name().as_ref().starts_with("stream:") => Ok(STREAM.to_owned()),
        ResolveResult::Unknown(_) => Err(ElementError::Prefix),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Element, ElementError> {
        Element::parse(text.as_bytes(), "jabber:client")
    }

    #[test]
    fn namespaces_are_resolved_and_prefixes_forgotten() {
        let message =
            parse("<message id='1'><d:gcm xmlns:d='google:mobile:data'>{&quot;}</d:gcm></message>").unwrap();
        assert_eq!((message.namespace.as_str(), message.attribute("id")), ("jabber:client", Some("1")));
        assert_eq!(message.child("gcm", "google:mobile:data").unwrap().text, "{\"}");
    }

    #[test]
    fn text_references_and_cdata_are_joined() {
        assert_eq!(parse("<a>1&amp;<![CDATA[<2>]]>&#51;</a>").unwrap().text, "1&<2>3");
    }

    #[test]
    fn what_is_not_well_formed_is_refused() {
        let cases = [
            "<a></b>",
            "<a>",
            "<a/><b/>",
            "text",
            "<a>x & y</a>",
            "<a b='1' b='2'/>",
            "<a b/>",
            "<x:a/>",
            "<a>&foo;</a>",
        ];
        for text in cases {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
