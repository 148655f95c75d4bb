//! Servers: hosts by name or by address, and patterns of them, in one normal form (two
//! spellings of one host are one value, whoever wrote them); how one is spoken to, and where.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Longest name of a host (RFC 1035, 2.3.4).
const HOST_BYTES_MAX: usize = 253;

const HOST_RULE: &str = "must be a host: a name such as s3.example.com, an IPv4 address, or an IPv6 address in brackets and quotes, without scheme, port, path or user";

const PATTERN_RULE: &str = "must be a host, or `*.` and a name for every host below it, e.g. \"*.example.com\"; a `*` can stand nowhere else";

/// A host in its normal form: lower case, punycode, no dot at the end; an address as an
/// address, however it was spelt (`0x7f.1` is 127.0.0.1, `::ffff:10.0.0.1` is 10.0.0.1).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    Name(String),
    Address(IpAddr),
}

/// One host, or every host below a name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostPattern {
    Exactly(Host),
    /// `*.NAME`: one label or more before the name, not the name itself.
    Below(String),
}

/// How a server is spoken to.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// In the clear: whoever is on the way can read and change everything.
    Http,
    #[default]
    Https,
}

/// A server that a Target document names: `https://HOST` or `https://HOST:PORT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub scheme: Scheme,
    pub host: HostPattern,
    pub port: u16,
}

impl Host {
    /// # Errors
    /// A predicate that says how a host must look.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bare = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        if let Ok(address) = bare.unwrap_or(text).parse::<Ipv6Addr>() {
            return Ok(Self::of_address(IpAddr::V6(address)));
        }
        if bare.is_some() || text.contains(is_odd) {
            return Err(HOST_RULE.to_owned());
        }
        let undotted = text.strip_suffix('.').unwrap_or(text);
        match url::Host::parse(undotted) {
            Ok(url::Host::Domain(name)) if is_name(&name) => Ok(Self::Name(name)),
            Ok(url::Host::Ipv4(address)) => Ok(Self::of_address(address.into())),
            _ => Err(HOST_RULE.to_owned()),
        }
    }

    /// An address in its normal form: an IPv4 address mapped into IPv6 is the former.
    #[must_use]
    pub fn of_address(address: IpAddr) -> Self {
        Self::Address(address.to_canonical())
    }
}

impl HostPattern {
    /// # Errors
    /// A predicate that says how a pattern must look.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix("*.") else {
            let rule = |_| {
                if text.contains('*') {
                    PATTERN_RULE
                } else {
                    HOST_RULE
                }
            };
            return Host::parse(text)
                .map(Self::Exactly)
                .map_err(|e| rule(e).to_owned());
        };
        match Host::parse(rest) {
            Ok(Host::Name(name)) => Ok(Self::Below(name)),
            _ => Err(PATTERN_RULE.to_owned()),
        }
    }

    #[must_use]
    pub fn matches(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Exactly(own), host) => own == host,
            (Self::Below(name), Host::Name(host)) => is_below(host, name),
            (Self::Below(_), Host::Address(_)) => false,
        }
    }

    /// The pattern of the hosts that both match.
    #[must_use]
    pub fn common(&self, other: &Self) -> Option<Self> {
        let narrower = match (self, other) {
            (Self::Exactly(host), pattern) | (pattern, Self::Exactly(host)) => {
                return pattern.matches(host).then(|| Self::Exactly(host.clone()));
            }
            (Self::Below(one), Self::Below(two)) if one == two || is_below(one, two) => one,
            (Self::Below(one), Self::Below(two)) if is_below(two, one) => two,
            (Self::Below(_), Self::Below(_)) => return None,
        };
        Some(Self::Below(narrower.clone()))
    }
}

