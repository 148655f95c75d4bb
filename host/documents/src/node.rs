//! `kind: NodeConfig`: what one daemon is told about its own node.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::drill::DrillConfig;
use super::limits::{Limits, own_problems};
use super::problem::{Problem, grant_problems};
use super::throttle::ThrottleSpec;
use super::value::{Bounded, SecondsOrZero, SecretFrom, Setting, resolve_path};
use super::vocabulary::unread_if_any;
use drydock_core::{Grants, Name};

/// Where the daemon answers when the document says nothing: on loopback, since nobody is
/// asked who they are. The port is the one that OpenTelemetry's exporters are scraped at.
pub const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9464);

/// How long runs may go on after the daemon was told to stop, when the document says
/// nothing: most backups end in it.
pub const DRAIN: Duration = Duration::from_secs(60);

/// Length of a minisign public key in base64: 42 bytes (RFC 4648 without line breaks).
const SIGNER_CHARS: usize = 56;

/// What every minisign public key begins with: the letters `Ed` in base64.
const SIGNER_PREFIX: &str = "RW";

/// The node's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeConfig {
    pub name: Name,
    pub spec: NodeConfigSpec,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeConfigSpec {
    /// Folder of the journal, the spool, the caches and the lock.
    pub state: PathBuf,
    /// Folders or files with Schedule, Cluster and Target documents.
    pub schedules: Vec<PathBuf>,
    /// Folders or files with PluginGrant documents.
    #[serde(default)]
    pub grants: Vec<PathBuf>,
    /// Components that take the place of built-in plugins, or add to them, by name.
    #[serde(default)]
    pub plugins: BTreeMap<String, PluginFile>,
    /// The minisign secret key that signs manifests and marks. A node that only restores
    /// has none.
    #[serde(default)]
    pub signing_key: Option<SecretFrom>,
    /// Where `drydock init` put the private key that opens recovery points. As long as it
    /// lies there, the node says that it has to be taken away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealing_key_made: Option<PathBuf>,
    /// Minisign public keys, one base64 line each. The own one is always trusted.
    #[serde(default)]
    pub trusted_signers: Vec<String>,
    /// The most that any grant can give on this node; absent: no ceiling.
    #[serde(default, deserialize_with = "unread_if_any")]
    pub ceiling: Option<Grants>,
    /// Of all plugins, where no PluginGrant says otherwise.
    #[serde(default)]
    pub limits: Box<Limits>,
    /// The most that any PluginGrant may say; what is absent is not limited.
    #[serde(default)]
    pub limits_max: Box<Limits>,
    /// Of all targets together, beside what each one's document says.
    #[serde(default, skip_serializing_if = "ThrottleSpec::is_empty")]
    pub target_limits: ThrottleSpec,
    #[serde(default)]
    pub log: Log,
    #[serde(default)]
    pub daemon: Daemon,
    #[serde(default)]
    pub http: Http,
    #[serde(default)]
    pub drill: Box<DrillConfig>,
    #[serde(default, skip_serializing_if = "Development::is_off")]
    pub development: Development,
}

/// What a node allows on which plugins are developed, and no other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Development {
    /// Whether a PluginGrant may name a folder: whoever can write there has what it gives.
    #[serde(default)]
    pub plugin_folders: bool,
}

/// How requests of plugins leave this node. What is not said is taken from the daemon's
/// environment: `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Http {
    /// `http://HOST:PORT`, or `none` for no proxy whatever the environment says. One with
    /// a password comes from a file or a variable.
    #[serde(default)]
    pub proxy: Option<Setting>,
    /// Hosts that are reached directly: names with everything below them, addresses, and
    /// networks such as `10.0.0.0/8`.
    #[serde(default)]
    pub no_proxy: Option<Vec<String>>,
    /// Certificates in PEM that are trusted beside those of the system.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

/// How the daemon serves and ends.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Daemon {
    /// Where health and metrics are answered.
    #[serde(default)]
    pub listen: Listen,
    #[serde(default)]
    drain_seconds: Option<SecondsOrZero>,
}

/// An address, or `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Listen {
    None,
    #[serde(untagged)]
    At(SocketAddr),
}

/// Where a component lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PluginFile {
    pub file: PathBuf,
}

