//! What the documents say of drills: `drill:` of a node's configuration, which programs,
//! which identity and where; and `drill:` of a Schedule's step, which target.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::problem::Problem;
use super::value::{Bounded, SecretFrom, id, resolve_path};
use drydock_core::TargetName;

/// Members of a scratch cluster: etcd recommends no more than seven, and a drill starts
/// all of them on one machine.
pub type Members = Bounded<1, 7>;

/// Members when neither the documents nor the recovery point say how many.
pub const MEMBERS: u64 = 3;

/// Hex digits of a SHA-256.
const SHA256_CHARS: usize = 64;

/// `drill:` of a node's configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DrillConfig {
    /// The program `etcd`.
    #[serde(default)]
    pub etcd: Option<Program>,
    /// The program `kube-apiserver`.
    #[serde(default)]
    pub api_server: Option<Program>,
    /// What opens the recovery points. Without it this node drills nothing by itself.
    #[serde(default)]
    pub identity: Option<SecretFrom>,
    /// Members of the scratch cluster.
    #[serde(default)]
    members: Option<Members>,
    /// Where the scratch cluster lives while a drill goes on; `drill` in the state folder
    /// when nothing is said.
    #[serde(default)]
    pub scratch: Option<PathBuf>,
    /// Where reports are kept; `reports` in the state folder when nothing is said.
    #[serde(default)]
    pub reports: Option<PathBuf>,
}

/// A program that a drill runs: one that lies here, or one that is downloaded once and
/// has this digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Program {
    #[serde(default)]
    pub path: Option<PathBuf>,
    #[serde(default)]
    pub url: Option<String>,
    /// Lower-case hex, of what the URL leads to.
    #[serde(default)]
    pub sha256: Option<String>,
    /// The program's name inside a `.tar.gz`.
    #[serde(default)]
    pub member: Option<String>,
}

/// Where a program comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin<'a> {
    Path(&'a Path),
    Download {
        url: &'a str,
        sha256: &'a str,
        member: Option<&'a str>,
    },
}

/// `drill:` of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Drill {
    /// Whose newest recovery point is drilled.
    #[serde(deserialize_with = "id")]
    pub target: TargetName,
    /// Whether a kube-apiserver is started on the scratch cluster, and objects are listed.
    #[serde(default)]
    pub api_server: bool,
}

impl DrillConfig {
    /// How many members the scratch cluster has, where the node says.
    #[must_use]
    pub fn members(&self) -> Option<usize> {
        let members = self.members?.get();
        Some(usize::try_from(members).expect("the document's bound is below ten"))
    }

    pub(super) fn resolve_paths(&mut self, folder: &Path) {
        for program in [&mut self.etcd, &mut self.api_server] {
            let path = program.as_mut().and_then(|program| program.path.as_mut());
            path.into_iter().for_each(|path| resolve_path(path, folder));
        }
        for path in [&mut self.scratch, &mut self.reports] {
            path.iter_mut().for_each(|path| resolve_path(path, folder));
        }
        if let Some(identity) = &mut self.identity {
            identity.value_from.resolve(folder);
        }
    }

    pub(super) fn problems(&self) -> Vec<Problem> {
        let programs = [("etcd", &self.etcd), ("apiServer", &self.api_server)];
        let given = programs
            .into_iter()
            .filter_map(|(key, program)| Some((key, program.as_ref()?)));
        given
            .flat_map(|(key, program)| program.problems(&format!("spec.drill.{key}")))
            .collect()
    }
}

impl Program {
    /// Where it comes from; none only for a document that was refused.
    #[must_use]
    pub fn origin(&self) -> Option<Origin<'_>> {
        match (&self.path, &self.url, &self.sha256) {
            (Some(path), None, None) => Some(Origin::Path(path)),
            (None, Some(url), Some(sha256)) => Some(Origin::Download {
                url,
                sha256,
                member: self.member.as_deref(),
            }),
            _ => None,
        }
    }

    fn problems(&self, path: &str) -> Vec<Problem> {
        if self.origin().is_none() || (self.path.is_some() && self.member.is_some()) {
            let rule = "must be {path: FILE}, or {url: URL, sha256: DIGEST} with {member: NAME} for a program inside a .tar.gz";
            return vec![Problem::new(path, rule)];
        }
        let mut problems = Vec::new();
        let is_hex = |text: &str| {
            let hex = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            text.len() == SHA256_CHARS && text.bytes().all(hex)
        };
        if self.sha256.as_deref().is_some_and(|text| !is_hex(text)) {
            problems.push(Problem::new(
                format!("{path}.sha256"),
                "must be a SHA-256: 64 lower-case hex digits, as sha256sum prints it",
            ));
        }
        let is_web = |url: &str| url.starts_with("https://") || url.starts_with("http://");
        if self.url.as_deref().is_some_and(|url| !is_web(url)) {
            problems.push(Problem::new(
                format!("{path}.url"),
                "must begin with https:// or http://",
            ));
        }
        let stays = |member: &str| {
            let mut parts = member.split('/');
            !member.starts_with('-') && parts.all(|part| !matches!(part, "" | "." | ".."))
        };
        if self.member.as_deref().is_some_and(|member| !stays(member)) {
            problems.push(Problem::new(
                format!("{path}.member"),
                "must be the program's name inside the archive, e.g. etcd-v3.6.16-linux-amd64/etcd",
            ));
        }
        problems
    }
}
