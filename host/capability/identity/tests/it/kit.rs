//! A client as a plugin's requests have it, with an identity.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use drydock_capability_http::identity::{RequestIdentity, UsedIdentity};
use drydock_capability_http::{
    AddressClass, HostClient, HttpAccess, HttpCall, HttpConfig, HttpRule, Waits,
};
use drydock_capability_identity::{CredentialSource, Identity, IdentityParts, ReadSecret};
use drydock_capability_secret::{Redactor, SecretAccess};
use drydock_core::{Clock, Endpoint, Fault, HostPattern, Scheme, Secret, UnixTime};
use drydock_testkit::pki::{Authority, Issued, Purpose, Validity};
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Full};

/// The real time, moved by a test.
#[derive(Default)]
pub struct MovedClock(pub AtomicI64);

/// Sends requests under one identity.
pub struct Sender {
    pub identity: Arc<Identity>,
    access: HttpAccess,
    secrets: SecretAccess,
    told: Arc<Mutex<Vec<String>>>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

/// What a sender is made of.
pub struct Setting<'a> {
    pub source: Box<dyn CredentialSource>,
    /// URLs of the identity's servers, and of others that the plugin may reach.
    pub servers: &'a [&'a str],
    pub others: &'a [&'a str],
    /// Authorities in PEM.
    pub trusted: &'a [&'a str],
    pub clock: Arc<MovedClock>,
}

/// An authority for fakes, and a certificate of it.
pub fn authority() -> (String, Issued) {
    let authority = Authority::new("fakes").unwrap();
    let issued = authority.issue("fake", Purpose::Server, Validity::Now);
    (authority.pem(), issued.unwrap())
}

pub fn sender(
    source: impl CredentialSource + 'static,
    servers: &[&str],
    trusted: &[&str],
) -> Sender {
    Setting {
        source: Box::new(source),
        servers,
        others: &[],
        trusted,
        clock: Arc::default(),
    }
    .sender()
}

/// A secret that stands at its place.
pub fn value(text: &str) -> ReadSecret {
    let text = text.to_owned();
    Arc::new(move || Ok(Secret::new(text.clone().into_bytes())))
}

/// A secret in a file.
pub fn file(path: std::path::PathBuf) -> ReadSecret {
    Arc::new(move || Ok(Secret::new(std::fs::read(&path).unwrap())))
}

impl Setting<'_> {
    pub fn sender(self) -> Sender {
        let config = Arc::new(HttpConfig {
            ca_pem: Some(self.trusted.join("\n").into_bytes()),
            ..HttpConfig::default()
        });
        let servers: Vec<Endpoint> = self.servers.iter().map(|url| endpoint(url)).collect();
        let others = self.others.iter().map(|url| endpoint(url));
        let rules = servers.iter().cloned().chain(others).map(rule).collect();
        let identity = Identity::new(IdentityParts {
            subject: "target offsite".to_owned(),
            kind: "testKind",
            servers,
            source: self.source,
            client: Arc::new(HostClient::new(Arc::clone(&config))),
            clock: self.clock,
        });
        Sender {
            identity: Arc::new(identity),
            access: HttpAccess::new(rules, config),
            secrets: SecretAccess::new(Vec::new(), None),
            told: Arc::default(),
        }
    }
}

impl Sender {
    pub async fn try_send(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer, Fault> {
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request
            .body(Full::new(Bytes::copy_from_slice(body)))
            .unwrap();
        let told = Arc::clone(&self.told);
        let identity: Arc<dyn RequestIdentity> = self.identity.clone();
        let call = HttpCall {
            secrets: self.secrets.clone(),
            identity: Some(UsedIdentity {
                identity,
                tell: Arc::new(move |text| told.lock().unwrap().push(text.to_owned())),
            }),
            waits: Waits::default(),
            moved: Arc::new(|_| {}),
        };
        let response = self.access.send(request, call).await;
        let (parts, body) = response.map_err(|error| error.fault)?.into_parts();
        let body = body
            .collect()
            .await
            .map_err(|error| error.fault)?
            .to_bytes();
        Ok(Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            text: String::from_utf8_lossy(&body).into_owned(),
        })
    }

    pub async fn send(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        self.try_send(method, url, headers, body).await.unwrap()
    }

    pub async fn get(&self, url: &str) -> Answer {
        self.send("GET", url, &[], b"").await
    }

    pub async fn fault(&self, url: &str) -> Fault {
        self.try_send("GET", url, &[], b"").await.unwrap_err()
    }

    /// What an operator was told.
    pub fn told(&self) -> Vec<String> {
        self.told.lock().unwrap().clone()
    }

    pub fn redactor(&self) -> Redactor {
        self.secrets.redactor()
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }
}

impl Clock for MovedClock {
    fn now(&self) -> UnixTime {
        #[expect(clippy::disallowed_methods, reason = "the servers have the real time")]
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let now = i64::try_from(now.as_secs()).unwrap();
        UnixTime(now + self.0.load(Ordering::SeqCst))
    }
}

fn endpoint(url: &str) -> Endpoint {
    let uri: http::Uri = url.parse().unwrap();
    let scheme = match uri.scheme_str() {
        Some("http") => Scheme::Http,
        _ => Scheme::Https,
    };
    Endpoint {
        scheme,
        host: HostPattern::parse(uri.host().unwrap()).unwrap(),
        port: uri.port_u16().unwrap_or(scheme.default_port()),
    }
}

fn rule(endpoint: Endpoint) -> HttpRule {
    let mut rule = HttpRule::new(endpoint.scheme, endpoint.host, endpoint.port);
    rule.limits.addresses = [AddressClass::Loopback].into();
    rule
}
