//! Answers in XML as a small tree. Namespaces and attributes are passed over: no service that
//! keeps objects says anything by them.

use drydock_plugin_sdk::Error;
use quick_xml::Reader;
use quick_xml::escape::escape;
use quick_xml::events::{BytesRef, Event};

/// Elements inside each other; answers have five.
const DEPTH_MAX: usize = 16;

/// Elements of one answer: a page of 5,000 entries with 40 each.
const ELEMENTS_MAX: usize = 250_000;

/// An element.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Element {
    /// Without a namespace.
    pub name: String,
    /// Its own text, that of its children not counted.
    pub text: String,
    pub children: Vec<Element>,
}

impl Element {
    /// The children of that name.
    pub fn all<'e>(&'e self, name: &'e str) -> impl Iterator<Item = &'e Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The first child of that name.
    #[must_use]
    pub fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the first child of that name, unless it is empty.
    #[must_use]
    pub fn text_of(&self, name: &str) -> Option<&str> {
        let child = self.child(name)?;
        Some(child.text.as_str()).filter(|text| !text.is_empty())
    }
}

/// The root of an answer.
///
/// # Errors
/// `wrong-answer` for what is no XML, or broke off.
pub fn parse(text: &str) -> Result<Element, Error> {
    let wrong = |why: String| {
        Error::transient(
            "wrong-answer",
            format!("the service's answer is no XML as it should be: {why}"),
        )
    };
    let mut reader = Reader::from_str(text);
    let (mut open, mut elements) = (vec![Element::default()], 0);
    loop {
        let event = reader
            .read_event()
            .map_err(|error| wrong(error.to_string()))?;
        match event {
            Event::Start(start) => open.push(named(start.local_name().into_inner())),
            Event::Empty(start) => close(&mut open, named(start.local_name().into_inner())),
            Event::End(_) => {
                let done = open.pop().unwrap_or_default();
                close(&mut open, done);
            }
            Event::Text(text) => add(&mut open, &text.xml10_content()),
            Event::CData(text) => add(&mut open, &text.xml10_content()),
            Event::GeneralRef(reference) => {
                let text = resolved(&reference).ok_or_else(|| wrong("an unknown entity".into()))?;
                add(&mut open, &text);
            }
            Event::Eof => break,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => continue,
        }
        elements += 1;
        if open.len() > DEPTH_MAX || elements > ELEMENTS_MAX {
            return Err(wrong("it is too deep or too long".to_owned()));
        }
    }
    let root = open.pop().filter(|_| open.is_empty());
    let root = root.and_then(|mut top| top.children.pop());
    root.ok_or_else(|| wrong("it breaks off".to_owned()))
}

/// Text as it stands between tags.
#[must_use]
pub fn escaped(text: &str) -> String {
    escape(text).into_owned()
}

fn named(name: &str) -> Element {
    Element {
        name: name.to_owned(),
        ..Element::default()
    }
}

fn close(open: &mut [Element], done: Element) {
    if let Some(parent) = open.last_mut() {
        parent.children.push(done);
    }
}

/// Blanks between elements are nobody's text.
fn add(open: &mut [Element], text: &str) {
    if let Some(last) = open.last_mut()
        && !(last.text.is_empty() && text.trim().is_empty())
    {
        last.text.push_str(text);
    }
}

fn resolved(reference: &BytesRef<'_>) -> Option<String> {
    if let Ok(Some(letter)) = reference.resolve_char_ref() {
        return Some(letter.to_string());
    }
    let text = match &*reference.xml10_content() {
        "lt" => "<",
        "gt" => ">",
        "amp" => "&",
        "quot" => "\"",
        "apos" => "'",
        _ => return None,
    };
    Some(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_into_a_tree() {
        let root = parse(
            "\n\n<?xml version=\"1.0\"?>\n<ListBucketResult xmlns=\"http://s3/\">\n  <Contents>\n    <Key>a&amp;b&#x2F;c</Key><ETag>&quot;x&quot;</ETag>\n  </Contents><Contents/><d:IsTruncated xmlns:d=\"d\">false</d:IsTruncated></ListBucketResult>",
        )
        .unwrap();
        assert_eq!(root.name, "ListBucketResult");
        let contents: Vec<_> = root.all("Contents").collect();
        assert_eq!(contents.len(), 2);
        assert_eq!(contents[0].text_of("Key"), Some("a&b/c"));
        assert_eq!(contents[0].text_of("ETag"), Some("\"x\""));
        assert_eq!(root.text_of("IsTruncated"), Some("false"));
        assert_eq!(root.text_of("Contents"), None);
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        let deep = "<a>".repeat(100);
        for text in [
            "",
            "no xml",
            "<a><b></a>",
            "<a><b>",
            "<a>&unknown;</a>",
            &deep,
        ] {
            assert_eq!(parse(text).unwrap_err().code, "wrong-answer", "{text}");
        }
    }

    #[test]
    fn text_is_escaped() {
        assert_eq!(escaped("\"a\"<&>"), "&quot;a&quot;&lt;&amp;&gt;");
    }
}
