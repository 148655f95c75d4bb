//! What becomes of a request before anything is sent.

use std::collections::BTreeSet;
use std::time::Duration;

use drydock_core::{ErrorCode, Fault, Host, Scheme};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, Uri};

use super::address::is_metadata_name;
use super::error::{HttpError, HttpErrorKind};
use super::grant::{AddressClass, HttpRule};
use super::identity::Server;
use super::names;
use drydock_capability_secret::{SecretAccess, refused};

/// Headers that frame or route the message: they are the host's.
const HEADERS_FORBIDDEN: [&str; 9] = [
    "connection",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Longest waits, whatever a plugin asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waits {
    /// Until a connection stands, TLS included.
    pub connect: Duration,
    /// From the last byte that was sent to the head of the response: a server that joins
    /// the parts of a large object takes minutes.
    pub first_byte: Duration,
    /// Between two pieces of the response.
    pub between_bytes: Duration,
    /// From the beginning to the end of the response.
    pub whole: Duration,
}

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Goal {
    pub scheme: Scheme,
    pub host: Host,
    pub port: u16,
    pub path: String,
}

impl Default for Waits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(30),
            first_byte: Duration::from_secs(300),
            between_bytes: Duration::from_secs(120),
            whole: Duration::from_secs(3600),
        }
    }
}

impl Waits {
    /// The shorter of each.
    pub(super) fn capped(&self, asked: &Self) -> Self {
        Self {
            connect: self.connect.min(asked.connect),
            first_byte: self.first_byte.min(asked.first_byte),
            between_bytes: self.between_bytes.min(asked.between_bytes),
            whole: self.whole.min(asked.whole),
        }
    }
}

impl Goal {
    pub fn of(uri: &Uri) -> Result<Self, HttpError> {
        let bad = |why: &str| {
            let fault = Fault::permanent(ErrorCode::BadRequest, format!("the request's URL {why}"));
            HttpError::new(HttpErrorKind::BadUri, fault)
        };
        let scheme = match uri.scheme_str() {
            Some("https") => Scheme::Https,
            Some("http") => Scheme::Http,
            _ => return Err(bad("begins with neither https nor http")),
        };
        let authority = uri.authority().ok_or_else(|| bad("names no host"))?;
        if authority.as_str().contains('@') {
            return Err(bad(
                "holds a user, which it must not: write the header Authorization",
            ));
        }
        let host = Host::parse(authority.host()).map_err(|_| bad("names no valid host"))?;
        let port = match authority.port() {
            Some(port) => port
                .as_str()
                .parse()
                .map_err(|_| bad("has no valid port"))?,
            None => scheme.default_port(),
        };
        let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
        Ok(Self {
            scheme,
            host,
            port,
            path: if path.starts_with('/') {
                path.to_owned()
            } else {
                format!("/{path}")
            },
        })
    }

    /// Scheme, host and port; the rest may be secret.
    pub fn server(&self) -> String {
        let Self {
            scheme, host, port, ..
        } = self;
        format!("{scheme}://{host}:{port}")
    }

    pub fn server_address(&self) -> Server {
        Server {
            scheme: self.scheme,
            host: self.host.clone(),
            port: self.port,
        }
    }

    /// The same with more at the end of the query, which must be sent as it stands.
    pub fn url_with(&self, query: &str) -> Result<reqwest::Url, HttpError> {
        let joint = if self.path.contains('?') { '&' } else { '?' };
        let with = Self {
            path: format!("{}{joint}{query}", self.path),
            ..self.clone()
        };
        with.url()
    }

    /// As the client wants it. What was signed must be what is sent, so that a path that
    /// the client would change is refused.
    pub fn url(&self) -> Result<reqwest::Url, HttpError> {
        let text = format!("{}{}", self.server(), self.path);
        let changed = || {
            let fault = Fault::permanent(
                ErrorCode::BadRequest,
                "the request's path would not be sent as it stands: percent-encode it, without `.` and `..` as names",
            );
            HttpError::new(HttpErrorKind::BadUri, fault)
        };
        let url = reqwest::Url::parse(&text).map_err(|_| changed())?;
        let query = url
            .query()
            .map_or(String::new(), |query| format!("?{query}"));
        if format!("{}{query}", url.path()) == self.path {
            Ok(url)
        } else {
            Err(changed())
        }
    }

