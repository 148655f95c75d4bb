//! The servers of a target, as its document names them under `endpoints:`.

use std::fmt;
use std::path::Path;

use drydock_core::{Endpoint, HostPattern, Scheme};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::problem::Problem;
use super::value::{Lookup, SecretFrom, Setting, Source, ValueError};

/// Longest label of a host's name.
const LABEL_BYTES_MAX: usize = 63;

/// A server as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Server {
    At(Endpoint),
    /// The whole address stands elsewhere.
    From(SecretFrom),
    Below(ServerBelow),
}

/// `https://NAME.DOMAIN`: clouds give a storage account or bucket a host of its own, and it is
/// the name alone that differs from node to node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServerBelow {
    pub name: Setting,
    pub domain: String,
}

/// All servers of a target, as they are written and as they are known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Servers {
    written: Vec<Server>,
    /// Those that stand in the document, and the others once they were read.
    known: Vec<Endpoint>,
}

/// Why a server cannot be had: a predicate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServerError {
    #[error(transparent)]
    Unread(#[from] ValueError),
    #[error("comes from {place}, and {rule}")]
    Misfit { place: String, rule: String },
}

impl Servers {
    /// Whether the document names none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.written.is_empty()
    }

    /// The servers, in the order of the document.
    #[must_use]
    pub fn known(&self) -> &[Endpoint] {
        &self.known
    }

    /// The known ones with their places in the list.
    pub(super) fn numbered(&self) -> Vec<(usize, Endpoint)> {
        let all_known = self.known.len() == self.written.len();
        let numbered = self.written.iter().enumerate();
        let known = numbered.filter_map(|(index, server)| {
            let read = self.known.get(index).filter(|_| all_known);
            Some((index, read.cloned().or_else(|| server.said())?))
        });
        known.collect()
    }

    /// Reads those that stand elsewhere.
    ///
    /// # Errors
    /// The first one that cannot be had, with its place in the list.
    pub(super) fn read(&mut self, lookup: &dyn Lookup) -> Result<(), (usize, ServerError)> {
        let read = self.written.iter().enumerate();
        let read = read.map(|(index, server)| server.read(lookup).map_err(|error| (index, error)));
        self.known = read.collect::<Result<_, _>>()?;
        Ok(())
    }

    pub(super) fn resolve_paths(&mut self, folder: &Path) {
        for server in &mut self.written {
            match server {
                Server::At(_) => {}
                Server::From(from) => from.value_from.resolve(folder),
                Server::Below(below) => below.name.resolve(folder),
            }
        }
    }

    /// What is wrong with servers that are put together, by their places in the list.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let numbered = self.written.iter().enumerate();
        let wrong = numbered.filter_map(|(index, server)| {
            let Server::Below(below) = server else {
                return None;
            };
            let (key, rule) = below.broken_rule()?;
            Some(Problem::new(format!("spec.endpoints[{index}].{key}"), rule))
        });
        wrong.collect()
    }
}

impl Server {
    /// What the document itself says; none where a part of it stands elsewhere.
    fn said(&self) -> Option<Endpoint> {
        match self {
            Self::At(endpoint) => Some(endpoint.clone()),
            Self::From(_) => None,
            Self::Below(below) => match &below.name {
                Setting::Literal(name) => below.with(name).ok(),
                Setting::From(_) => None,
            },
        }
    }

    fn read(&self, lookup: &dyn Lookup) -> Result<Endpoint, ServerError> {
        let misfit = |place: &Source| {
            let place = place.to_string();
            move |rule: String| ServerError::Misfit { place, rule }
        };
        match self {
            Self::At(endpoint) => Ok(endpoint.clone()),
            Self::From(from) => {
                let text = from.value_from.read_text(lookup)?;
                text.trim().parse().map_err(misfit(&from.value_from))
            }
            Self::Below(below) => {
                let name = below.name.text(lookup)?;
                let endpoint = below.with(name.trim());
                match &below.name {
                    Setting::From(from) => endpoint.map_err(misfit(&from.value_from)),
                    Setting::Literal(_) => endpoint.map_err(|rule| ServerError::Misfit {
                        place: below.name.place(),
                        rule,
                    }),
                }
            }
        }
    }
}

impl ServerBelow {
    /// The server of this name.
    fn with(&self, name: &str) -> Result<Endpoint, String> {
        const RULE: &str =
            "must be one part of a host's name: letters, digits and -, 63 of them at most";
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let is_label = (1..=LABEL_BYTES_MAX).contains(&name.len()) && name.bytes().all(plain);
        if !is_label {
            return Err(RULE.to_owned());
        }
        let host = HostPattern::parse(&format!("{name}.{}", self.domain));
        Ok(Endpoint {
            scheme: Scheme::Https,
            host: host.map_err(|_| RULE.to_owned())?,
            port: Scheme::Https.default_port(),
        })
    }

    fn broken_rule(&self) -> Option<(&'static str, String)> {
        if self.with("a").is_err() || self.domain.contains('*') {
            let rule = "must be what stands behind the name, e.g. blob.core.windows.net; the server is then https://NAME.DOMAIN";
            return Some(("domain", rule.to_owned()));
        }
        match &self.name {
            Setting::Literal(name) => self.with(name).err().map(|rule| ("name", rule)),
            Setting::From(_) => None,
        }
    }
}

impl Serialize for Servers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.written.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Servers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Vec::<Server>::deserialize(deserializer)?;
        Ok(Self {
            known: written.iter().filter_map(Server::said).collect(),
            written,
        })
    }
}

impl<'de> Deserialize<'de> for Server {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ServerVisitor)
    }
}

/// The two mappings that a server can be, by their keys.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    value_from: Option<serde_json::Value>,
    name: Option<Setting>,
    domain: Option<String>,
}

struct ServerVisitor;

impl<'de> Visitor<'de> for ServerVisitor {
    type Value = Server;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a server such as https://s3.example.com, {valueFrom: {env: NAME}}, or {name: NAME, domain: DOMAIN}")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Server, E> {
        text.parse().map(Server::At).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Server, A::Error> {
        let written = Written::deserialize(MapAccessDeserializer::new(map))?;
        match (written.value_from, written.name, written.domain) {
            (Some(place), None, None) => {
                let place = serde_json::json!({"valueFrom": place});
                let place = serde_json::from_value(place).map_err(|_| {
                    de::Error::custom(
                        "must name one place: {valueFrom: {file: PATH}} or {valueFrom: {env: NAME}}",
                    )
                })?;
                Ok(Server::From(place))
            }
            (None, Some(name), Some(domain)) => Ok(Server::Below(ServerBelow { name, domain })),
            _ => Err(de::Error::custom(
                "must be a server such as https://s3.example.com, {valueFrom: {env: NAME}}, or {name: NAME, domain: DOMAIN} for https://NAME.DOMAIN",
            )),
        }
    }
}
