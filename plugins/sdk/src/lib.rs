//! What a Drydock plugin written in Rust is made of.
//!
//! A plugin is a component of one world: it produces artifacts ([`Backup`]), judges
//! them ([`Verify`]), keeps objects ([`Store`]) or changes the world ([`Action`]). The author writes a configuration
//! type, implements the world's trait for a type of their own, and names it once:
//!
//! ```no_run
//! use drydock_plugin_sdk::{Backup, Error, Output, Report, Sensitivity, plugin};
//!
//! #[derive(serde::Deserialize)]
//! struct Config { text: String }
//!
//! struct Motto;
//!
//! impl Backup for Motto {
//!     type Config = Config;
//!     fn run(config: Config) -> Result<Report, Error> {
//!         let output = Output::create("motto.txt", Sensitivity::Public)?;
//!         output.write(config.text.as_bytes())?;
//!         output.finish()?;
//!         Ok(Report::clean())
//!     }
//! }
//!
//! plugin! { world: backup, step: Motto, requests: [] }
//! ```
//!
//! The configuration arrives as JSON and is parsed before the plugin's own code runs;
//! an unknown key is an error that names the key and the nearest one. Calls to the
//! host return [`Error`], which a plugin passes on with `?`.
//!
//! The crate knows nothing of how the host carries a call out, nor of any storage.
//!
//! **Invariant:** a component built with [`plugin!`] carries exactly one manifest, whose
//! name and version are those of its Cargo package.
//! **Invariant:** nothing here touches the host unless the plugin calls it, so a
//! plugin's own decisions can be tested on the machine that builds it.
//!
//! A guest keeps nothing between calls: what has to outlive a crash stands in the
//! target, or in the sessions and receipts that the host keeps.

pub mod bindings;
pub mod config;
pub mod contents;
mod facts;
mod fault;
pub mod glob;
pub mod http;
mod id;
pub mod instant;
mod log;
mod manifest;
pub mod name;
mod step;

pub use bindings::action::export_action;
pub use bindings::backup::export_backup;
pub use bindings::host::drydock::plugin::artifact::{
    DigestAlgorithm, FactValue, Facts, Output, Sensitivity, Sink, Slice,
};
pub use bindings::host::drydock::plugin::files::{
    Entry, Folder, Item, ItemAttribute, ItemKind, Page, Walk,
};
pub use bindings::host::drydock::plugin::log::Severity;
pub use bindings::host::drydock::plugin::types::{
    Certainty, Error, ErrorClass, Finding, Level, Value,
};
pub use bindings::host::drydock::plugin::{
    clock, configuration, etcd, hold, outcome, plan, progress, secret, target,
};
pub use bindings::store::export_store;
pub use bindings::verify::export_verify;
pub use facts::FactMap;
pub use fault::Classed;
pub use id::unique_id;
pub use log::say;
#[doc(hidden)]
pub use manifest::{is_one_of, is_request, to_array};
pub use step::{
    Acknowledgement, Action, Backup, Checksum, ObjectPage, ObjectStat, PartReceipt, PassedOver,
    Probed, Report, SessionInfo, SessionKeeping, SessionPage, Store, StoreLayout, Verdict, Verify,
    from_token, to_token,
};
