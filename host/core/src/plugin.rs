//! What a plugin says of itself, what it asks for, and what an operator grants it.

mod host;
mod http;
mod secret;

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::Name;

pub use host::{Host, HostPattern};
pub use http::{AddressClass, Endpoint, HttpGrant, HttpLimits, HttpRule, Scheme, TargetGrant};
pub use secret::{Algorithm, Encoding, HeaderUse, SecretGrant, SecretPower, SignUse};

/// Name of the custom section that carries a [`PluginManifest`] as JSON.
pub const MANIFEST_SECTION: &str = "drydock:plugin";

/// Largest manifest section that is read: it is a handful of words.
pub const MANIFEST_BYTES_MAX: usize = 16 * 1024;

/// The contract version that this host links.
pub const CONTRACT: &str = "drydock:plugin@0.1.0";

/// What stands in the custom section of a component or of its nested core module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginManifest {
    /// Lower-case letters, digits and `-`, at most 63 characters.
    pub name: String,
    /// The plugin's own version.
    pub version: String,
    pub world: World,
    /// The contract version that the plugin was built against, e.g. [`CONTRACT`].
    pub contract: String,
    /// What the plugin asks for.
    #[serde(default)]
    pub requests: Vec<Request>,
}

/// The role of a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum World {
    Backup,
    Verify,
    Store,
}

/// One power that a plugin can ask for, written as in the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Request {
    #[serde(rename = "etcd.member-list")]
    EtcdMemberList,
    #[serde(rename = "etcd.status")]
    EtcdStatus,
    #[serde(rename = "etcd.snapshot")]
    EtcdSnapshot,
    #[serde(rename = "etcd.hash-kv")]
    EtcdHashKv,
    #[serde(rename = "files.read")]
    FilesRead,
    #[serde(rename = "files.write")]
    FilesWrite,
    #[serde(rename = "http")]
    Http,
    #[serde(rename = "secret.use")]
    SecretUse,
    #[serde(rename = "secret.reveal")]
    SecretReveal,
}

/// A call of the interface `etcd` that can be granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EtcdCall {
    MemberList,
    Status,
    Snapshot,
    HashKv,
}

/// What may be done in a folder. `Write` includes reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    Read,
    Write,
}

/// A folder that a plugin may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FolderGrant {
    /// Absolute.
    pub directory: PathBuf,
    pub access: Access,
}

/// What may become of what a plugin makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutputUse {
    /// An artifact that the plugin calls public may lie unsealed, whatever it was made of.
    Public,
}

/// What an operator grants. Nothing by default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grants {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub etcd: Vec<EtcdCall>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FolderGrant>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub http: Vec<HttpGrant>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secret: Vec<SecretGrant>,
    /// Nobody asks for it in a manifest: it is about the bytes and not about a power.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub output: Vec<OutputUse>,
}

impl Request {
    pub const ALL: [Self; 9] = [
        Self::EtcdMemberList,
        Self::EtcdStatus,
        Self::EtcdSnapshot,
        Self::EtcdHashKv,
        Self::FilesRead,
        Self::FilesWrite,
        Self::Http,
        Self::SecretUse,
        Self::SecretReveal,
    ];

    /// The word as it stands in a manifest.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::EtcdMemberList => "etcd.member-list",
            Self::EtcdStatus => "etcd.status",
            Self::EtcdSnapshot => "etcd.snapshot",
            Self::EtcdHashKv => "etcd.hash-kv",
            Self::FilesRead => "files.read",
            Self::FilesWrite => "files.write",
            Self::Http => "http",
            Self::SecretUse => "secret.use",
            Self::SecretReveal => "secret.reveal",
        }
    }

    /// The line that an operator adds under `grants:` to allow it.
    #[must_use]
    pub fn grant_line(self) -> &'static str {
        match self {
            Self::EtcdMemberList => "etcd: [member-list]",
            Self::EtcdStatus => "etcd: [status]",
            Self::EtcdSnapshot => "etcd: [snapshot]",
            Self::EtcdHashKv => "etcd: [hash-kv]",
            Self::FilesRead => "files: [{directory: /the/folder, access: read}]",
            Self::FilesWrite => "files: [{directory: /the/folder, access: write}]",
            Self::Http => "http: [{scheme: https, host: the.host}]",
            Self::SecretUse => {
                "secret: [{name: the-secret, use: {sign: {algorithm: hmac-sha256}}}]"
            }
            Self::SecretReveal => "secret: [{name: the-secret, reveal: true}]",
        }
    }
}

impl Grants {
    /// Whether these grants satisfy `request` at least in part (a folder of the
    /// wanted access, the call of the wanted name).
    #[must_use]
    pub fn allow(&self, request: Request) -> bool {
        match request {
            Request::EtcdMemberList => self.etcd.contains(&EtcdCall::MemberList),
            Request::EtcdStatus => self.etcd.contains(&EtcdCall::Status),
            Request::EtcdSnapshot => self.etcd.contains(&EtcdCall::Snapshot),
            Request::EtcdHashKv => self.etcd.contains(&EtcdCall::HashKv),
            Request::FilesRead => !self.files.is_empty(),
            Request::FilesWrite => self.files.iter().any(|f| f.access == Access::Write),
            Request::Http => !self.http.is_empty(),
            Request::SecretUse => self.secret.iter().any(|grant| !grant.reveals()),
            Request::SecretReveal => self.secret.iter().any(SecretGrant::reveals),
        }
    }

    /// Whether an artifact is public where the plugin calls it so. What a plugin had in its
    /// hands nobody can follow through its memory: so it is what it *can* read that counts,
    /// and etcd's data, files of the node, answers of servers and revealed secrets are secret
    /// unless the operator says otherwise.
    #[must_use]
    pub fn allow_public(&self) -> bool {
        let reads = self.etcd.contains(&EtcdCall::Snapshot)
            || !self.files.is_empty()
            || !self.http.is_empty()
            || self.secret.iter().any(SecretGrant::reveals);
        !reads || self.output.contains(&OutputUse::Public)
    }

    /// Where requests may go; targets that were not looked up lead nowhere.
    pub fn http_rules(&self) -> impl Iterator<Item = &HttpRule> {
        self.http.iter().filter_map(HttpGrant::rule)
    }

    /// The secrets that are granted in whatever way, each once.
    #[must_use]
    pub fn secret_names(&self) -> BTreeSet<&Name> {
        self.secret.iter().map(|grant| &grant.name).collect()
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Backup => "backup",
            Self::Verify => "verify",
            Self::Store => "store",
        })
    }
}
