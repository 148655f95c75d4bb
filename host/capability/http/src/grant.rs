//! Grants of outgoing HTTP: where a plugin may send requests, and by which methods.

use std::collections::BTreeSet;
use std::fmt;

use drydock_core::{Endpoint, Grant, Host, HostPattern, Name, Power, Reach, Scheme, TargetName};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// Longest method; the longest registered one has 17 letters (RFC 3253).
const METHOD_BYTES_MAX: usize = 24;

/// Methods that are never granted: the one opens a tunnel, the other sends back what it
/// got, secrets included.
const METHODS_NEVER: [&str; 2] = ["CONNECT", "TRACE"];

/// Methods that change nothing at a server (RFC 9110, 9.2.1): what is left of a grant where
/// nothing may be changed.
const METHODS_SAFE: [&str; 2] = ["GET", "HEAD"];

/// Requests to servers. Any of them may change something there, whatever its method.
pub const HTTP: Power = Power {
    word: "http",
    line: "http: [{scheme: https, host: the.host}]",
    reach: Reach::Writes,
    discloses: true,
    functions: &["attach", "last-error"],
    also: &[],
    reading: None,
};

/// Addresses that no name may lead to unless a grant says so, since they are inside: of
/// this node or of its network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AddressClass {
    /// 127.0.0.0/8, ::1.
    Loopback,
    /// 169.254.0.0/16, fe80::/10.
    LinkLocal,
    /// 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 198.18.0.0/15, fc00::/7, fec0::/10.
    Private,
    /// 100.64.0.0/10: between a provider and its customers (RFC 6598).
    Shared,
}

/// One entry under `http:` of a grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum HttpGrant {
    Rule(HttpRule),
    /// The `endpoints:` of a Target document; an admitted plugin has the rules instead.
    Target(TargetGrant),
}

/// Requests that may be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HttpRule {
    pub scheme: Scheme,
    pub host: HostPattern,
    pub port: u16,
    #[serde(flatten)]
    pub limits: HttpLimits,
}

/// What a rule allows at its hosts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct HttpLimits {
    /// In capitals. Empty: every method but CONNECT and TRACE.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub methods: BTreeSet<String>,
    /// Beside public addresses.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub addresses: BTreeSet<AddressClass>,
}

/// A target whose endpoints are granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TargetGrant {
    pub target: TargetName,
    #[serde(flatten)]
    pub limits: HttpLimits,
}

impl AddressClass {
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::LinkLocal => "link-local",
            Self::Private => "private",
            Self::Shared => "shared",
        }
    }
}

impl HttpRule {
    /// Every method at one host and port, at public addresses.
    #[must_use]
    pub fn new(scheme: Scheme, host: HostPattern, port: u16) -> Self {
        Self {
            scheme,
            host,
            port,
            limits: HttpLimits::default(),
        }
    }

    /// Whether the rule is about this server at all.
    #[must_use]
    pub fn covers(&self, scheme: Scheme, host: &Host, port: u16) -> bool {
        self.scheme == scheme && self.port == port && self.host.matches(host)
    }

    /// The port is named where it is not the scheme's own.
    fn server(&self) -> String {
        let Self {
            scheme, host, port, ..
        } = self;
        if *port == scheme.default_port() {
            format!("{scheme}://{host}")
        } else {
            format!("{scheme}://{host}:{port}")
        }
    }

    #[must_use]
    pub fn allows_method(&self, method: &str) -> bool {
        let methods = &self.limits.methods;
        !METHODS_NEVER.contains(&method) && (methods.is_empty() || methods.contains(method))
    }

    /// What both rules allow.
    #[must_use]
    pub fn common(&self, other: &Self) -> Option<Self> {
        let same = self.scheme == other.scheme && self.port == other.port;
        let host = self.host.common(&other.host).filter(|_| same)?;
        Some(Self {
            host,
            limits: self.limits.common(&other.limits)?,
            ..self.clone()
        })
    }
}

impl HttpLimits {
    fn words(&self, server: &str) -> String {
        let methods: Vec<&str> = self.methods.iter().map(String::as_str).collect();
        let inside: Vec<&str> = self.addresses.iter().map(|class| class.word()).collect();
        let mut words = server.to_owned();
        if !methods.is_empty() {
            words = format!("{} {words}", methods.join(", "));
        }
        if !inside.is_empty() {
            words = format!("{words} ({} addresses too)", inside.join(" and "));
        }
        words
    }

    fn reading(&self) -> Option<Self> {
        let safe = Self {
            methods: METHODS_SAFE.map(str::to_owned).into(),
            addresses: self.addresses.clone(),
        };
        self.common(&safe)
    }

    fn common(&self, other: &Self) -> Option<Self> {
        let (one, two) = (&self.methods, &other.methods);
        let methods: BTreeSet<String> = match (one.is_empty(), two.is_empty()) {
            (true, _) => two.clone(),
            (_, true) => one.clone(),
            (false, false) => one.intersection(two).cloned().collect(),
        };
        // Nothing in common is nothing at all, and not the empty set, which is everything.
        if methods.is_empty() && !(one.is_empty() && two.is_empty()) {
            return None;
        }
        let addresses = self.addresses.intersection(&other.addresses);
        Some(Self {
            methods,
            addresses: addresses.copied().collect(),
        })
    }
}

