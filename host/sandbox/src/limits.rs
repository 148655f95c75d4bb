//! What a plugin may use. Each limit that is hit ends the attempt with an error of its
//! own name that says what was asked and what is allowed.

use std::time::Duration;

use drydock_core::Fault;
use wasmtime::ResourceLimiter;

const MIB: usize = 1024 * 1024;

/// The limits of one attempt. The defaults fit every plugin that leaves bulk bytes with
/// the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// All linear memories together. A Rust guest that handles 1 MiB buffers needs about
    /// 4 MiB, an interpreter of a scripting language a hundred or two.
    pub memory_bytes_max: usize,
    /// From the call to its return, waiting included. An upload of one part or a whole
    /// snapshot of a large cluster fits into an hour many times.
    pub wall_max: Duration,
    /// How long a plugin may go on once it was asked to stop.
    pub cancel_grace_max: Duration,
    /// Text kept of one attempt: its log, stdout and stderr together.
    pub log_bytes_max: usize,
    /// Text and lists that a call returns. A page of a thousand objects has about 150 KiB.
    pub result_bytes_max: usize,
    /// Resource handles alive at once. A plugin holds a handful.
    pub handles_max: usize,
    /// Elements of one table of function references; large guests have some thousands.
    pub table_elements_max: usize,
    /// Core instances, tables and memories of one component. A Rust guest with its
    /// adapter has four; CPython, whose modules are libraries of their own, a few dozen.
    pub instances_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes_max: 256 * MIB,
            wall_max: Duration::from_secs(3600),
            cancel_grace_max: Duration::from_secs(30),
            log_bytes_max: MIB,
            result_bytes_max: 4 * MIB,
            handles_max: 1000,
            table_elements_max: 20_000,
            instances_max: 128,
        }
    }
}

/// Bytes that a guest may hand to the host in one call: the largest argument is 1 MiB,
/// and a result with its lists takes a few times its text.
pub(crate) const HOSTCALL_BYTES_MAX: usize = 8 * MIB;

/// Random bytes that one WASI call returns.
pub(crate) const RANDOM_BYTES_MAX: u64 = 64 * 1024;

/// Counts what a store uses.
#[derive(Debug)]
pub(crate) struct Limiter {
    limits: Limits,
    memory_bytes: usize,
}

/// A limit that a guest hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LimitHit {
    #[error("asked for {asked} bytes of memory, limit {limit}")]
    Memory { asked: usize, limit: usize },
    #[error("asked for a table of {asked} elements, limit {limit}")]
    Table { asked: usize, limit: usize },
}

impl Limiter {
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            memory_bytes: 0,
        }
    }
}

impl LimitHit {
    /// As the fault that ends the attempt of `plugin`.
    pub fn fault(self, plugin: &str) -> Fault {
        match self {
            Self::Memory { asked, limit } => Fault::permanent(
                "memory-limit",
                format!(
                    "plugin {plugin} asked for {} MiB of memory, the limit is {} MiB: raise `limits: {{guestMemoryMebibytes: ...}}` of the node's configuration, if the plugin is to have more",
                    asked.div_ceil(MIB),
                    limit / MIB
                ),
            )
            .with_detail("asked", asked)
            .with_detail("limit", limit),
            Self::Table { asked, limit } => Fault::permanent(
                "table-limit",
                format!("plugin {plugin} asked for a table of {asked} elements, the limit is {limit}"),
            ),
        }
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let asked = self
            .memory_bytes
            .saturating_add(desired.saturating_sub(current));
        let limit = self.limits.memory_bytes_max;
        if asked > limit {
            return Err(LimitHit::Memory { asked, limit }.into());
        }
        self.memory_bytes = asked;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let limit = self.limits.table_elements_max;
        if desired > limit {
            let asked = desired;
            return Err(LimitHit::Table { asked, limit }.into());
        }
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.limits.instances_max
    }

    fn tables(&self) -> usize {
        self.limits.instances_max
    }

    fn memories(&self) -> usize {
        self.limits.instances_max
    }
}
