//! The contract's imports and exports, bound to this host: bindings made from `wit/`, and
//! adapters that translate between them and the capability crates. An adapter has no
//! logic of its own: every check is the capability's.

mod baseline;
mod convert;
mod etcd;
mod files;
mod http;
mod ours;
mod secret;

use drydock_core::plugin::{Grants, World};
use wasmtime::Engine;
use wasmtime::component::{HasSelf, Linker};

use crate::guest::Guest;

/// Everything that can be imported.
mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "host",
        imports: { default: async | trappable },
        with: {
            "drydock:plugin/artifact.slice": drydock_capability_artifact::Slice,
            "drydock:plugin/artifact.sink": drydock_capability_artifact::Sink,
            "drydock:plugin/artifact.output": drydock_capability_artifact::Output,
            "drydock:plugin/artifact.facts": crate::guest::SharedFacts,
            "drydock:plugin/files.folder": drydock_capability_files::Folder,
            "drydock:plugin/files.walk": drydock_capability_files::Walk,
            "drydock:plugin/secret.key": drydock_capability_secret::Key,
            "wasi:clocks": wasmtime_wasi::p2::bindings::clocks,
            "wasi:http": wasmtime_wasi_http::p2::bindings::http,
            "wasi:io": wasmtime_wasi::p2::bindings::io,
        },
    });
}

/// The world of backup plugins.
pub(crate) mod backup {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "backup",
        imports: { default: async | trappable },
        exports: { default: async },
        with: {
            "drydock:plugin/types": super::bindings::drydock::plugin::types,
            "drydock:plugin/artifact": super::bindings::drydock::plugin::artifact,
            "drydock:plugin/configuration": super::bindings::drydock::plugin::configuration,
            "drydock:plugin/log": super::bindings::drydock::plugin::log,
            "drydock:plugin/progress": super::bindings::drydock::plugin::progress,
            "drydock:plugin/clock": super::bindings::drydock::plugin::clock,
            "drydock:plugin/etcd": super::bindings::drydock::plugin::etcd,
            "drydock:plugin/files": super::bindings::drydock::plugin::files,
        },
    });
}

/// The world of verify plugins.
pub(crate) mod verify {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "verify",
        imports: { default: async | trappable },
        exports: { default: async },
        with: {
            "drydock:plugin/types": super::bindings::drydock::plugin::types,
            "drydock:plugin/artifact": super::bindings::drydock::plugin::artifact,
            "drydock:plugin/configuration": super::bindings::drydock::plugin::configuration,
            "drydock:plugin/log": super::bindings::drydock::plugin::log,
            "drydock:plugin/progress": super::bindings::drydock::plugin::progress,
            "drydock:plugin/clock": super::bindings::drydock::plugin::clock,
            "drydock:plugin/etcd": super::bindings::drydock::plugin::etcd,
            "drydock:plugin/files": super::bindings::drydock::plugin::files,
        },
    });
}

/// The world of store plugins.
pub(crate) mod store {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "store",
        imports: { default: async | trappable },
        exports: { default: async },
        with: {
            "drydock:plugin/types": super::bindings::drydock::plugin::types,
            "drydock:plugin/artifact": super::bindings::drydock::plugin::artifact,
            "drydock:plugin/configuration": super::bindings::drydock::plugin::configuration,
            "drydock:plugin/target": super::bindings::drydock::plugin::target,
            "drydock:plugin/log": super::bindings::drydock::plugin::log,
            "drydock:plugin/progress": super::bindings::drydock::plugin::progress,
            "drydock:plugin/clock": super::bindings::drydock::plugin::clock,
            "drydock:plugin/files": super::bindings::drydock::plugin::files,
        },
    });
}

pub(crate) use bindings::drydock::plugin as contract;
pub(crate) use http::Network;

/// The error record of the contract.
pub(crate) type WitError = contract::types::Error;

/// A linker with the baseline and with exactly what is granted.
pub(crate) fn linker(
    engine: &Engine,
    world: World,
    grants: &Grants,
) -> wasmtime::Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    baseline::add(&mut linker)?;
    let l = &mut linker;
    contract::types::add_to_linker::<_, HasSelf<Guest>>(l, |guest| guest)?;
    contract::artifact::add_to_linker::<_, HasSelf<Guest>>(l, |guest| guest)?;
    contract::configuration::add_to_linker::<_, HasSelf<Guest>>(l, |guest| guest)?;
    contract::log::add_to_linker::<_, HasSelf<Guest>>(l, |guest| guest)?;
    contract::progress::add_to_linker::<_, HasSelf<Guest>>(l, |guest| guest)?;
    contract::clock::add_to_linker::<_, HasSelf<Guest>>(l, |guest| guest)?;
    if world == World::Store {
        contract::target::add_to_linker::<_, HasSelf<Guest>>(l, |guest| guest)?;
    }
    if !grants.etcd.is_empty() {
        contract::etcd::add_to_linker::<_, HasSelf<Guest>>(l, |guest| guest)?;
    }
    if !grants.files.is_empty() {
        contract::files::add_to_linker::<_, HasSelf<Guest>>(l, |guest| guest)?;
    }
    if !grants.http.is_empty() {
        contract::http::add_to_linker::<_, HasSelf<Guest>>(l, |guest| guest)?;
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(l)?;
    }
    if !grants.secret.is_empty() {
        contract::secret::add_to_linker::<_, HasSelf<Guest>>(l, |guest| guest)?;
    }
    Ok(linker)
}
