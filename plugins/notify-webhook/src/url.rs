//! A URL in the parts that matter here: the server, which may be told, and the rest, which
//! may be secret. There is no `Debug`, so that the rest is told by accident nowhere.

/// Longest URL; servers refuse longer ones.
const URL_BYTES_MAX: usize = 2048;

#[cfg_attr(test, derive(PartialEq, Eq))]
pub struct Url {
    /// Scheme, host and port.
    server: String,
    /// Begins with `/`, or is empty.
    path: String,
    /// Begins with `?`, or is empty.
    query: String,
}

impl Url {
    /// The error goes on after what the URL is, e.g. `names no host`, and holds nothing of it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.len() > URL_BYTES_MAX {
            return Err("has more than 2048 bytes");
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("holds a blank or another character that is to be percent-encoded");
        }
        let scheme = ["https://", "http://"]
            .into_iter()
            .find(|scheme| text.starts_with(scheme));
        let scheme = scheme.ok_or("must begin with https:// or http://")?;
        let rest = &text[scheme.len()..];
        if rest.contains('#') {
            return Err("has a fragment behind `#`, which no server sees: remove it");
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (host, rest) = rest.split_at(end);
        if host.contains('@') {
            return Err("names a user, which it must not: use `headers`");
        }
        let of_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
        if host.is_empty() || !host.bytes().all(of_host) {
            return Err("names no host");
        }
        let (path, query) = rest.split_at(rest.find('?').unwrap_or(rest.len()));
        Ok(Self {
            server: format!("{scheme}{host}"),
            path: path.to_owned(),
            query: query.to_owned(),
        })
    }

    /// Scheme, host and port: what may be told.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The whole of it, `path` put behind its own unless that ends so already.
    pub fn with(&self, path: &str) -> String {
        let own = self.path.trim_end_matches('/');
        let Self {
            server,
            path: whole,
            query,
        } = self;
        if path.is_empty() {
            return format!("{server}{whole}{query}");
        }
        let path = if own.ends_with(path) { "" } else { path };
        format!("{server}{own}{path}{query}")
    }

    /// Whether a word of letters and digits stands in what may be secret.
    pub fn has_word(&self, word: &str) -> bool {
        words(&self.path)
            .chain(words(&self.query))
            .any(|own| own == word)
    }
}

/// The words of letters and digits in a text.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).ok().unwrap()
    }

    #[test]
    fn a_path_goes_between_path_and_query_and_only_once() {
        for (text, path, expected) in [
            ("https://a", "/fail", "https://a/fail"),
            ("https://a/", "/fail", "https://a/fail"),
            ("https://a/x?rid=1", "/fail", "https://a/x/fail?rid=1"),
            (
                "http://a:9093",
                "/api/v2/alerts",
                "http://a:9093/api/v2/alerts",
            ),
            (
                "http://a/am/api/v2/alerts",
                "/api/v2/alerts",
                "http://a/am/api/v2/alerts",
            ),
            ("https://a/x/?q", "", "https://a/x/?q"),
            ("https://a?q", "", "https://a?q"),
        ] {
            assert_eq!(url(text).with(path), expected);
        }
        assert_eq!(url("https://[::1]:8/x").server(), "https://[::1]:8");
    }

    #[test]
    fn what_is_no_url_is_told_without_a_word_of_it() {
        for (text, why) in [
            ("", "must begin with"),
            ("ftp://a", "must begin with"),
            ("https://", "names no host"),
            ("https:///x", "names no host"),
            ("https://u:p@a/x", "names a user"),
            ("https://a/x#y", "has a fragment"),
            ("https://a/x y", "holds a blank"),
            ("https://a/\u{e4}", "holds a blank"),
        ] {
            let refused = Url::parse(text).err().unwrap();
            assert!(refused.contains(why), "{text}: {refused}");
        }
        let long = format!("https://a/{}", "x".repeat(URL_BYTES_MAX));
        assert!(Url::parse(&long).is_err());
    }
}
