//! `kind: Cluster`: how an etcd cluster is reached.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, de};

use super::problem::Problem;
use super::value::{Pem, PlaceVisitor, Seconds, SecretFrom, Setting};
use super::{FileError, Located, Lookup};
use drydock_core::{ClusterName, Secret};

/// Waits when the document says nothing.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
pub const STREAM_IDLE: Duration = Duration::from_secs(30);

/// Most endpoints of a cluster. etcd advises against more than seven members.
pub const ENDPOINTS_MAX: usize = 64;

const ENDPOINT_RULE: &str =
    "must be an address of the form https://HOST:PORT (or http://), without a path or a user";

/// An etcd cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cluster {
    pub name: ClusterName,
    pub spec: ClusterSpec,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterSpec {
    pub etcd: EtcdSpec,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EtcdSpec {
    pub endpoints: Endpoints,
    /// PEM of the authorities that the members' certificates are checked against.
    #[serde(default)]
    pub ca: Option<Setting>,
    #[serde(default)]
    pub certificate: Option<Setting>,
    #[serde(default)]
    pub key: Option<SecretFrom>,
    #[serde(default)]
    pub username: Option<Setting>,
    #[serde(default)]
    pub password: Option<SecretFrom>,
    #[serde(default)]
    connect_timeout_seconds: Option<Seconds>,
    #[serde(default)]
    request_timeout_seconds: Option<Seconds>,
    #[serde(default)]
    stream_idle_seconds: Option<Seconds>,
}

/// The members' client addresses, or the place that lists them, separated by commas
/// or line breaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Endpoints {
    Listed(Vec<String>),
    From(SecretFrom),
}

/// A cluster's access with every value read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EtcdAccess {
    /// One at least, each `http://HOST:PORT` or `https://HOST:PORT`.
    pub endpoints: Vec<String>,
    /// PEM.
    pub ca: Option<Vec<u8>>,
    /// PEM; there is a key if and only if there is a certificate.
    pub certificate: Option<Vec<u8>>,
    pub key: Option<Secret>,
    /// There is a password if and only if there is a user name.
    pub username: Option<String>,
    pub password: Option<Secret>,
    pub connect_timeout: Duration,
    pub request_timeout: Duration,
    pub stream_idle: Duration,
}

impl EtcdSpec {
    #[must_use]
    pub fn connect_timeout(&self) -> Duration {
        self.connect_timeout_seconds
            .map_or(CONNECT_TIMEOUT, Seconds::duration)
    }

    #[must_use]
    pub fn request_timeout(&self) -> Duration {
        self.request_timeout_seconds
            .map_or(REQUEST_TIMEOUT, Seconds::duration)
    }

    /// How long a snapshot's stream may be silent.
    #[must_use]
    pub fn stream_idle(&self) -> Duration {
        self.stream_idle_seconds
            .map_or(STREAM_IDLE, Seconds::duration)
    }
}

impl Located<Cluster> {
    /// Reads every value that the document only names.
    ///
    /// # Errors
    /// The first value that cannot be had or is not what it should be.
    pub fn resolve(&self, lookup: &dyn Lookup) -> Result<EtcdAccess, FileError> {
        let etcd = &self.value.spec.etcd;
        let pem = |setting: &Option<Setting>, key| {
            self.optional(setting, key, |s| s.pem(lookup, Pem::Certificate))
        };
        Ok(EtcdAccess {
            endpoints: self.endpoints(lookup)?,
            ca: pem(&etcd.ca, "ca")?,
            certificate: pem(&etcd.certificate, "certificate")?,
            key: self.optional(&etcd.key, "key", |s| {
                s.value_from.read_pem(lookup, Pem::PrivateKey)
            })?,
            username: self.optional(&etcd.username, "username", |s| s.text(lookup))?,
            password: self.optional(&etcd.password, "password", |s| s.value_from.read(lookup))?,
            connect_timeout: etcd.connect_timeout(),
            request_timeout: etcd.request_timeout(),
            stream_idle: etcd.stream_idle(),
        })
    }

