//! What a plugin may use. Each limit that is hit ends the attempt with an error of its
//! own name that says what was asked, what is allowed, and which line of which document
//! raises it. Only the log's limits end nothing: surplus lines are dropped and counted.

mod hit;
mod meter;

use std::time::Duration;

use wasmtime::ResourceLimiter;

pub(crate) use hit::{LimitHit, mend};
pub(crate) use meter::{Meter, Metered};

const MIB: usize = 1024 * 1024;

/// The limits of one plugin: of each attempt, and of taking the component in. The defaults
/// fit every plugin that leaves bulk bytes with the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// All linear memories together. A Rust guest that handles 1 MiB buffers needs about
    /// 4 MiB, an interpreter of a scripting language a hundred or two.
    pub memory_bytes_max: usize,
    /// Elements of all tables of function references together; large guests have some
    /// thousands.
    pub table_elements_max: usize,
    /// Core instances, tables and memories of one component. A Rust guest with its
    /// adapter has four; CPython, whose modules are libraries of their own, a few dozen.
    pub instances_max: usize,
    /// Time that the guest computes, on whatever thread; waiting for the host costs none.
    /// Reading a GiB in the guest takes about a second.
    pub cpu_max: Duration,
    /// Time without a sign of life: a byte that a call moved, or progress that grew. A
    /// store that hangs is found out after this, not after an hour.
    pub idle_max: Duration,
    /// From the call to its return, waiting included. An upload of one part or a whole
    /// snapshot of a large cluster fits into an hour many times.
    pub wall_max: Duration,
    /// How long a plugin may go on once it was asked to stop: enough to finish what it is
    /// at, too little to hold up the next run.
    pub stop_grace_max: Duration,
    /// Calls into the host, those of WASI included. Reading ten TiB by the MiB takes ten
    /// million, and so does a walk over some million files.
    pub host_calls_max: u64,
    /// Resource handles alive at once. A plugin holds a handful.
    pub handles_max: usize,
    /// Text and lists that a call returns. A page of a thousand objects has about 150 KiB.
    pub result_bytes_max: usize,
    /// Text kept of one attempt: its log, stdout and stderr together.
    pub log_bytes_max: usize,
    /// Lines of the log, stdout and stderr together, on the average of ten seconds. More
    /// nobody reads.
    pub log_lines_per_second_max: u32,
    /// Size of the component. An interpreter of a scripting language has twenty MiB.
    pub component_bytes_max: u64,
    /// Time that compiling the component takes: 50 ms for a small one, some ten seconds
    /// for an interpreter on a slow node.
    pub compile_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes_max: 256 * MIB,
            table_elements_max: 20_000,
            instances_max: 128,
            cpu_max: Duration::from_secs(300),
            idle_max: Duration::from_secs(600),
            wall_max: Duration::from_secs(3600),
            stop_grace_max: Duration::from_secs(30),
            host_calls_max: 10_000_000,
            handles_max: 1000,
            result_bytes_max: 4 * MIB,
            log_bytes_max: MIB,
            log_lines_per_second_max: 200,
            component_bytes_max: 64 * MIB as u64,
            compile_max: Duration::from_secs(120),
        }
    }
}

/// Bytes that a guest may hand to the host in one call: the largest argument is 1 MiB.
const HOSTCALL_BYTES_MAX: usize = 8 * MIB;

/// A result with its lists takes so many times its text.
const RESULT_FACTOR: usize = 2;

impl Limits {
    /// Bytes that a guest may hand to the host in one call, or when it returns.
    pub(crate) fn hostcall_bytes_max(&self) -> usize {
        HOSTCALL_BYTES_MAX.max(self.result_bytes_max.saturating_mul(RESULT_FACTOR))
    }
}

/// Calls into the host after a plugin was asked to stop: enough to close what is open, and
/// soon over for one that only asks.
pub(crate) const STOPPING_CALLS_MAX: u64 = 10_000;

/// Random bytes that one WASI call returns.
pub(crate) const RANDOM_BYTES_MAX: u64 = 64 * 1024;

/// Counts what a store uses.
#[derive(Debug)]
pub(crate) struct Limiter {
    limits: Limits,
    memory_bytes: usize,
    table_elements: usize,
    host_calls: u64,
    /// Of these, those after it was asked to stop.
    stopping_calls: u64,
}

impl Limiter {
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            memory_bytes: 0,
            table_elements: 0,
            host_calls: 0,
            stopping_calls: 0,
        }
    }

    /// How long the guest may go on once it was asked to stop.
    pub fn stop_grace_max(&self) -> Duration {
        self.limits.stop_grace_max
    }

    /// The guest calls the host once more.
    pub fn host_call(&mut self) {
        self.host_calls += 1;
    }

    /// Whether it may go on after its last call.
    pub fn check_host_calls(&mut self, is_stopping: bool) -> Result<(), LimitHit> {
        self.stopping_calls += u64::from(is_stopping);
        if self.stopping_calls > STOPPING_CALLS_MAX {
            let limit = STOPPING_CALLS_MAX;
            return Err(LimitHit::StoppingCalls { limit });
        }
        let limit = self.limits.host_calls_max;
        if self.host_calls <= limit {
            return Ok(());
        }
        Err(LimitHit::HostCalls { limit })
    }

    /// The last call was not the guest's own will: it gave up its thread at a tick.
    pub fn not_its_call(&mut self) {
        self.host_calls = self.host_calls.saturating_sub(1);
        self.stopping_calls = self.stopping_calls.saturating_sub(1);
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
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let asked = self
            .table_elements
            .saturating_add(desired.saturating_sub(current));
        let limit = self.limits.table_elements_max;
        if asked > limit {
            return Err(LimitHit::Table { asked, limit }.into());
        }
        self.table_elements = asked;
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
