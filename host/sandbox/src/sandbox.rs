//! The sandbox: engine, threads and cache, shared by all plugins.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use drydock_core::plugin::{PluginManifest, World};
use drydock_core::{Clock, PluginDigest};
use tokio::runtime::{Handle, Runtime};
use tokio::task::JoinHandle;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::admit::{self, Admission, AdmitError};
use crate::cache::{Cache, CompiledFrom};
use crate::engine::{self, Ticker};
use crate::limits::Limits;
use crate::link;
use crate::manifest;
use crate::plugin::{Linked, Plugin};

/// Threads that guests run on. Two, so that a guest that computes does not hold up one
/// that waits for a part to be stored.
const GUEST_THREADS: usize = 2;

/// Threads for what the standard library of a guest does with its empty file system.
const GUEST_BLOCKING_THREADS_MAX: usize = 2;

/// Runs plugins. Clones are the same sandbox.
#[derive(Clone)]
pub struct Sandbox {
    core: Arc<Core>,
}

/// How to set up a sandbox.
pub struct SandboxConfig {
    /// Folder for compiled code; none to compile at every start.
    pub cache: Option<PathBuf>,
    pub limits: Limits,
    /// The clock that plugins see.
    pub clock: Arc<dyn Clock>,
}

/// Why there is no sandbox.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    #[error("the WebAssembly engine cannot be set up on this machine")]
    Engine {
        #[source]
        source: wasmtime::Error,
    },
    #[error("the threads for plugins cannot be started")]
    Threads {
        #[source]
        source: io::Error,
    },
}

/// What all plugins of a sandbox share.
pub(crate) struct Core {
    pub engine: Engine,
    pub ticker: Ticker,
    pub limits: Limits,
    pub clock: Arc<dyn Clock>,
    /// The runtime that capabilities work on.
    pub main: Handle,
    guests: Option<Runtime>,
    cache: Option<Cache>,
}

impl Sandbox {
    /// Sets up engine and threads. The current tokio runtime becomes the one that the
    /// plugins' calls to the host are carried out on.
    ///
    /// # Errors
    /// [`SandboxError`]. A cache that cannot be used is not an error: plugins are then
    /// compiled each time, and the log says why.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn new(config: SandboxConfig) -> Result<Self, SandboxError> {
        let engine = engine::engine().map_err(|source| SandboxError::Engine { source })?;
        let threads = |source| SandboxError::Threads { source };
        let core = Core {
            ticker: Ticker::start(&engine).map_err(threads)?,
            engine,
            limits: config.limits,
            clock: config.clock,
            main: Handle::current(),
            guests: Some(guest_runtime().map_err(threads)?),
            cache: config.cache.and_then(open_cache),
        };
        Ok(Self {
            core: Arc::new(core),
        })
    }

    /// Admits a component, or says why not. Nothing of it runs. Blocks while compiling:
    /// 50 ms for a small plugin, seconds for an interpreter.
    ///
    /// # Errors
    /// [`AdmitError`]; each names the plugin and the mend.
    pub fn admit(&self, admission: Admission<'_>) -> Result<Arc<Plugin>, AdmitError> {
        let digest = PluginDigest::of(admission.component);
        let manifest =
            manifest::read(admission.component).map_err(|source| AdmitError::Manifest {
                digest: digest.clone(),
                source,
            })?;
        let grants = admit::effective(&admission, &manifest, &digest)?;
        let (component, compiled) = self.compile(admission.component, &manifest, &digest)?;
        admit::check_imports(&self.core.engine, &component, &manifest, &digest)?;
        let linked = self
            .link(&component, manifest.world, &grants)
            .map_err(|source| AdmitError::Link {
                name: manifest.name.clone(),
                digest: digest.clone(),
                source,
            })?;
        Ok(Arc::new(Plugin {
            core: Arc::clone(&self.core),
            manifest,
            digest,
            grants,
            compiled,
            linked,
        }))
    }

    fn compile(
        &self,
        component: &[u8],
        manifest: &PluginManifest,
        digest: &PluginDigest,
    ) -> Result<(Component, CompiledFrom), AdmitError> {
        let engine = &self.core.engine;
        let compiled = match &self.core.cache {
            Some(cache) => cache.component(engine, component),
            None => Component::new(engine, component).map(|code| (code, CompiledFrom::Component)),
        };
        compiled.map_err(|source| AdmitError::Invalid {
            name: manifest.name.clone(),
            digest: digest.clone(),
            source,
        })
    }

    fn link(
        &self,
        component: &Component,
        world: World,
        grants: &drydock_core::plugin::Grants,
    ) -> wasmtime::Result<Linked> {
        let linker = link::linker(&self.core.engine, world, grants)?;
        let pre = linker.instantiate_pre(component)?;
        Ok(match world {
            World::Backup => Linked::Backup(link::backup::BackupPre::new(pre)?),
            World::Verify => Linked::Verify(link::verify::VerifyPre::new(pre)?),
            World::Store => Linked::Store(link::store::StorePre::new(pre)?),
        })
    }
}

impl Core {
    /// Runs a guest's task on the guests' threads.
    pub fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        let guests = self.guests.as_ref();
        guests
            .expect("the guests' runtime lives as long as the sandbox")
            .spawn(task)
    }
}

impl Drop for Core {
    /// Waits for nobody: this may happen on a thread that must not block. Guests end at
    /// their next tick.
    fn drop(&mut self) {
        if let Some(guests) = self.guests.take() {
            guests.shutdown_background();
        }
    }
}

fn guest_runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(GUEST_THREADS)
        .max_blocking_threads(GUEST_BLOCKING_THREADS_MAX)
        .thread_name("drydock-guest")
        .enable_time()
        .build()
}

fn open_cache(folder: PathBuf) -> Option<Cache> {
    let opened = Cache::open(&folder);
    opened
        .inspect_err(|error| {
            let cause = std::error::Error::source(error).map(ToString::to_string);
            tracing::warn!(%error, cause, "plugins are compiled at every start");
        })
        .ok()
}
