//! The sandbox: engine, threads and cache, shared by all plugins.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use drydock_capability_http::{HttpAccess, HttpConfig};
use drydock_core::plugin::{PluginManifest, World};
use drydock_core::{Clock, PluginDigest};
use tokio::runtime::{Handle, Runtime};
use tokio::task::JoinHandle;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::admit::{self, Admission, AdmitError, Reason};
use crate::cache::{self, Cache, CompiledFrom};
use crate::compile::{CompileError, Compiler};
use crate::engine::{self, Ticker};
use crate::limits::Limits;
use crate::link;
use crate::log::Speaker;
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
    http: Arc<HttpConfig>,
    own_folders: Arc<[PathBuf]>,
}

/// How to set up a sandbox.
pub struct SandboxConfig {
    /// Folder for compiled code; none to compile at every start.
    pub cache: Option<PathBuf>,
    /// The limits of plugins that are admitted without any of their own.
    pub limits: Limits,
    /// How to compile in a process of its own; none to compile in this one, without a
    /// limit: for components that are one's own.
    pub compiler: Option<Compiler>,
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
    compiler: Option<Compiler>,
    /// Held while compiling: one component at a time, so that what compiling takes is
    /// bounded as a whole. What ships with the host waits for nobody else's component.
    compiling_built_in: Mutex<()>,
    compiling_other: Mutex<()>,
    #[cfg(test)]
    pub spy: Option<Arc<crate::memory_search::Spy>>,
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
        let core = Core::new(config, engine)?;
        Ok(Self {
            core: Arc::new(core),
            http: Arc::default(),
            own_folders: Arc::default(),
        })
    }

    /// A sandbox with another engine, whose guests are watched.
    #[cfg(test)]
    pub(crate) fn watched(
        config: SandboxConfig,
        engine: &wasmtime::Config,
        spy: Arc<crate::memory_search::Spy>,
    ) -> wasmtime::Result<Self> {
        let mut core = Core::new(config, Engine::new(engine)?)?;
        core.spy = Some(spy);
        Ok(Self {
            core: Arc::new(core),
            http: Arc::default(),
            own_folders: Arc::default(),
        })
    }

    /// The same sandbox, whose plugins send their requests in another way. Those that were
    /// admitted before go on as they did.
    #[must_use]
    pub fn with_http(&self, config: HttpConfig) -> Self {
        Self {
            core: Arc::clone(&self.core),
            http: Arc::new(config),
            own_folders: Arc::clone(&self.own_folders),
        }
    }

    /// The same sandbox on a node whose daemon keeps its own things in these folders: their
    /// file system is none of a granted folder's own.
    #[must_use]
    pub fn beside(mut self, own_folders: Vec<PathBuf>) -> Self {
        self.own_folders = own_folders.into();
        self
    }

    /// Admits a component, or says why not. Nothing of it runs. Blocks while compiling:
    /// 50 ms for a small plugin, seconds for an interpreter.
    ///
    /// # Errors
    /// [`AdmitError`]; each names the plugin and the mend.
    pub fn admit(&self, admission: Admission<'_>) -> Result<Arc<Plugin>, AdmitError> {
        self.admit_with(admission, Clone::clone)
    }

    /// The same for a plugin that is to write nothing: it gets its folders for reading
    /// only, and a grant to read them is enough.
    ///
    /// # Errors
    /// As [`Sandbox::admit`].
    pub fn admit_for_reading(&self, admission: Admission<'_>) -> Result<Arc<Plugin>, AdmitError> {
        self.admit_with(admission, admit::reading)
    }

    fn admit_with(
        &self,
        admission: Admission<'_>,
        asked: impl FnOnce(&PluginManifest) -> PluginManifest,
    ) -> Result<Arc<Plugin>, AdmitError> {
        let limits = admission.limits.unwrap_or(&self.core.limits).clone();
        let digest = PluginDigest::of(admission.component);
        admit::check_size(admission.component, limits.component_bytes_max, &digest)?;
        let manifest =
            manifest::read(admission.component).map_err(|source| AdmitError::Manifest {
                digest: digest.clone(),
                source,
            })?;
        let grants = admit::effective(&admission, &asked(&manifest), &digest)?;
        let compiled = self.compile(&admission, limits.compile_max);
        let (component, compiled) =
            compiled.map_err(|error| admit::not_compiled(error, &manifest, &digest))?;
        admit::check_imports(&self.core.engine, &component, &manifest, &digest)?;
        let linked = self
            .link(&component, manifest.world, &grants)
            .map_err(|source| AdmitError::Link {
                name: manifest.name.clone(),
                digest: digest.clone(),
                source: Reason::of(&source),
            })?;
        let speaker = Speaker {
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            digest: digest.clone(),
        };
        let rules = grants.http_rules().cloned().collect();
        Ok(Arc::new(Plugin {
            core: Arc::clone(&self.core),
            http: HttpAccess::new(rules, Arc::clone(&self.http)),
            own_folders: Arc::clone(&self.own_folders),
            secrets: None,
            limits,
            speaker: Arc::new(speaker),
            manifest,
            digest,
            grants,
            compiled,
            linked,
        }))
    }

    fn compile(
        &self,
        Admission {
            component, builtin, ..
        }: &Admission<'_>,
        time_max: Duration,
    ) -> Result<(Component, CompiledFrom), CompileError> {
        let engine = &self.core.engine;
        let compiling = match builtin {
            Some(_) => &self.core.compiling_built_in,
            None => &self.core.compiling_other,
        };
        let compile = |component: &[u8]| {
            let _one_at_a_time = compiling.lock().unwrap_or_else(PoisonError::into_inner);
            match &self.core.compiler {
                Some(compiler) => compiler.compile(component, time_max),
                None => Ok(engine.precompile_component(component)?),
            }
        };
        match &self.core.cache {
            Some(cache) => cache.component(engine, component, compile),
            None => {
                let code = compile(component)?;
                Ok((cache::load_code(engine, &code)?, CompiledFrom::Component))
            }
        }
    }

    /// How long ago the guests' last tick was; none while no guest runs. Ticks come every
    /// few milliseconds: one that is seconds old means that guests no longer give up their
    /// threads, and hold up each other.
    #[must_use]
    pub fn tick_age(&self) -> Option<Duration> {
        self.core.ticker.age()
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
    fn new(config: SandboxConfig, engine: Engine) -> Result<Self, SandboxError> {
        let threads = |source| SandboxError::Threads { source };
        Ok(Self {
            ticker: Ticker::start(&engine).map_err(threads)?,
            engine,
            limits: config.limits,
            clock: config.clock,
            main: Handle::current(),
            guests: Some(guest_runtime().map_err(threads)?),
            cache: config.cache.and_then(open_cache),
            compiler: config.compiler,
            compiling_built_in: Mutex::default(),
            compiling_other: Mutex::default(),
            #[cfg(test)]
            spy: None,
        })
    }

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