impl Scheme {
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    #[must_use]
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const RULE: &str = "must be a server such as https://s3.example.com or https://10.0.0.5:9000, without path, query or user";
        let (scheme, rest) = text.split_once("://").ok_or(RULE)?;
        let scheme = match scheme {
            "https" => Scheme::Https,
            "http" => Scheme::Http,
            _ => return Err(RULE.to_owned()),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.rsplit_once(':') {
            // The last colon of an IPv6 address without a port stands inside of brackets.
            Some((host, port)) if !port.ends_with(']') => {
                let port = port.parse().ok().filter(|port| *port > 0).ok_or(RULE)?;
                (host, port)
            }
            _ => (rest, scheme.default_port()),
        };
        if host.contains(':') && !host.starts_with('[') {
            return Err(RULE.to_owned());
        }
        let host = HostPattern::parse(host).map_err(|_| RULE)?;
        Ok(Self { scheme, host, port })
    }
}

/// What no host has, and what means something else where hosts are written.
fn is_odd(c: char) -> bool {
    c.is_control() || c.is_whitespace() || "/\\@:%?#[]*,".contains(c)
}

/// Labels that are not empty, not too long in all; not digits and dots, which nobody
/// takes for a name. A letter that only looks like a `*` has become one by now.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.contains(is_odd)
        && name.len() <= HOST_BYTES_MAX
        && name.split('.').all(|label| !label.is_empty())
        && name.parse::<Ipv4Addr>().is_err()
}

fn is_below(host: &str, name: &str) -> bool {
    host.strip_suffix(name)
        .and_then(|labels| labels.strip_suffix('.'))
        .is_some_and(|labels| !labels.is_empty())
}

/// As in the authority of a URL: an IPv6 address stands in brackets.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => address.fmt(f),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(host) => host.fmt(f),
            Self::Below(name) => write!(f, "*.{name}"),
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Serialize for HostPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HostPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(D::Error::custom)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scheme, host, port } = self;
        write!(f, "{scheme}://{host}:{port}")
    }
}

