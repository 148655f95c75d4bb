//! Where a service is: `https://host[:port][/path]`.

use drydock_plugin_sdk::Error;

/// The URL of a service, without a `/` at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// `https` or `http`.
    scheme: &'static str,
    /// Host, and port where one is written.
    authority: String,
    /// Begins with `/`, or is empty.
    path: String,
}

impl Endpoint {
    /// # Errors
    /// `bad-configuration` with what is wrong with it, where it is no such URL.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let wrong = |why: &str| {
            Error::bad_configuration(format!("the target's config has `endpoint: {text}`: {why}"))
                .not_done()
        };
        let (scheme, rest) = match text.split_once("://") {
            Some(("https", rest)) => ("https", rest),
            Some(("http", rest)) => ("http", rest),
            _ => return Err(wrong("begin it with https:// or http://")),
        };
        if rest.contains(['?', '#', '@', '%', ' ']) {
            return Err(wrong(
                "it takes scheme, host, port and path alone; who the plugin is stands under `identity:` of the Target",
            ));
        }
        let end = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let of_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
        if authority.is_empty() || !authority.bytes().all(of_host) {
            return Err(wrong("it names no host"));
        }
        Ok(Self {
            scheme,
            authority: authority.to_ascii_lowercase(),
            path: path.trim_end_matches('/').to_owned(),
        })
    }

    /// The same with a name before its host.
    #[must_use]
    pub fn below(&self, name: &str) -> Self {
        Self {
            authority: format!("{name}.{}", self.authority),
            ..self.clone()
        }
    }

    /// Scheme, host, port and path.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}{}", self.server(), self.path)
    }

    /// Scheme, host and port.
    #[must_use]
    pub fn server(&self) -> String {
        format!("{}://{}", self.scheme, self.authority)
    }

    #[must_use]
    pub fn is_https(&self) -> bool {
        self.scheme == "https"
    }

    #[must_use]
    pub fn has_path(&self) -> bool {
        !self.path.is_empty()
    }

    /// The host, without a port.
    #[must_use]
    pub fn host(&self) -> &str {
        let bracket = self.authority.rfind(']').unwrap_or(0);
        match self.authority[bracket..].rfind(':') {
            Some(colon) => &self.authority[..bracket + colon],
            None => &self.authority,
        }
    }

    /// Whether the host is an address, before which no name can stand.
    #[must_use]
    pub fn is_address(&self) -> bool {
        let host = self.host();
        host.starts_with('[')
            || host
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'.')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_taken_apart() {
        let plain = Endpoint::parse("https://S3.example.com/").unwrap();
        assert_eq!(plain.url(), "https://s3.example.com");
        assert_eq!(plain.below("b").url(), "https://b.s3.example.com");
        assert!(plain.is_https() && !plain.has_path() && !plain.is_address());
        let emulator = Endpoint::parse("http://127.0.0.1:10000/account").unwrap();
        assert_eq!(emulator.url(), "http://127.0.0.1:10000/account");
        assert_eq!(emulator.server(), "http://127.0.0.1:10000");
        assert!(emulator.has_path() && emulator.is_address() && !emulator.is_https());
        let six = Endpoint::parse("http://[::1]:9000").unwrap();
        assert_eq!((six.host(), six.is_address()), ("[::1]", true));
        assert_eq!(Endpoint::parse("http://[::1]").unwrap().host(), "[::1]");
    }

    #[test]
    fn what_is_no_endpoint_is_told() {
        for (text, why) in [
            ("s3.example.com", "begin it with https:// or http://"),
            ("ftp://a", "begin it with https:// or http://"),
            ("https://", "it names no host"),
            ("https://key:secret@a", "stands under `identity:`"),
            ("https://a?sig=x", "stands under `identity:`"),
        ] {
            let error = Endpoint::parse(text).unwrap_err();
            assert_eq!(error.code, "bad-configuration");
            assert!(error.message.contains(why), "{text}: {}", error.message);
        }
    }
}
