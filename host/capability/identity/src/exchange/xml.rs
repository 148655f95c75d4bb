//! As much of XML as answers of STS need: the text of the first element of a name.

use zeroize::Zeroizing;

/// The text between `<name>` and `</name>`, unescaped. Elements of these answers have neither
/// attributes nor prefixes where they hold text.
pub(super) fn element(xml: &str, name: &str) -> Option<Zeroizing<String>> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    let text = text.trim();
    if text.contains('<') {
        return None;
    }
    let entities = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&apos;", "'"),
        ("&amp;", "&"),
    ];
    let unescaped = entities
        .iter()
        .fold(text.to_owned(), |text, (entity, character)| {
            text.replace(entity, character)
        });
    Some(Zeroizing::new(unescaped))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_an_element_is_found() {
        let xml = "<?xml version=\"1.0\"?><R xmlns=\"u\"><A>\n a&amp;lt;b </A><B><C>x</C></B></R>";
        assert_eq!(element(xml, "A").unwrap().as_str(), "a&lt;b");
        assert_eq!(element(xml, "C").unwrap().as_str(), "x");
        for none in ["B", "D", "R"] {
            assert!(element(xml, none).is_none(), "{none}");
        }
    }
}