impl HttpGrant {
    /// The rule; none for a target whose endpoints were not looked up.
    #[must_use]
    pub fn rule(&self) -> Option<&HttpRule> {
        match self {
            Self::Rule(rule) => Some(rule),
            Self::Target(_) => None,
        }
    }
}

impl Grant for HttpGrant {
    const NAME: &'static str = "http";
    const POWERS: &'static [Power] = &[HTTP];

    fn common(&self, ceiling: &Self) -> Option<Self> {
        let common = self.rule()?.common(ceiling.rule()?)?;
        Some(Self::Rule(common))
    }

    fn allows(&self, power: &Power) -> bool {
        *power == HTTP
    }

    fn reading(&self) -> Option<Self> {
        Some(match self {
            Self::Rule(rule) => Self::Rule(HttpRule {
                limits: rule.limits.reading()?,
                ..rule.clone()
            }),
            Self::Target(named) => Self::Target(TargetGrant {
                limits: named.limits.reading()?,
                ..named.clone()
            }),
        })
    }

    fn hint(_: &[&'static Power]) -> String {
        "e.g. {scheme: https, host: the.host}, or {target: NAME}".to_owned()
    }

    /// E.g. `GET, PUT https://minio.internal:9000 (private addresses too)`.
    fn words(&self) -> String {
        match self {
            Self::Rule(rule) => rule.limits.words(&rule.server()),
            Self::Target(named) => {
                let server = format!("the endpoints of target {}", named.target);
                named.limits.words(&server)
            }
        }
    }

    fn target(&self) -> Option<&TargetName> {
        match self {
            Self::Rule(_) => None,
            Self::Target(named) => Some(&named.target),
        }
    }

    fn at(&self, endpoints: &[Endpoint]) -> Vec<Self> {
        let Self::Target(named) = self else {
            return vec![self.clone()];
        };
        let rule = |endpoint: &Endpoint| HttpRule {
            scheme: endpoint.scheme,
            host: endpoint.host.clone(),
            port: endpoint.port,
            limits: named.limits.clone(),
        };
        endpoints.iter().map(rule).map(Self::Rule).collect()
    }
}

/// An entry as it is written.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    scheme: Option<Scheme>,
    host: Option<HostPattern>,
    port: Option<u16>,
    methods: Option<Vec<Method>>,
    addresses: Option<Vec<AddressClass>>,
    target: Option<Name>,
}

impl<'de> Deserialize<'de> for HttpGrant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Written::deserialize(deserializer)?;
        written.grant().map_err(D::Error::custom)
    }
}

impl Written {
    fn grant(self) -> Result<HttpGrant, &'static str> {
        if self.methods.as_ref().is_some_and(Vec::is_empty) {
            return Err(
                "has an empty list of methods; name some, or leave the key out for all of them",
            );
        }
        let methods = self.methods.into_iter().flatten();
        let limits = HttpLimits {
            methods: methods.map(|method| method.0).collect(),
            addresses: self.addresses.into_iter().flatten().collect(),
        };
        match (self.target, self.scheme, self.host, self.port) {
            (Some(target), None, None, None) => Ok(HttpGrant::Target(TargetGrant {
                target: TargetName::new(target.as_str()),
                limits,
            })),
            (Some(_), ..) => Err(
                "names a target, whose endpoints say scheme, host and port; remove these keys, or `target`",
            ),
            (None, Some(scheme), Some(host), port) => Ok(HttpGrant::Rule(HttpRule {
                scheme,
                host,
                port: port.unwrap_or(scheme.default_port()),
                limits,
            })),
            (None, ..) => Err(
                "must say where to: {scheme: https, host: NAME}, or {target: NAME} for the endpoints of a target",
            ),
        }
    }
}

/// A method in capitals.
struct Method(String);

impl<'de> Deserialize<'de> for Method {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let capital = |c: char| c.is_ascii_uppercase() || c == '-';
        if text.is_empty() || text.len() > METHOD_BYTES_MAX || !text.chars().all(capital) {
            return Err(D::Error::custom(
                "must be a method in capitals, e.g. GET or PUT",
            ));
        }
        if METHODS_NEVER.contains(&text.as_str()) {
            return Err(D::Error::custom(
                "names CONNECT or TRACE, which no plugin may use",
            ));
        }
        Ok(Self(text))
    }
}