impl Serialize for Endpoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Endpoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn host(text: &str) -> Host {
        Host::parse(text).unwrap_or_else(|rule| panic!("{text} {rule}"))
    }

    fn pattern(text: &str) -> HostPattern {
        HostPattern::parse(text).unwrap_or_else(|rule| panic!("{text} {rule}"))
    }

    #[test]
    fn spellings_of_one_host_are_one_host() {
        let table = [
            ("S3.Example.COM", "s3.example.com"),
            ("s3.example.com.", "s3.example.com"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("127.1", "127.0.0.1"),
            ("0x7f.0.0.1", "127.0.0.1"),
            ("0177.0.0.1", "127.0.0.1"),
            ("2130706433", "127.0.0.1"),
            ("１２７.0.0.1", "127.0.0.1"),
            ("::ffff:10.0.0.1", "10.0.0.1"),
            ("[::FFFF:a00:1]", "10.0.0.1"),
            ("[2001:DB8:0::1]", "[2001:db8::1]"),
            ("2001:db8::1", "[2001:db8::1]"),
        ];
        for (text, normal) in table {
            assert_eq!(host(text).to_string(), normal, "{text}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        let table = [
            "",
            ".",
            "..",
            "a..b",
            "a.b..",
            "https://a",
            "a/b",
            "a:443",
            "user@a",
            "a b",
            "a%2eb",
            "[a]",
            "[127.0.0.1]",
            "a\r\nb",
            // These look like an asterisk and a comma, and become one.
            "﹡",
            "﹡.example.com",
            "a，b",
            "*",
            "a.*",
            "1.2.3.4.5",
            "256.1.1.1",
            "a?b",
            "a#b",
            "a\\b",
            "a,b",
        ];
        for text in table {
            assert!(Host::parse(text).is_err(), "{text}");
        }
        assert!(Host::parse(&"a.".repeat(200)).is_err());
    }

    #[test]
    fn the_star_stands_for_leading_labels_alone() {
        let below = pattern("*.Example.com");
        for inside in ["a.example.com", "a.b.example.com", "A.EXAMPLE.COM."] {
            assert!(below.matches(&host(inside)), "{inside}");
        }
        for outside in [
            "example.com",
            "badexample.com",
            "example.com.evil",
            "10.0.0.1",
        ] {
            assert!(!below.matches(&host(outside)), "{outside}");
        }
        for bad in [
            "*",
            "*.",
            "*a.com",
            "a.*.com",
            "**.com",
            "*.*.com",
            "*.10.0.0.1",
            "*.[::1]",
        ] {
            assert!(HostPattern::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_two_patterns_share_is_the_narrower() {
        let table = [
            ("a.example.com", "*.example.com", Some("a.example.com")),
            ("*.b.example.com", "*.example.com", Some("*.b.example.com")),
            ("*.example.com", "*.example.com", Some("*.example.com")),
            ("*.example.com", "*.ample.com", None),
            ("example.com", "*.example.com", None),
            ("10.0.0.1", "*.0.0.com", None),
        ];
        for (one, two, shared) in table {
            let shared = shared.map(pattern);
            assert_eq!(pattern(one).common(&pattern(two)), shared, "{one} {two}");
            assert_eq!(pattern(two).common(&pattern(one)), shared, "{two} {one}");
        }
    }

    fn names() -> impl Strategy<Value = String> {
        proptest::collection::vec("[a-c]{1,2}", 1..5).prop_map(|labels| labels.join("."))
    }

    fn patterns() -> impl Strategy<Value = HostPattern> {
        (any::<bool>(), names()).prop_map(|(below, name)| {
            if below {
                HostPattern::Below(name)
            } else {
                HostPattern::Exactly(Host::Name(name))
            }
        })
    }

    proptest! {
        /// Matching by labels, the other way to say it.
        #[test]
        fn a_host_below_a_name_ends_with_its_labels(name in names(), other in names()) {
            let (host_labels, labels): (Vec<_>, Vec<_>) =
                (other.split('.').collect(), name.split('.').collect());
            let expected = host_labels.len() > labels.len() && host_labels.ends_with(&labels);
            let matched = HostPattern::Below(name.clone()).matches(&Host::Name(other.clone()));
            prop_assert_eq!(matched, expected);
        }

        #[test]
        fn the_common_pattern_matches_what_both_match(
            one in patterns(), two in patterns(), name in names()
        ) {
            let name = Host::Name(name);
            let both = one.matches(&name) && two.matches(&name);
            let common = one.common(&two).is_some_and(|common| common.matches(&name));
            prop_assert_eq!(common, both);
        }

        #[test]
        fn parsing_is_stable(text in "\\PC{0,24}") {
            if let Ok(pattern) = HostPattern::parse(&text) {
                prop_assert_eq!(HostPattern::parse(&pattern.to_string()), Ok(pattern));
            }
        }

        #[test]
        fn a_pattern_matches_no_text_with_more_to_it(
            tail in "[/@:?#\\\\ \\r\\n%].{0,8}"
        ) {
            let longer = format!("a.example.com{}", tail);
            prop_assert!(Host::parse(&longer).is_err());
        }

        #[test]
        fn every_spelling_of_an_address_is_that_address(number in any::<u32>()) {
            let [a, b, c, d] = number.to_be_bytes();
            let address = Host::Address(Ipv4Addr::from(number).into());
            for text in [
                format!("{number}"), format!("{number:#x}"), format!("0{number:o}"),
                format!("{a:#x}.{b:#x}.{c:#x}.{d:#x}"), format!("{a}.{b}.{}", u32::from(c) << 8 | u32::from(d)),
                format!("::ffff:{a}.{b}.{c}.{d}"),
            ] {
                prop_assert_eq!(Host::parse(&text), Ok(address.clone()), "{}", text);
            }
        }
    }

    #[test]
    fn endpoints_are_servers_and_nothing_more() {
        let table = [
            ("https://S3.example.com/", "https://s3.example.com:443"),
            ("http://10.0.0.5:9000", "http://10.0.0.5:9000"),
            ("https://[2001:db8::1]", "https://[2001:db8::1]:443"),
            ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
            ("https://*.blob.example", "https://*.blob.example:443"),
        ];
        for (text, normal) in table {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), normal);
        }
        for bad in [
            "s3.example.com",
            "ftp://a",
            "https://",
            "https://a/b",
            "https://u@a",
            "https://a:0",
            "https://a:99999",
            "https://a:b",
            "https://2001:db8::1:443",
            "https://a?b",
        ] {
            assert!(bad.parse::<Endpoint>().is_err(), "{bad}");
        }
    }
}
