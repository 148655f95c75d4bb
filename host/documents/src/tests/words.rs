//! What can be granted in these tests: lists as the real ones are, as far as documents have
//! to do with them.

use drydock_core::capability::GrantProblem;
use drydock_core::tree::Node;
use drydock_core::{Capability, DecodeError, Endpoint, Grant, Grants, Power, TargetName};
use serde::{Deserialize, Serialize};

use crate::Vocabulary;

/// A list of words.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Call {
    MemberList,
    Status,
    Snapshot,
    HashKv,
}

/// A list of mappings, with a rule of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Folder {
    pub directory: String,
    pub access: String,
}

/// A list that may name targets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    target: Option<TargetName>,
    at: Option<Endpoint>,
}

pub struct Words;

const CAPABILITIES: &[Capability] = &[
    Capability::of::<Call>(),
    Capability::of::<Folder>(),
    Capability::of::<Server>(),
];

impl Vocabulary for Words {
    fn grants(&self, written: &Node) -> Result<Grants, DecodeError> {
        Grants::parse(written, CAPABILITIES.iter())
    }
}

impl Grant for Call {
    const NAME: &'static str = "etcd";
    const POWERS: &'static [Power] = &[];

    fn common(&self, _: &Self) -> Option<Self> {
        None
    }

    fn allows(&self, _: &Power) -> bool {
        false
    }

    fn hint(_: &[&'static Power]) -> String {
        String::new()
    }
}

impl Grant for Folder {
    const NAME: &'static str = "files";
    const POWERS: &'static [Power] = &[];

    fn common(&self, _: &Self) -> Option<Self> {
        None
    }

    fn allows(&self, _: &Power) -> bool {
        false
    }

    fn problems(entries: &[Self]) -> Vec<GrantProblem> {
        let plain = |folder: &Self| {
            folder.directory.starts_with('/') && !folder.directory.split('/').any(|n| n == "..")
        };
        let entries = entries.iter().enumerate();
        let odd = entries.filter(|(_, folder)| !plain(folder));
        odd.map(|(index, _)| {
            GrantProblem::new(
                format!("[{index}].directory"),
                "must be an absolute path without .., e.g. /var/backups/drydock",
            )
        })
        .collect()
    }

    fn hint(_: &[&'static Power]) -> String {
        String::new()
    }
}

impl Grant for Server {
    const NAME: &'static str = "http";
    const POWERS: &'static [Power] = &[];

    fn common(&self, _: &Self) -> Option<Self> {
        None
    }

    fn allows(&self, _: &Power) -> bool {
        false
    }

    fn hint(_: &[&'static Power]) -> String {
        String::new()
    }

    fn target(&self) -> Option<&TargetName> {
        self.target.as_ref()
    }

    fn at(&self, endpoints: &[Endpoint]) -> Vec<Self> {
        let server = |endpoint: &Endpoint| Self {
            target: None,
            at: Some(endpoint.clone()),
        };
        endpoints.iter().map(server).collect()
    }
}
