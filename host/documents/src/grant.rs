//! `kind: PluginGrant`: what an operator allows one plugin.

use std::path::{Path, PathBuf};

use drydock_core::{Grants, Name, PluginDigest};
use serde::{Deserialize, Serialize};

use super::limits::Limits;
use super::problem::{Problem, grant_problems};
use super::value::resolve_path;
use super::vocabulary::unread;

/// Hex digits of a SHA-256 digest.
const DIGEST_DIGITS: usize = 64;

/// What an operator allows one plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PluginGrant {
    pub name: Name,
    pub spec: PluginGrantSpec,
}

/// Exactly one of `builtin`, `digest` and `folder` is given; [`PluginGrantSpec::subject`] tells
/// which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PluginGrantSpec {
    #[serde(default)]
    builtin: Option<Name>,
    #[serde(default)]
    digest: Option<PluginDigest>,
    /// Whatever plugins of the node lie there, on a node for development.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    folder: Option<PathBuf>,
    #[serde(default, deserialize_with = "unread")]
    pub grants: Grants,
    /// Of this plugin; what is absent is as the node says.
    #[serde(default, skip_serializing_if = "Limits::is_empty")]
    pub limits: Limits,
}

/// Whom a grant is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum GrantSubject<'a> {
    /// The plugin of that name that is embedded in the daemon.
    Builtin(&'a str),
    /// The one component with this digest.
    Digest(&'a PluginDigest),
    /// Every component in this folder that the node uses.
    Folder(&'a Path),
}

impl PluginGrantSpec {
    /// Whom the grant is for.
    #[must_use]
    pub fn subject(&self) -> GrantSubject<'_> {
        match (&self.builtin, &self.digest, &self.folder) {
            (_, Some(digest), _) => GrantSubject::Digest(digest),
            (_, None, Some(folder)) => GrantSubject::Folder(folder),
            (Some(name), None, None) => GrantSubject::Builtin(name.as_str()),
            // Refused when it is parsed; as a value it names no plugin at all.
            (None, None, None) => GrantSubject::Builtin(""),
        }
    }

    /// The same for one component.
    #[must_use]
    pub fn for_component(&self, digest: PluginDigest) -> Self {
        Self {
            builtin: None,
            digest: Some(digest),
            folder: None,
            ..self.clone()
        }
    }
}

impl PluginGrant {
    pub(super) fn resolve_paths(&mut self, base: &Path) {
        if let Some(folder) = &mut self.spec.folder {
            resolve_path(folder, base);
        }
    }

    pub(super) fn problems(&self) -> Vec<Problem> {
        let spec = &self.spec;
        let mut problems = Vec::new();
        let named = [
            spec.builtin.is_some(),
            spec.digest.is_some(),
            spec.folder.is_some(),
        ];
        if named.into_iter().filter(|is_named| *is_named).count() != 1 {
            problems.push(Problem::new(
                "spec",
                "must name one plugin, either by builtin: NAME or by digest: sha256:..., or, on a node for development, folder: DIR",
            ));
        }
        if spec
            .digest
            .as_ref()
            .is_some_and(|digest| !is_digest(digest))
        {
            problems.push(Problem::new(
                "spec.digest",
                "must be sha256: and 64 lower-case hex digits, as drydock plugin list prints it",
            ));
        }
        problems.extend(grant_problems(&spec.grants, "spec.grants"));
        problems
    }
}

fn is_digest(digest: &PluginDigest) -> bool {
    digest.as_str().strip_prefix("sha256:").is_some_and(|hex| {
        hex.len() == DIGEST_DIGITS && hex.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'))
    })
}
