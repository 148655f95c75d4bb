//! A member as etcd stores it: JSON, exactly as Go writes it.

/// `membership.Member` in JSON. Without a name it is what the older store
/// keeps of a member, its `RaftAttributes`, for which `id` does not matter.
pub(crate) fn member_json(id: u64, peer_urls: &[String], name: Option<&str>) -> String {
    let urls: Vec<String> = peer_urls.iter().map(|url| quoted(url)).collect();
    let urls = urls.join(",");
    match name {
        Some(name) => format!(
            r#"{{"id":{id},"peerURLs":[{urls}],"name":{}}}"#,
            quoted(name)
        ),
        None => format!(r#"{{"peerURLs":[{urls}]}}"#),
    }
}

/// The key of a member in the buckets of the database, and its name in the
/// older store: small hexadecimal digits, no zeros in front.
pub(crate) fn member_key(id: u64) -> String {
    format!("{id:x}")
}

/// A JSON string as Go writes it: beside what JSON demands it escapes what
/// means something in HTML.
pub(crate) fn quoted(text: &str) -> String {
    let mut json = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => json.extend(['\\', letter]),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                json.push_str(&format!("\\u{:04x}", u32::from(letter)));
            }
            _ if letter.is_ascii_control() => {
                json.push_str(&format!("\\u{:04x}", u32::from(letter)));
            }
            _ => json.push(letter),
        }
    }
    json.push('"');
    json
}

#[cfg(test)]
mod tests {
    use super::member_json;

    #[test]
    fn a_member_is_written_as_go_writes_it() {
        let urls = ["http://h:1".to_owned(), "http://h:2".to_owned()];
        assert_eq!(
            member_json(7, &urls, Some("a<\"b")),
            r#"{"id":7,"peerURLs":["http://h:1","http://h:2"],"name":"a\u003c\"b"}"#
        );
        assert_eq!(
            member_json(7, &urls, None),
            r#"{"peerURLs":["http://h:1","http://h:2"]}"#
        );
    }
}