    /// The kinds of addresses that may be connected to, if the rules allow the request.
    pub fn allowed(
        &self,
        method: &str,
        rules: &[HttpRule],
    ) -> Result<BTreeSet<AddressClass>, HttpError> {
        let mut covering = rules
            .iter()
            .filter(|rule| rule.covers(self.scheme, &self.host, self.port))
            .peekable();
        if covering.peek().is_none() {
            return Err(self.not_granted(method));
        }
        let allowing: Vec<_> = covering.filter(|rule| rule.allows_method(method)).collect();
        if allowing.is_empty() {
            return Err(self.method_not_granted(method));
        }
        let classes = allowing.iter().flat_map(|rule| &rule.limits.addresses);
        let classes: BTreeSet<_> = classes.copied().collect();
        self.check_host(&classes)?;
        Ok(classes)
    }

    fn check_host(&self, allowed: &BTreeSet<AddressClass>) -> Result<(), HttpError> {
        if is_metadata_name(&self.host) {
            return Err(HttpError::prohibited(format!(
                "the host {} is a metadata service of a cloud, where credentials are handed out, which no plugin may reach",
                self.host
            )));
        }
        let Host::Address(address) = self.host else {
            return Ok(());
        };
        names::check(&format!("the request goes to {address}"), address, allowed)
            .map_err(|prohibited| HttpError::prohibited(prohibited.0))
    }

    fn not_granted(&self, method: &str) -> HttpError {
        let Self {
            scheme, host, port, ..
        } = self;
        let port = if *port == scheme.default_port() {
            String::new()
        } else {
            format!(", port: {port}")
        };
        // Brackets mean a list in YAML.
        let host = match host {
            Host::Address(address) if address.is_ipv6() => format!("\"{host}\""),
            _ => host.to_string(),
        };
        HttpError::denied(
            ErrorCode::NotGranted,
            format!(
                "{method} {} is refused, since no grant leads there: add `http: [{{scheme: {scheme}, host: {host}{port}}}]` under `grants:` of the plugin's PluginGrant, and under `ceiling:` where the node has one",
                self.server()
            ),
        )
    }

    fn method_not_granted(&self, method: &str) -> HttpError {
        HttpError::denied(
            ErrorCode::NotGranted,
            format!(
                "{method} {} is refused, since the grant of this host has other methods: add {method} to `methods:` of its entry under `http:` of the plugin's PluginGrant, and under `ceiling:` where the node has one",
                self.server()
            ),
        )
    }
}

/// Whether a plugin must leave this header to the host.
#[must_use]
pub fn is_forbidden(name: &HeaderName) -> bool {
    HEADERS_FORBIDDEN.contains(&name.as_str()) || name.as_str().starts_with("proxy-")
}

