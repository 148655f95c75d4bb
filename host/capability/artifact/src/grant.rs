//! Grants of what may become of a plugin's outputs. Nobody asks for them in a manifest: they
//! are about the bytes and not about a power.

use drydock_core::{Grant, Grants, Power};
use serde::{Deserialize, Serialize};

/// What may become of what a plugin makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutputUse {
    /// An artifact that the plugin calls public may lie unsealed, whatever it was made of.
    Public,
}

/// Whether an artifact is public where the plugin calls it so: etcd's data, files of the
/// node, answers of servers and revealed secrets are secret unless the operator says
/// otherwise.
#[must_use]
pub fn may_publish(grants: &Grants) -> bool {
    !grants.disclose() || grants.of::<OutputUse>().contains(&OutputUse::Public)
}

impl Grant for OutputUse {
    const NAME: &'static str = "output";
    const POWERS: &'static [Power] = &[];

    fn common(&self, ceiling: &Self) -> Option<Self> {
        (self == ceiling).then_some(*self)
    }

    fn allows(&self, _: &Power) -> bool {
        false
    }

    fn part(&self, _: &[&'static Power]) -> Option<Self> {
        Some(*self)
    }

    fn hint(_: &[&'static Power]) -> String {
        "e.g. public".to_owned()
    }
}