/// How the daemon writes its log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Log {
    #[serde(default)]
    pub format: LogFormat,
    #[serde(default)]
    pub level: LogLevel,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

impl Daemon {
    /// How long runs may go on once the daemon was told to stop.
    #[must_use]
    pub fn drain(&self) -> Duration {
        self.drain_seconds.map_or(DRAIN, Bounded::duration)
    }
}

impl Default for Listen {
    fn default() -> Self {
        Self::At(LISTEN)
    }
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "none" {
            return Ok(Self::None);
        }
        text.parse().map(Self::At).map_err(|_| {
            D::Error::custom(format!(
                "must be an IP address with a port, e.g. {LISTEN} or \"[::1]:9464\", or none"
            ))
        })
    }
}

impl LogLevel {
    /// The word as it stands in the document.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

impl NodeConfigSpec {
    /// Every key that there is.
    pub const KEYS: [&str; 16] = [
        "state",
        "schedules",
        "grants",
        "plugins",
        "signingKey",
        "sealingKeyMade",
        "trustedSigners",
        "ceiling",
        "limits",
        "limitsMax",
        "targetLimits",
        "log",
        "daemon",
        "http",
        "drill",
        "development",
    ];
}

impl NodeConfig {
    pub(super) fn resolve_paths(&mut self, folder: &Path) {
        let spec = &mut self.spec;
        resolve_path(&mut spec.state, folder);
        for path in spec.schedules.iter_mut().chain(&mut spec.grants) {
            resolve_path(path, folder);
        }
        for plugin in spec.plugins.values_mut() {
            resolve_path(&mut plugin.file, folder);
        }
        if let Some(key) = &mut spec.signing_key {
            key.value_from.resolve(folder);
        }
        if let Some(proxy) = &mut spec.http.proxy {
            proxy.resolve(folder);
        }
        for file in spec
            .http
            .ca_file
            .iter_mut()
            .chain(&mut spec.sealing_key_made)
        {
            resolve_path(file, folder);
        }
        spec.drill.resolve_paths(folder);
    }

    pub(super) fn problems(&self) -> Vec<Problem> {
        let spec = &self.spec;
        let mut problems = Vec::new();
        if spec.schedules.is_empty() {
            problems.push(Problem::new(
                "spec.schedules",
                "is empty; name the folder that holds the schedules",
            ));
        }
        for name in spec.plugins.keys() {
            if let Err(rule) = Name::parse(name) {
                problems.push(Problem::new(format!("spec.plugins.{name}"), rule));
            }
        }
        for (index, signer) in spec.trusted_signers.iter().enumerate() {
            if !is_signer(signer) {
                problems.push(Problem::new(
                    format!("spec.trustedSigners[{index}]"),
                    "must be the base64 line of a minisign public key, which begins with RW and has 56 characters",
                ));
            }
        }
        problems.extend(own_problems(&spec.limits, &spec.limits_max));
        if let Some(ceiling) = &spec.ceiling {
            problems.extend(grant_problems(ceiling, "spec.ceiling"));
            problems.extend(targets_named(ceiling));
        }
        problems.extend(spec.http.problems());
        problems.extend(spec.drill.problems());
        problems
    }
}

impl Development {
    fn is_off(&self) -> bool {
        *self == Self::default()
    }
}

impl Http {
    fn problems(&self) -> Vec<Problem> {
        match &self.proxy {
            Some(Setting::Literal(proxy)) if proxy.contains('@') => vec![Problem::new(
                "spec.http.proxy",
                "holds a user or password, which must not stand in the document; write {valueFrom: {file: PATH}} or {valueFrom: {env: NAME}}",
            )],
            _ => Vec::new(),
        }
    }
}

/// Whoever writes Target documents must not be able to lift the node's ceiling.
fn targets_named(ceiling: &Grants) -> Vec<Problem> {
    let targets = ceiling.targets().into_iter();
    targets
        .map(|(entry, _)| {
            Problem::new(
                format!("spec.ceiling.{entry}.target"),
                "names a target, which others may change; name the hosts themselves, e.g. {scheme: https, host: s3.example.com}",
            )
        })
        .collect()
}

fn is_signer(line: &str) -> bool {
    let base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
    line.len() == SIGNER_CHARS && line.starts_with(SIGNER_PREFIX) && line.chars().all(base64)
}
