//! Turns the bytes of one XML stream into its header, its stanzas and its end.
//!
//! The handshake reads through it, and the framer hands it every stanza that is not a plain answer. Pure: bytes in, elements out.
//! Size and depth of a stanza are bounded, because both are the peer's choice and a deep tree is freed by recursion.

use minidom::Element;
use rxml::error::EndOrError;
use rxml::{Event, Parse, Parser, RawEvent, RawParser};
use xmpp_parsers::ns;

/// The most bytes of one stanza.
pub const MAX_STANZA: usize = 256 * 1024;

/// The most levels of elements inside one stanza; the protocol needs four.
pub const MAX_DEPTH: usize = 32;

/// A part of the stream.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// The stream header.
    Opened,
    /// A whole child of the stream: a stanza, features, an error.
    Element(Element),
    /// The closing tag of the stream.
    Closed,
}

/// Why a stream cannot be read any further.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// Not well-formed, or XML that streams must not use (RFC 6120 section 11.1).
    #[error("invalid XML: {0}")]
    Invalid(rxml::Error),
    /// The first element is no stream header.
    #[error("not an XMPP stream: the first element is <{0}>")]
    NotAStream(String),
    /// The first byte is not the start of a tag.
    #[error("not an XMPP stream: it does not begin with XML")]
    NotXml,
    /// Text directly under the stream.
    #[error("text between stanzas")]
    StrayText,
    /// Over [`MAX_STANZA`].
    #[error("a stanza of more than {MAX_STANZA} bytes")]
    TooLarge,
    /// Over [`MAX_DEPTH`].
    #[error("a stanza nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
}

/// The reader of one stream; a restart after login needs a new one.
#[derive(Debug)]
pub struct Document {
    /// None while it rests: a parser has a buffer of 8 KiB, and most connections never need it again after the handshake.
    parser: Option<Parser>,
    /// All bytes up to the end of the header, which put a new parser into the state between two stanzas.
    opening: Vec<u8>,
    /// Whether the last byte that was read ended an item.
    is_between: bool,
    /// Reads the header a second time, since namespace resolution hides which namespace is the default one.
    header: Option<RawParser>,
    plain: bool,
    open: Vec<Element>,
    size: usize,
}

// === impl Document ===

impl Default for Document {
    fn default() -> Self {
        Self {
            parser: Some(Parser::new()),
            opening: Vec::new(),
            is_between: false,
            header: Some(RawParser::new()),
            plain: false,
            open: Vec::new(),
            size: 0,
        }
    }
}

impl Document {
    /// Returns whether the header made `jabber:client` the default namespace, so that an unprefixed `<message>` is a stanza.
    pub const fn is_plain(&self) -> bool {
        self.plain
    }

    /// Reads up to and including the next item, taking what it read off the front of `bytes`.
    ///
    /// Nothing means that all bytes were taken and more are needed.
    ///
    /// # Errors
    /// [`DocumentError`]; the stream cannot be read on after it.
    pub fn next(&mut self, bytes: &mut &[u8]) -> Result<Option<Item>, DocumentError> {
        // The parser alone would wait for a tag, however long the text before it.
        let first = bytes.iter().find(|byte| !is_space(**byte));
        if self.header.is_some() && self.size == 0 && first.is_some_and(|byte| *byte != b'<') {
            return Err(DocumentError::NotXml);
        }
        loop {
            let before = *bytes;
            let parsed = self.parser.get_or_insert_with(|| reopen(&self.opening)).parse(bytes, false);
            let taken = before.len() - bytes.len();
            self.is_between &= taken == 0;
            self.read_header(&before[..taken]);
            self.size += taken;
            if self.size > MAX_STANZA {
                return Err(DocumentError::TooLarge);
            }
            let event = match parsed {
                Ok(Some(event)) => event,
                Ok(None) | Err(EndOrError::NeedMoreData) => return Ok(None),
                Err(EndOrError::Error(error)) => return Err(DocumentError::Invalid(error)),
            };
            if let Some(item) = self.on_event(event)? {
                self.size = 0;
                self.is_between = item != Item::Closed;
                return Ok(Some(item));
            }
        }
    }

    /// Gives the parser's memory back, if it is between two items; the next byte makes another.
    pub fn rest(&mut self) {
        if self.is_between {
            self.parser = None;
        }
    }

    fn on_event(&mut self, event: Event) -> Result<Option<Item>, DocumentError> {
        match event {
            Event::XmlDeclaration(..) => Ok(None),
            Event::StartElement(_, (namespace, name), attributes) => {
                if self.header.take().is_some() {
                    if namespace.as_str() != ns::STREAM || name.as_str() != "stream" {
                        return Err(DocumentError::NotAStream(name.to_string()));
                    }
                    return Ok(Some(Item::Opened));
                }
                if self.open.len() == MAX_DEPTH {
                    return Err(DocumentError::TooDeep);
                }
                let mut element = Element::bare(name.as_str(), namespace.as_str());
                *element.attrs_mut() = attributes;
                self.open.push(element);
                Ok(None)
            }
            Event::EndElement(_) => Ok(self.on_end()),
            Event::Text(_, text) => self.on_text(text),
        }
    }

    fn on_end(&mut self) -> Option<Item> {
        let Some(element) = self.open.pop() else {
            return Some(Item::Closed);
        };
        match self.open.last_mut() {
            Some(parent) => {
                parent.append_child(element);
                None
            }
            None => Some(Item::Element(element)),
        }
    }

