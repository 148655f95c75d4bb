//! Which requests leave through a proxy.

use std::fmt;
use std::net::IpAddr;

use drydock_core::{Host, Scheme};

/// Proxies by the scheme of the request, and the hosts that are reached without.
#[derive(Clone, Default)]
pub struct Proxies {
    http: Option<String>,
    https: Option<String>,
    direct: Vec<Direct>,
}

/// Hosts that are reached directly.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Direct {
    Everything,
    /// The name and everything below it.
    Name(String),
    Network(IpAddr, u8),
}

impl Proxies {
    /// `http` and `https` are URLs of proxies, e.g. `http://10.0.0.9:3128`, for requests of
    /// that scheme; `direct` lists hosts as the variable `NO_PROXY` does: names with
    /// everything below them, addresses, networks, or `*`.
    ///
    /// # Errors
    /// A sentence about the first URL that is none. It does not repeat it, since it may
    /// hold a password.
    pub fn new(
        http: Option<String>,
        https: Option<String>,
        direct: &[String],
    ) -> Result<Self, &'static str> {
        for url in [&http, &https].into_iter().flatten() {
            let parsed = reqwest::Url::parse(url).map_err(|_| PROXY_RULE)?;
            if !matches!(parsed.scheme(), "http" | "https") || !parsed.has_host() {
                return Err(PROXY_RULE);
            }
        }
        let direct = direct.iter().filter_map(|entry| Direct::parse(entry));
        Ok(Self {
            http,
            https,
            direct: direct.collect(),
        })
    }

    /// The URL of the proxy for a request.
    pub(super) fn of(&self, scheme: Scheme, host: &Host) -> Option<&str> {
        let proxy = match scheme {
            Scheme::Http => &self.http,
            Scheme::Https => &self.https,
        };
        let direct = self.direct.iter().any(|direct| direct.covers(host));
        proxy.as_deref().filter(|_| !direct)
    }
}

const PROXY_RULE: &str = "is no URL of a proxy; write e.g. http://proxy.example.com:3128";

impl Direct {
    /// None for an entry that means nothing.
    fn parse(entry: &str) -> Option<Self> {
        let entry = entry.trim();
        if entry == "*" {
            return Some(Self::Everything);
        }
        if let Some((network, length)) = entry.split_once('/') {
            let network: IpAddr = network.parse().ok()?;
            let length: u8 = length.parse().ok()?;
            let bits = if network.is_ipv4() { 32 } else { 128 };
            return (length <= bits).then_some(Self::Network(network, length));
        }
        // A port says nothing here: what is reached directly is a host.
        let bare = entry.trim_start_matches("*").trim_start_matches('.');
        let bare = match bare.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') && port.parse::<u16>().is_ok() => host,
            _ => bare,
        };
        match Host::parse(bare).ok()? {
            Host::Name(name) => Some(Self::Name(name)),
            Host::Address(address) => {
                let bits = if address.is_ipv4() { 32 } else { 128 };
                Some(Self::Network(address, bits))
            }
        }
    }

    fn covers(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Everything, _) => true,
            (Self::Name(name), Host::Name(host)) => host
                .strip_suffix(name.as_str())
                .is_some_and(|labels| labels.is_empty() || labels.ends_with('.')),
            (Self::Network(network, length), Host::Address(address)) => {
                within(*address, *network, *length)
            }
            _ => false,
        }
    }
}

fn within(address: IpAddr, network: IpAddr, length: u8) -> bool {
    let bits = |address: IpAddr| match address {
        IpAddr::V4(address) => u128::from(u32::from(address)) << 96,
        IpAddr::V6(address) => u128::from(address),
    };
    let differing = bits(address) ^ bits(network);
    address.is_ipv4() == network.is_ipv4() && differing.leading_zeros() >= u32::from(length)
}

/// Without the URLs, which may hold passwords.
impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxies")
            .field("http", &self.http.is_some())
            .field("https", &self.https.is_some())
            .field("direct", &self.direct)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxied(direct: &[&str], host: &str) -> bool {
        let direct: Vec<String> = direct.iter().map(ToString::to_string).collect();
        let proxies = Proxies::new(None, Some("http://p:3128".to_owned()), &direct).unwrap();
        proxies
            .of(Scheme::Https, &Host::parse(host).unwrap())
            .is_some()
    }

    #[test]
    fn what_is_named_goes_directly() {
        let table: [(&[&str], &str, bool); 14] = [
            (&[], "a.example", true),
            (&["*"], "a.example", false),
            (&["a.example"], "a.example", false),
            (&["a.example"], "b.a.example", false),
            (&["a.example"], "ba.example", true),
            (&[".example"], "a.example", false),
            (&["*.example"], "a.example", false),
            (&["a.example:443"], "a.example", false),
            (&["10.0.0.0/8"], "10.1.2.3", false),
            (&["10.0.0.0/8"], "11.1.2.3", true),
            (&["10.1.2.3"], "10.1.2.3", false),
            (&["fd00::/8"], "[fd12::1]", false),
            (&["0.0.0.0/0"], "[fd12::1]", true),
            (&["nonsense/99", " "], "a.example", true),
        ];
        for (direct, host, expected) in table {
            assert_eq!(proxied(direct, host), expected, "{direct:?} {host}");
        }
    }

    #[test]
    fn each_scheme_has_its_own_proxy() {
        let proxies = Proxies::new(Some("http://p:1".to_owned()), None, &[]).unwrap();
        let host = Host::parse("a").unwrap();
        assert_eq!(proxies.of(Scheme::Http, &host), Some("http://p:1"));
        assert_eq!(proxies.of(Scheme::Https, &host), None);
    }

    #[test]
    fn a_proxy_is_a_url_and_is_never_shown() {
        for bad in ["proxy", "socks5://p:1", "http://", "user:secret@p"] {
            let rule = Proxies::new(Some(bad.to_owned()), None, &[]).unwrap_err();
            assert!(!rule.contains("secret"), "{rule}");
        }
        let proxies = Proxies::new(None, Some("http://u:secret@p:1".to_owned()), &[]).unwrap();
        assert!(!format!("{proxies:?}").contains("secret"));
    }
}
