//! XML from devices: untrusted, so bounded in every direction, and without anything that could grow.
//!
//! A document becomes a small tree of elements by local name: namespaces differ from firmware to firmware and mean
//! nothing here. Entities that a document declares itself are not expanded (a document type is refused), attributes are
//! not kept. An `&` that stands for itself is taken as such: some firmware does not escape addresses.

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;

/// Largest document.
pub const BYTES_MAX: usize = 4 << 20;
/// Deepest nesting.
const DEPTH_MAX: usize = 32;
/// Most elements of a document: a page of 200 recordings has about 4,000.
const ELEMENTS_MAX: usize = 50_000;
/// Longest name of an element.
const NAME_BYTES_MAX: usize = 128;

/// Why a document is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadXml {
    /// Larger than is read.
    #[error("the document is larger than is taken ({0})")]
    TooLarge(&'static str),
    /// It carries a document type, which devices have no use for and attackers do.
    #[error("the document declares a type of its own")]
    DocumentType,
    /// Not XML.
    #[error("not readable as XML: {0}")]
    Broken(String),
    /// Nothing in it.
    #[error("the document is empty")]
    Empty,
}

/// An element: its local name, its text, and what is in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Element {
    /// Without its namespace.
    pub name: String,
    /// Its own text, without blanks around it.
    pub text: String,
    /// In order.
    pub children: Vec<Element>,
}

impl Element {
    /// Reads a document.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadXml> {
        if bytes.len() > BYTES_MAX {
            return Err(BadXml::TooLarge("bytes"));
        }
        // Names in another code page than the declared one are no reason to refuse a recorder.
        let text = String::from_utf8_lossy(bytes);
        let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}').trim_start());
        reader.config_mut().allow_dangling_amp = true;
        reader.config_mut().expand_empty_elements = true;
        let mut tree = Tree::default();
        loop {
            let event = reader
                .read_event()
                .map_err(|error| BadXml::Broken(error.to_string()))?;
            match event {
                Event::Start(tag) => tree.open(tag.local_name().as_ref())?,
                Event::End(_) => {
                    if let Some(root) = tree.close() {
                        return Ok(root);
                    }
                }
                Event::Text(text) => tree.text(&text.xml10_content()),
                Event::CData(text) => tree.text(&text.xml10_content()),
                Event::GeneralRef(reference) => match reference.resolve_char_ref() {
                    Ok(Some(sign)) => tree.text(sign.encode_utf8(&mut [0; 4])),
                    Ok(None) => match resolve_predefined_entity(&reference) {
                        Some(sign) => tree.text(sign),
                        // Not one of the five: `&name=` of an address that was not escaped.
                        None => {
                            tree.text("&");
                            tree.text(&reference);
                            tree.text(";");
                        }
                    },
                    Err(error) => return Err(BadXml::Broken(error.to_string())),
                },
                Event::DocType(_) => return Err(BadXml::DocumentType),
                Event::Eof if tree.elements == 0 => return Err(BadXml::Empty),
                Event::Eof => return Err(BadXml::Broken("it ends in the middle".into())),
                Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            }
        }
    }

    /// The first child of this name, without regard to case.
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.is(name))
    }

    /// The children of this name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.is(name))
    }

    /// The text at the end of a path of children; empty text counts as none.
    pub fn text_at(&self, path: &[&str]) -> Option<&str> {
        let mut at = self;
        for name in path {
            at = at.child(name)?;
        }
        (!at.text.is_empty()).then_some(at.text.as_str())
    }

    /// The first element of this name anywhere below, this one included.
    pub fn find(&self, name: &str) -> Option<&Self> {
        if self.is(name) {
            return Some(self);
        }
        self.children.iter().find_map(|child| child.find(name))
    }

    /// Whether it has this name, without regard to case.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// What has been read so far.
#[derive(Default)]
struct Tree {
    open: Vec<Element>,
    elements: usize,
}

impl Tree {
    fn open(&mut self, name: &str) -> Result<(), BadXml> {
        self.elements += 1;
        if self.elements > ELEMENTS_MAX {
            return Err(BadXml::TooLarge("elements"));
        }
        if self.open.len() >= DEPTH_MAX {
            return Err(BadXml::TooLarge("depth"));
        }
        if name.len() > NAME_BYTES_MAX {
            return Err(BadXml::TooLarge("names"));
        }
        self.open.push(Element {
            name: name.to_owned(),
            ..Element::default()
        });
        Ok(())
    }

    /// The root once it is closed.
    fn close(&mut self) -> Option<Element> {
        let mut element = self.open.pop()?;
        element.text = element.text.trim().to_owned();
        match self.open.last_mut() {
            Some(parent) => {
                parent.children.push(element);
                None
            }
            None => Some(element),
        }
    }

    fn text(&mut self, text: &str) {
        if let Some(element) = self.open.last_mut() {
            element.text.push_str(text);
        }
    }
}

/// A text as the content of an element.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for sign in text.chars() {
        match sign {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            sign => out.push(sign),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Element, BadXml> {
        Element::parse(text.as_bytes())
    }

    #[test]
    fn names_are_local_and_text_is_unescaped() {
        let root = parse(
            "\u{feff}<?xml version=\"1.0\"?>\n<!-- c --><h:List xmlns:h='urn:x' version='1'>\n <h:item a='1'>\
             <name> Tor &amp; Hof &#228;<![CDATA[ <1>]]></name></h:item><empty/><item>2</item></h:List>",
        )
        .unwrap();
        assert_eq!(root.name, "List");
        assert_eq!(root.text_at(&["item", "name"]), Some("Tor & Hof ä <1>"));
        assert_eq!(root.text_at(&["empty"]), None);
        assert_eq!(root.all("ITEM").count(), 2);
        assert_eq!(root.find("name").unwrap().text, "Tor & Hof ä <1>");
    }

    #[test]
    fn addresses_that_were_not_escaped_are_read() {
        let root = parse("<u>rtsp://h/t/101/?starttime=1&endtime=2&name=a&size=3</u>").unwrap();
        assert_eq!(
            root.text,
            "rtsp://h/t/101/?starttime=1&endtime=2&name=a&size=3"
        );
    }

    #[test]
    fn nothing_grows_out_of_a_document() {
        let laughs = "<!DOCTYPE l [<!ENTITY a 'ha'><!ENTITY b '&a;&a;'>]><l>&b;</l>";
        assert_eq!(parse(laughs), Err(BadXml::DocumentType));
        assert_eq!(parse("<l>&b;</l>").unwrap().text, "&b;");
        let deep = "<a>".repeat(DEPTH_MAX + 1);
        assert_eq!(parse(&deep), Err(BadXml::TooLarge("depth")));
        let many = format!("<a>{}</a>", "<b/>".repeat(ELEMENTS_MAX));
        assert_eq!(parse(&many), Err(BadXml::TooLarge("elements")));
        let large = vec![b' '; BYTES_MAX + 1];
        assert_eq!(Element::parse(&large), Err(BadXml::TooLarge("bytes")));
        assert_eq!(parse(" \n"), Err(BadXml::Empty));
        assert!(matches!(parse("<a><b></a>"), Err(BadXml::Broken(_))));
        assert!(matches!(parse("<a>"), Err(BadXml::Broken(_))));
    }

    #[test]
    fn what_is_escaped_comes_back() {
        let text = "a<b>&\"c'&amp;";
        assert_eq!(
            parse(&format!("<t>{}</t>", escape(text))).unwrap().text,
            text
        );
    }
}
