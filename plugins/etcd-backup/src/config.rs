//! What the step can be told.

use serde::Deserialize;

/// The name that a snapshot gets when the schedule gives no template.
const NAME_DEFAULT: &str = "kubernetes-etcd-snapshot_%Y%m%d_%H%M%S.db";

#[derive(Debug, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Config {
    /// The endpoint to prefer while its member is healthy; one of the cluster's.
    pub endpoint: Option<String>,
    /// Whether a learner, which may lag behind, may give the snapshot.
    pub allow_learner: bool,
    /// Template of the artifact's name, rendered in UTC from the instant the run was due.
    pub name: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: None,
            allow_learner: false,
            name: NAME_DEFAULT.to_owned(),
        }
    }
}