    fn on_text(&mut self, text: String) -> Result<Option<Item>, DocumentError> {
        if let Some(element) = self.open.last_mut() {
            element.append_text(text);
            return Ok(None);
        }
        if !text.bytes().all(is_space) {
            return Err(DocumentError::StrayText);
        }
        // Whitespace between stanzas is a sign of life of any length, not a part of the next stanza.
        self.size = 0;
        Ok(None)
    }

    fn read_header(&mut self, mut bytes: &[u8]) {
        let Some(parser) = &mut self.header else { return };
        self.opening.extend_from_slice(bytes);
        while let Ok(Some(event)) = parser.parse(&mut bytes, false) {
            if let RawEvent::Attribute(_, (None, name), value) = event
                && name.as_str() == "xmlns"
            {
                self.plain = value == ns::DEFAULT_NS;
            }
        }
    }
}

/// Returns a parser that has read this header, which was read without a fault before.
fn reopen(mut header: &[u8]) -> Parser {
    let mut parser = Parser::new();
    while let Ok(Some(event)) = parser.parse(&mut header, false) {
        if matches!(event, Event::StartElement(..)) {
            break;
        }
    }
    parser
}

/// Returns whether a byte is XML white space.
pub const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\t' | b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str =
        "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";

    fn read(text: &str) -> (Vec<Item>, Option<DocumentError>) {
        let mut document = Document::default();
        let mut bytes = text.as_bytes();
        let mut items = Vec::new();
        loop {
            match document.next(&mut bytes) {
                Ok(Some(item)) => items.push(item),
                Ok(None) => return (items, None),
                Err(error) => return (items, Some(error)),
            }
        }
    }

    #[test]
    fn a_stream_is_its_header_its_stanzas_and_its_end() {
        let (items, error) =
            read(&format!("<?xml version='1.0'?> {HEADER} <a><b>x&lt;</b></a>\n</stream:stream> "));
        assert!(error.is_none(), "{error:?}");
        let a: Element = "<a xmlns='jabber:client'><b>x&lt;</b></a>".parse().unwrap();
        assert_eq!(items, [Item::Opened, Item::Element(a), Item::Closed]);
    }

    #[test]
    fn only_a_default_namespace_of_jabber_client_is_plain() {
        let cases = [
            (HEADER, true),
            ("<s:stream xmlns=\"jabber:client\" xmlns:s=\"http://etherx.jabber.org/streams\">", true),
            ("<s:stream xmlns='jabber:server' xmlns:s='http://etherx.jabber.org/streams'>", false),
            ("<s:stream xmlns:c='jabber:client' xmlns:s='http://etherx.jabber.org/streams'>", false),
        ];
        for (header, plain) in cases {
            let mut document = Document::default();
            assert_eq!(document.next(&mut header.as_bytes()).unwrap(), Some(Item::Opened));
            assert_eq!(document.is_plain(), plain, "{header}");
        }
    }

    #[test]
    fn a_document_that_rested_reads_on_as_if_it_had_not() {
        let header = "<?xml version='1.0'?>\n<stream:stream xmlns='jabber:client' xmlns:p='prefixed' \
            xmlns:stream='http://etherx.jabber.org/streams' id='1&lt;'>";
        let text =
            format!("{header}<a/> <p:b c='1'><d/>x&amp;</p:b>\n<e>é</e><f xmlns='other'/></stream:stream>");
        let (expected, error) = read(&text);
        assert!(error.is_none() && expected.len() == 6, "{expected:?}");
        for size in 1..text.len() {
            let (mut document, mut items, mut rests) = (Document::default(), Vec::new(), 0);
            for mut bytes in text.as_bytes().chunks(size) {
                while let Some(item) = document.next(&mut bytes).unwrap() {
                    items.push(item);
                    document.rest();
                    rests += usize::from(document.parser.is_none());
                }
                document.rest();
            }
            assert_eq!((&items, rests), (&expected, 5), "in pieces of {size}");
        }
    }

    #[test]
    fn what_is_no_stream_is_refused() {
        assert!(matches!(read("<html>").1, Some(DocumentError::NotAStream(name)) if name == "html"));
        assert!(matches!(read("HTTP/1.1 400 Bad Request").1, Some(DocumentError::NotXml)));
        assert!(matches!(read(&format!("{HEADER}hello<a/>")).1, Some(DocumentError::StrayText)));
        assert!(matches!(read(&format!("{HEADER}<a></b>")).1, Some(DocumentError::Invalid(_))));
    }

    #[test]
    fn a_stanza_may_be_neither_huge_nor_deep() {
        let huge = format!("{HEADER}<a>{}</a>", "x".repeat(MAX_STANZA));
        assert!(matches!(read(&huge).1, Some(DocumentError::TooLarge)));
        let deep = format!("{HEADER}{}", "<a>".repeat(MAX_DEPTH + 1));
        assert!(matches!(read(&deep).1, Some(DocumentError::TooDeep)));
        let fits = format!("{HEADER}{}{}", "<a>".repeat(MAX_DEPTH), "</a>".repeat(MAX_DEPTH));
        assert_eq!(read(&fits).0.len(), 2);
    }

    #[test]
    fn white_space_for_ever_is_not_a_large_stanza() {
        let mut document = Document::default();
        document.next(&mut HEADER.as_bytes()).unwrap();
        for _ in 0..40 {
            assert_eq!(document.next(&mut [b' '; 16 * 1024].as_slice()).unwrap(), None);
        }
        assert!(matches!(document.next(&mut b"<a/>".as_slice()).unwrap(), Some(Item::Element(_))));
    }
}
