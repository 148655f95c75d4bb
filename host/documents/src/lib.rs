//! Documents that operators write: YAML, any number to a file, `apiVersion:
//! drydock.dev/v1`.
//!
//! Text becomes a tree in which every key knows its place ([`tree`]); the tree is
//! decoded into one of five kinds of document; documents are joined into a
//! [`DocumentSet`], in which every reference holds. What can be granted is read by a
//! [`Vocabulary`] that the node brings. Nothing is read from outside here: values
//! that stand in files or in the environment are named by the documents and fetched
//! through a [`Lookup`] that the daemon brings: those of a `config:` and of a target's
//! `endpoints:` when the documents are taken in ([`Loaded::read_values`]), all others when
//! they are used.
//!
//! **Invariant:** every mistake is one sentence with file, line and column that says
//! how to mend it. A key that no document has is a mistake.
//!
//! **Invariant:** relative paths are resolved against the document's own file before
//! anybody sees the document.

pub mod cluster;
mod config;
mod document;
pub mod drill;
mod error;
pub mod grant;
pub mod identity;
pub mod limits;
mod loaded;
mod located;
pub mod node;
mod problem;
pub mod schedule;
mod server;
mod set;
mod set_aside;
mod syntax;
pub mod target;
mod throttle;
mod tree;
mod value;
mod vocabulary;
mod workflow;

#[cfg(test)]
mod tests;

pub use cluster::{Cluster, EtcdAccess};
pub use config::PluginConfig;
pub use document::{API_VERSION, Document, Kind, parse, parse_grants, parse_node_config};
pub use drill::{Drill, DrillConfig};
pub use drydock_core::tree::Position;
pub use error::{FileError, FileErrors, SourceSpan};
pub use grant::{GrantSubject, PluginGrant};
pub use identity::Identity;
pub use limits::{Limits, above_limits_max};
pub use loaded::{Among, Loaded, Need, Usable};
pub use located::Located;
pub use node::NodeConfig;
pub use schedule::step::{
    ActionStep, Choice, Frees, Gate, Hold, Input, OutputRef, STEP_KEYS, StepKey, When,
};
pub use schedule::{
    CatchUp, ConcurrencyPolicy, DstMode, Role, Schedule, Step, StepNeed, StepNeeds, StepWork,
};
pub use server::{Server, ServerBelow, ServerError, Servers};
pub use set::DocumentSet;
pub use set_aside::parse_node_config_without;
pub use target::Target;
pub use throttle::ThrottleSpec;
pub use tree::{FILE_BYTES_MAX, Positions, read_yaml};
pub use value::{Bounded, Lookup, Seconds, SecondsOrZero, SecretFrom, Setting, Source, ValueError};
pub use vocabulary::Vocabulary;
pub use workflow::Workflow;
