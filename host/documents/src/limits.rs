//! What plugins may use: `limits:` of a node, for all of them; `limits:` of a PluginGrant,
//! for its plugin; and `limitsMax:` of a node, the most that any PluginGrant may say.

use serde::{Deserialize, Serialize};

use super::problem::Problem;
use super::value::{Bounded, Seconds};
use super::{FileError, Located, NodeConfig, PluginGrant};

/// Declares [`Limits`]: for each key of the documents a field, and a way to read it.
macro_rules! limits {
    ($($(#[$doc:meta])* $field:ident $key:literal: $bounds:ty,)*) => {
        /// Limits of plugins, as far as a document sets them.
        #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct Limits {
            $(
                #[serde(default, skip_serializing_if = "Option::is_none")]
                $field: Option<$bounds>,
            )*
        }

        impl Limits {
            $(
                $(#[$doc])*
                #[must_use]
                pub fn $field(&self) -> Option<u64> {
                    self.$field.map(Bounded::get)
                }
            )*

            /// Every key with what the document sets it to.
            fn figures(&self) -> impl Iterator<Item = (&'static str, Option<u64>)> {
                [$(($key, self.$field())),*].into_iter()
            }
        }
    };
}

limits! {
    /// Linear memories: 16 at least (a guest of Rust's std starts in 2), 4096 at most
    /// (32-bit guests).
    guest_memory_mebibytes "guestMemoryMebibytes": Bounded<16, 4096>,
    /// Elements of tables of function references; the smallest Rust guest has some dozens.
    table_elements "tableElements": Bounded<100, 10_000_000>,
    /// CPU time of one attempt.
    guest_cpu_seconds "guestCpuSeconds": Seconds,
    /// Time without a sign of life.
    idle_seconds "idleSeconds": Seconds,
    /// Time from a call to its return.
    step_wall_seconds "stepWallSeconds": Seconds,
    /// Time that it may go on once its run was asked to stop.
    stop_seconds "stopSeconds": Bounded<1, 600>,
    /// Calls into the host of one attempt. std alone needs some dozens.
    host_calls "hostCalls": Bounded<1000, 1_000_000_000_000>,
    /// Resource handles alive at once; each costs the host some memory.
    handles "handles": Bounded<10, 100_000>,
    /// Text and lists that a call returns. They pass through the host's memory.
    result_kibibytes "resultKibibytes": Bounded<1, 65_536>,
    /// Log of one attempt, which the host keeps in memory until it ends.
    log_kibibytes "logKibibytes": Bounded<1, 65_536>,
    /// Lines of it on the average.
    log_lines_per_second "logLinesPerSecond": Bounded<1, 100_000>,
    /// Size of the component, which is read into memory.
    component_mebibytes "componentMebibytes": Bounded<1, 1024>,
    /// Time that compiling it takes.
    compile_seconds "compileSeconds": Bounded<1, 3600>,
}

impl Limits {
    /// Whether nothing is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.figures().all(|(_, figure)| figure.is_none())
    }

    /// The keys that are set higher than `most` allows, with both figures.
    fn above(&self, most: &Self) -> impl Iterator<Item = (&'static str, u64, u64)> {
        let both = self.figures().zip(most.figures());
        both.filter_map(|((key, own), (_, most))| {
            let (own, most) = (own?, most?);
            (own > most).then_some((key, own, most))
        })
    }
}

/// A node's own limits must lie within what it allows to others.
pub(super) fn own_problems(limits: &Limits, most: &Limits) -> Vec<Problem> {
    let told = |(key, own, most)| {
        Problem::new(
            format!("spec.limits.{key}"),
            format!(
                "is {own}, and spec.limitsMax.{key} allows {most} at most; lower the one or raise the other"
            ),
        )
    };
    limits.above(most).map(told).collect()
}

/// The limits of grants that are higher than the node allows.
pub fn above_limits_max<'a>(
    grants: impl Iterator<Item = &'a Located<PluginGrant>>,
    node: &Located<NodeConfig>,
) -> Vec<FileError> {
    let most = &node.value.spec.limits_max;
    let mut errors = Vec::new();
    for grant in grants {
        for (key, own, most) in grant.value.spec.limits.above(most) {
            let at = node.at(&format!("spec.limitsMax.{key}"));
            let rule = format!(
                "of a PluginGrant is {own}, and limitsMax of the node's configuration ({}:{at}) allows {most} at most; lower the one or raise the other",
                node.file
            );
            errors.push(grant.error(&format!("spec.limits.{key}"), rule));
        }
    }
    errors
}
