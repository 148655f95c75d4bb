//! What all plugins of a sandbox share: engine, threads, cache and compiler.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use drydock_core::Clock;
use tokio::runtime::{Handle, Runtime};
use tokio::task::JoinHandle;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::cache::{self, Cache, CompiledFrom};
use crate::compile::{CompileError, Compiler};
use crate::engine::Ticker;
use crate::limits::Limits;

/// Threads that guests run on. Two, so that a guest that computes does not hold up one
/// that waits for a part to be stored.
const GUEST_THREADS: usize = 2;

/// Threads for what the standard library of a guest does with its empty file system.
const GUEST_BLOCKING_THREADS_MAX: usize = 2;

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
    pub watch: Option<Watch>,
}

/// Looks at a guest's store at every border between guest and host.
#[cfg(test)]
pub(crate) type Watch =
    Arc<dyn Fn(wasmtime::StoreContextMut<'_, crate::guest::Guest>) + Send + Sync>;

impl Core {
    pub fn new(config: SandboxConfig, engine: Engine) -> Result<Self, SandboxError> {
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
            watch: None,
        })
    }

    /// Compiles a component, or takes its code from the cache.
    pub fn compile(
        &self,
        component: &[u8],
        is_built_in: bool,
        time_max: Duration,
    ) -> Result<(Component, CompiledFrom), CompileError> {
        let engine = &self.engine;
        let compiling = if is_built_in {
            &self.compiling_built_in
        } else {
            &self.compiling_other
        };
        let compile = |component: &[u8]| {
            let _one_at_a_time = compiling.lock().unwrap_or_else(PoisonError::into_inner);
            match &self.compiler {
                Some(compiler) => compiler.compile(component, time_max),
                None => Ok(engine.precompile_component(component)?),
            }
        };
        match &self.cache {
            Some(cache) => cache.component(engine, component, compile),
            None => {
                let code = compile(component)?;
                Ok((cache::load_code(engine, &code)?, CompiledFrom::Component))
            }
        }
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