/// Checks the headers and fills secrets in.
pub(super) fn headers(
    goal: &Goal,
    mut headers: HeaderMap,
    secrets: &SecretAccess,
) -> Result<HeaderMap, HttpError> {
    if let Some(name) = headers.keys().find(|name| is_forbidden(name)) {
        return Err(HttpError::denied(
            ErrorCode::HeaderRefused,
            format!("the header {name} is set by the host and must not come from a plugin"),
        ));
    }
    if secrets.marks(goal.path.as_bytes()) {
        return Err(refused("the URL of a request").into());
    }
    secrets.fill((goal.scheme, &goal.host, goal.port), &mut headers)?;
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grant::HttpGrant;

    fn goal(uri: &str) -> Result<Goal, HttpError> {
        Goal::of(&uri.parse::<Uri>().unwrap())
    }

    fn rules() -> Vec<HttpRule> {
        let grants: Vec<HttpGrant> = serde_json::from_str(
            r#"[
                {"scheme": "https", "host": "a.example", "methods": ["GET", "PUT"]},
                {"scheme": "https", "host": "*.in.example", "port": 9000, "addresses": ["private"]},
                {"scheme": "https", "host": "10.0.0.5", "addresses": ["private"]},
                {"scheme": "https", "host": "127.0.0.1"},
                {"scheme": "http", "host": "169.254.169.254", "addresses": ["link-local"]},
                {"scheme": "http", "host": "metadata.google.internal"}
            ]"#,
        )
        .unwrap();
        let rules = grants.iter().filter_map(HttpGrant::rule);
        rules.cloned().collect()
    }

    fn ask(method: &str, uri: &str) -> Result<BTreeSet<AddressClass>, Fault> {
        goal(uri)
            .unwrap()
            .allowed(method, &rules())
            .map_err(|error| error.fault)
    }

    #[test]
    fn what_is_granted_goes() {
        for (method, uri) in [
            ("GET", "https://a.example/x"),
            ("PUT", "https://A.EXAMPLE.:443/x?y"),
            ("DELETE", "https://s3.in.example:9000/"),
            ("GET", "https://10.0.0.5/"),
            ("GET", "https://0xa.0.0.5/"),
        ] {
            ask(method, uri).unwrap();
        }
    }

    #[test]
    fn what_is_not_granted_names_the_line_to_add() {
        let table = [
            (
                "GET",
                "http://a.example/",
                "`http: [{scheme: http, host: a.example}]`",
            ),
            (
                "GET",
                "https://b.example/",
                "`http: [{scheme: https, host: b.example}]`",
            ),
            (
                "GET",
                "https://a.example:8443/",
                "host: a.example, port: 8443}]`",
            ),
            ("GET", "https://xa.example/", "host: xa.example}]`"),
            ("GET", "https://a.example.evil/", "host: a.example.evil}]`"),
            (
                "GET",
                "https://in.example:9000/",
                "host: in.example, port: 9000}]`",
            ),
            (
                "GET",
                "https://[2606:4700::1]/",
                "host: \"[2606:4700::1]\"}]`",
            ),
            ("POST", "https://a.example/", "add POST to `methods:`"),
            (
                "TRACE",
                "https://s3.in.example:9000/",
                "add TRACE to `methods:`",
            ),
        ];
        for (method, uri, expected) in table {
            let fault = ask(method, uri).unwrap_err();
            assert_eq!(fault.code.as_str(), "not-granted", "{uri}");
            assert!(fault.message.contains(expected), "{uri}: {fault}");
        }
    }

    #[test]
    fn an_address_in_the_url_is_judged_like_one_that_was_resolved() {
        for (uri, expected) in [
            ("https://127.0.0.1/", "add `addresses: [loopback]`"),
            ("https://0x7f000001/", "add `addresses: [loopback]`"),
            ("https://2130706433/", "add `addresses: [loopback]`"),
            ("https://[::ffff:127.0.0.1]/", "add `addresses: [loopback]`"),
            ("http://169.254.169.254/", "metadata address"),
            ("http://0xa9fea9fe/", "metadata address"),
            ("http://metadata.google.internal/", "metadata service"),
        ] {
            let fault = ask("GET", uri).unwrap_err();
            assert_eq!(fault.code.as_str(), "address-prohibited", "{uri}");
            assert!(fault.message.contains(expected), "{uri}: {fault}");
        }
    }

    #[test]
    fn a_path_is_sent_as_it_stands_or_not_at_all() {
        for good in [
            "/",
            "/a%2Fb//c?x=1&y=%20",
            "/a.b/..c",
            "/?list-type=2",
            "/k~-_.!$'()*+,;:@",
        ] {
            let goal = goal(&format!("https://a.example{good}")).unwrap();
            assert!(goal.url().unwrap().as_str().ends_with(good), "{good}");
        }
        for changed in ["/a/../b", "/a/./b", "/%2e%2e/b", "/a/.."] {
            let error = goal(&format!("https://a.example{changed}"))
                .unwrap()
                .url()
                .unwrap_err();
            assert_eq!(error.kind, HttpErrorKind::BadUri, "{changed}");
        }
    }

    #[test]
    fn urls_that_mislead_are_refused() {
        for bad in [
            "https://user@a.example/",
            "https://a.example@evil/",
            "ftp://a.example/",
            "https://a..example/",
        ] {
            assert_eq!(goal(bad).unwrap_err().kind, HttpErrorKind::BadUri, "{bad}");
        }
    }

    #[test]
    fn headers_of_the_host_are_refused() {
        let secrets = SecretAccess::new(Vec::new(), None);
        let goal = goal("https://a.example/").unwrap();
        for name in [
            "host",
            "transfer-encoding",
            "te",
            "proxy-authorization",
            "proxy-anything",
            "expect",
            "upgrade",
        ] {
            let mut map = HeaderMap::new();
            map.insert(HeaderName::from_static(name), "x".parse().unwrap());
            let error = headers(&goal, map, &secrets).unwrap_err();
            assert_eq!(error.fault.code.as_str(), "header-refused", "{name}");
        }
        for smuggled in ["a\r\nHost: b", "a\nb", "a\0b"] {
            assert!(http::HeaderValue::from_str(smuggled).is_err());
        }
    }
}
