//! The contract: bindings made from `wit/`, once, over everything that a plugin can import
//! and export; and the worlds, a row each. What a plugin exports is looked up by its
//! world's interface.
//!
//! What plugins import is linked so that its calls can be written down: [`crate::border`].
//!
//! A new world is a row in `worlds!`, its interface among the exports of `everything`, and
//! a file below with its typed calls.

mod action;
mod backup;
mod store;
mod verify;

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use drydock_core::Facts;
use serde::{Deserialize, Serialize};
use wasmtime::Store;
use wasmtime::component::InstancePre;

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit",
        inline: "
            package drydock:sandbox;

            world everything {
                include drydock:plugin/host@0.1.0;
                export drydock:plugin/backup-step@0.1.0;
                export drydock:plugin/verify-step@0.1.0;
                export drydock:plugin/store-step@0.1.0;
                export drydock:plugin/action-step@0.1.0;
            }
        ",
        world: "everything",
        imports: { default: async | trappable },
        exports: { default: async },
        additional_derives: [serde::Serialize, serde::Deserialize],
        wasmtime_crate: crate::border::linked,
        with: {
            "drydock:plugin/artifact.slice": drydock_capability_artifact::Slice,
            "drydock:plugin/artifact.sink": drydock_capability_artifact::Sink,
            "drydock:plugin/artifact.output": drydock_capability_artifact::Output,
            "drydock:plugin/artifact.facts": crate::SharedFacts,
            "drydock:plugin/files.folder": drydock_capability_files::Folder,
            "drydock:plugin/files.walk": drydock_capability_files::Walk,
            "drydock:plugin/secret.key": drydock_capability_secret::Key,
            "wasi:clocks": wasmtime_wasi::p2::bindings::clocks,
            "wasi:http": wasmtime_wasi_http::p2::bindings::http,
            "wasi:io": wasmtime_wasi::p2::bindings::io,
        },
    });
}

pub use action::*;
pub use backup::*;
pub use store::*;
pub use verify::*;

pub(crate) use bindings::drydock::plugin as contract;
pub(crate) use bindings::exports::drydock::plugin as steps;

/// The error record of the contract.
pub(crate) type WitError = contract::types::Error;

/// What crosses the border between guest and host; the outer error ends the attempt.
pub(crate) type Answer<T> = wasmtime::Result<Result<T, WitError>>;

/// Facts as a resource.
#[derive(Debug, Clone)]
pub struct SharedFacts(pub Arc<Facts>);

/// The interface that a world's plugins export.
pub(crate) trait Step: Sized {
    /// Instantiates the plugin in the store, to be called there.
    fn enter<T: Send + 'static>(
        plugin: &InstancePre<T>,
        store: &mut Store<T>,
    ) -> impl Future<Output = wasmtime::Result<Self>> + Send;
}

macro_rules! worlds {
    ($($(#[$doc:meta])* $world:ident $word:literal $step:ident,)*) => {
        /// The role of a plugin.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum World {
            $($(#[$doc])* #[serde(rename = $word)] $world,)*
        }

        impl World {
            /// Every world there is.
            pub const ALL: [Self; [$($word),*].len()] = [$(Self::$world),*];

            /// As it stands in a manifest, and before `-step` in the name of its interface.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$world => $word,)*
                }
            }

            /// Whether the plugin exports every function of the world's interface.
            pub(crate) fn check<T>(self, plugin: &InstancePre<T>) -> wasmtime::Result<()> {
                match self {
                    $(Self::$world => steps::$step::GuestIndices::new(plugin).map(drop),)*
                }
            }

            /// Calls `check-config`, which every world has.
            pub(crate) async fn check_config<T: Send + 'static>(
                self,
                plugin: &InstancePre<T>,
                store: &mut Store<T>,
            ) -> Answer<Vec<contract::types::Finding>> {
                match self {
                    $(Self::$world => {
                        let step = steps::$step::Guest::enter(plugin, store).await?;
                        step.call_check_config(store).await
                    })*
                }
            }
        }

        $(impl Step for steps::$step::Guest {
            async fn enter<T: Send + 'static>(
                plugin: &InstancePre<T>,
                store: &mut Store<T>,
            ) -> wasmtime::Result<Self> {
                let instance = plugin.instantiate_async(&mut *store).await?;
                steps::$step::GuestIndices::new(plugin)?.load(store, &instance)
            }
        })*
    };
}

worlds! {
    /// Produces artifacts.
    Backup "backup" backup_step,
    /// Judges artifacts.
    Verify "verify" verify_step,
    /// Keeps objects.
    Store "store" store_step,
    /// Changes the world, and takes that back.
    Action "action" action_step,
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