impl fmt::Display for AddressClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn grant(value: serde_json::Value) -> Result<HttpGrant, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    fn rule(value: serde_json::Value) -> HttpRule {
        grant(value).unwrap().rule().unwrap().clone()
    }

    #[test]
    fn a_rule_survives_being_recorded() {
        for written in [
            json!({"scheme": "https", "host": "*.example.com"}),
            json!({"scheme": "http", "host": "[::1]", "port": 8080, "methods": ["GET", "PUT"], "addresses": ["loopback"]}),
            json!({"target": "minio", "addresses": ["private"]}),
        ] {
            let grant = grant(written).unwrap();
            let recorded = serde_json::to_value(&grant).unwrap();
            assert_eq!(
                serde_json::from_value::<HttpGrant>(recorded).unwrap(),
                grant
            );
        }
    }

    #[test]
    fn a_rule_is_told_to_people() {
        let table = [
            (
                json!({"scheme": "https", "host": "*.example.com"}),
                "https://*.example.com",
            ),
            (
                json!({"scheme": "http", "host": "[::1]", "port": 8080, "methods": ["PUT", "GET"], "addresses": ["loopback"]}),
                "GET, PUT http://[::1]:8080 (loopback addresses too)",
            ),
            (
                json!({"target": "minio", "addresses": ["private", "shared"]}),
                "the endpoints of target minio (private and shared addresses too)",
            ),
        ];
        for (written, words) in table {
            assert_eq!(grant(written).unwrap().words(), words);
        }
    }

    #[test]
    fn what_is_no_rule_says_so() {
        let table = [
            (json!({}), "must say where to"),
            (json!({"host": "a"}), "must say where to"),
            (json!({"scheme": "https"}), "must say where to"),
            (
                json!({"scheme": "ftp", "host": "a"}),
                "unknown variant `ftp`",
            ),
            (json!({"scheme": "https", "host": "a/b"}), "must be a host"),
            (
                json!({"scheme": "https", "host": "a", "methods": []}),
                "empty list of methods",
            ),
            (
                json!({"scheme": "https", "host": "a", "methods": ["get"]}),
                "in capitals",
            ),
            (
                json!({"scheme": "https", "host": "a", "methods": ["TRACE"]}),
                "no plugin may use",
            ),
            (
                json!({"scheme": "https", "host": "a", "addresses": ["metadata"]}),
                "unknown variant `metadata`",
            ),
            (
                json!({"scheme": "https", "host": "a", "path": "/"}),
                "unknown field `path`",
            ),
            (json!({"target": "t", "host": "a"}), "names a target"),
        ];
        for (written, expected) in table {
            let error = grant(written.clone()).unwrap_err();
            assert!(error.contains(expected), "{written}: {error}");
        }
    }

    #[test]
    fn a_rule_covers_its_scheme_host_port_and_methods_only() {
        let rule = rule(json!({"scheme": "https", "host": "a.example", "methods": ["GET"]}));
        let host = |text| Host::parse(text).unwrap();
        assert!(rule.covers(Scheme::Https, &host("A.example."), 443));
        assert!(!rule.covers(Scheme::Http, &host("a.example"), 443));
        assert!(!rule.covers(Scheme::Https, &host("a.example"), 8443));
        assert!(!rule.covers(Scheme::Https, &host("b.example"), 443));
        assert!(rule.allows_method("GET") && !rule.allows_method("PUT"));
        let any = HttpRule::new(Scheme::Https, HostPattern::parse("a").unwrap(), 443);
        assert!(any.allows_method("PROPFIND") && !any.allows_method("CONNECT"));
    }

    #[test]
    fn what_two_rules_share_is_no_more_than_either() {
        let wide = rule(
            json!({"scheme": "https", "host": "*.example", "addresses": ["private", "loopback"]}),
        );
        let narrow = rule(
            json!({"scheme": "https", "host": "a.example", "methods": ["GET"], "addresses": ["private"]}),
        );
        assert_eq!(wide.common(&narrow), Some(narrow.clone()));
        assert_eq!(narrow.common(&wide), Some(narrow.clone()));
        let put = rule(json!({"scheme": "https", "host": "a.example", "methods": ["PUT"]}));
        assert_eq!(narrow.common(&put), None);
        for other in [
            json!({"scheme": "http", "host": "a.example", "port": 443}),
            json!({"scheme": "https", "host": "a.example", "port": 444}),
            json!({"scheme": "https", "host": "b.example"}),
        ] {
            assert_eq!(narrow.common(&rule(other)), None);
        }
    }

    #[test]
    fn the_rules_of_a_target_are_those_of_its_endpoints_with_the_limits_of_the_grant() {
        let grant =
            grant(json!({"target": "offsite", "addresses": ["private"], "methods": ["GET"]}))
                .unwrap();
        assert_eq!(grant.target(), Some(&TargetName::new("offsite")));
        let endpoints = ["https://a.example", "http://10.0.0.5:9000/"];
        let rules = grant.at(&endpoints.map(|endpoint| endpoint.parse().unwrap()));
        let rule = |scheme: &str, host: &str, port: u16| {
            json!({
                "scheme": scheme, "host": host, "port": port,
                "methods": ["GET"], "addresses": ["private"],
            })
        };
        assert_eq!(
            serde_json::to_value(rules).unwrap(),
            json!([
                rule("https", "a.example", 443),
                rule("http", "10.0.0.5", 9000)
            ])
        );
    }
}