    fn endpoints(&self, lookup: &dyn Lookup) -> Result<Vec<String>, FileError> {
        let path = "spec.etcd.endpoints";
        let listed = match &self.value.spec.etcd.endpoints {
            Endpoints::Listed(listed) => return Ok(listed.clone()),
            Endpoints::From(from) => from
                .value_from
                .read_text(lookup)
                .map(|text| split(&text))
                .map_err(|error| self.error(path, error))?,
        };
        match listed.len() {
            0 => Err(self.error(path, "lists no address")),
            1..=ENDPOINTS_MAX if listed.iter().all(|e| is_endpoint(e)) => Ok(listed),
            1..=ENDPOINTS_MAX => Err(self.error(
                path,
                format!("{ENDPOINT_RULE}; one of those it names is not"),
            )),
            _ => Err(self.error(path, format!("lists more than {ENDPOINTS_MAX} addresses"))),
        }
    }

    fn optional<S, T>(
        &self,
        value: &Option<S>,
        key: &str,
        read: impl FnOnce(&S) -> Result<T, super::ValueError>,
    ) -> Result<Option<T>, FileError> {
        value
            .as_ref()
            .map(read)
            .transpose()
            .map_err(|error| self.error(&format!("spec.etcd.{key}"), error))
    }
}

impl Cluster {
    pub(super) fn resolve_paths(&mut self, folder: &Path) {
        let etcd = &mut self.spec.etcd;
        if let Endpoints::From(from) = &mut etcd.endpoints {
            from.value_from.resolve(folder);
        }
        for setting in [&mut etcd.ca, &mut etcd.certificate, &mut etcd.username] {
            setting.iter_mut().for_each(|s| s.resolve(folder));
        }
        for secret in [&mut etcd.key, &mut etcd.password] {
            secret.iter_mut().for_each(|s| s.value_from.resolve(folder));
        }
    }

    pub(super) fn problems(&self) -> Vec<Problem> {
        let etcd = &self.spec.etcd;
        let mut problems = endpoint_problems(&etcd.endpoints);
        let pairs = [
            (
                etcd.certificate.is_some(),
                "certificate",
                etcd.key.is_some(),
                "key",
            ),
            (
                etcd.username.is_some(),
                "username",
                etcd.password.is_some(),
                "password",
            ),
        ];
        for (has_one, one, has_other, other) in pairs {
            if has_one != has_other {
                let (given, missing) = if has_one { (one, other) } else { (other, one) };
                problems.push(Problem::new(
                    format!("spec.etcd.{given}"),
                    format!("needs spec.etcd.{missing} beside it; add it, or remove {given}"),
                ));
            }
        }
        problems
    }
}

fn endpoint_problems(endpoints: &Endpoints) -> Vec<Problem> {
    let Endpoints::Listed(listed) = endpoints else {
        return Vec::new();
    };
    let path = "spec.etcd.endpoints";
    if listed.is_empty() {
        return vec![Problem::new(
            path,
            "is empty; name the client address of a member",
        )];
    }
    if listed.len() > ENDPOINTS_MAX {
        return vec![Problem::new(
            path,
            format!("lists more than {ENDPOINTS_MAX} addresses"),
        )];
    }
    listed
        .iter()
        .enumerate()
        .filter(|(_, endpoint)| !is_endpoint(endpoint))
        .map(|(index, _)| Problem::new(format!("{path}[{index}]"), ENDPOINT_RULE))
        .collect()
}

/// Whether this is `http` or `https`, a host, a port, nothing else.
pub fn is_endpoint(text: &str) -> bool {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    let Some((host, port)) = rest.and_then(|rest| rest.rsplit_once(':')) else {
        return false;
    };
    let plain = !host.contains(['/', '@', '?', '#']) && !host.contains(char::is_whitespace);
    !host.is_empty() && plain && port.parse::<u16>().is_ok_and(|port| port > 0)
}

fn split(text: &str) -> Vec<String> {
    text.split([',', '\n', '\r'])
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}

impl<'de> Deserialize<'de> for Endpoints {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EndpointsVisitor)
    }
}

struct EndpointsVisitor;

impl<'de> de::Visitor<'de> for EndpointsVisitor {
    type Value = Endpoints;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of addresses or {valueFrom: {env: NAME}}")
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, items: A) -> Result<Endpoints, A::Error> {
        Vec::deserialize(de::value::SeqAccessDeserializer::new(items)).map(Endpoints::Listed)
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Endpoints, A::Error> {
        PlaceVisitor(std::marker::PhantomData)
            .visit_map(map)
            .map(Endpoints::From)
    }
}
