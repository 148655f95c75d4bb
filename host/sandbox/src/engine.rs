//! The wasmtime engine, and the ticks by which guests give up their thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::Thread;
use std::time::Duration;

use wasmtime::{Config, Engine, EngineWeak, InstanceAllocationStrategy};

/// Time between ticks: a guest that computes without end holds its thread this long.
const TICK: Duration = Duration::from_millis(10);

/// Stack of a guest.
const STACK_BYTES_MAX: usize = 512 * 1024;

/// Stack of the fiber that a guest runs on: the guest's own and room for host calls.
const FIBER_BYTES: usize = STACK_BYTES_MAX + 1024 * 1024;

/// An engine with everything switched off that no plugin needs: fewer instructions, fewer
/// ways out.
pub(crate) fn engine() -> wasmtime::Result<Engine> {
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::OnDemand)
        .epoch_interruption(true)
        .concurrency_support(false)
        .max_wasm_stack(STACK_BYTES_MAX)
        .async_stack_size(FIBER_BYTES)
        .async_stack_zeroing(true)
        .wasm_component_model(true)
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .wasm_tail_call(false)
        .wasm_relaxed_simd(false)
        .wasm_custom_page_sizes(false)
        .wasm_wide_arithmetic(false);
    Engine::new(&config)
}

/// Ticks the engine from a thread of the operating system, which no busy runtime can
/// hold up. It sleeps while no guest runs.
pub(crate) struct Ticker {
    thread: Thread,
    running: Arc<AtomicUsize>,
}

/// A guest runs as long as this lives.
pub(crate) struct Running(Arc<AtomicUsize>);

impl Ticker {
    /// Starts the thread; it ends soon after the ticker or the engine is gone.
    pub fn start(engine: &Engine) -> std::io::Result<Self> {
        let running = Arc::new(AtomicUsize::new(0));
        let (weak, counter) = (engine.weak(), Arc::downgrade(&running));
        let thread = std::thread::Builder::new()
            .name("drydock-ticks".to_owned())
            .spawn(move || tick(&weak, &counter))?;
        Ok(Self {
            thread: thread.thread().clone(),
            running,
        })
    }

    /// Keeps the ticks going until the returned value is dropped.
    pub fn run(&self) -> Running {
        self.running.fetch_add(1, Ordering::SeqCst);
        self.thread.unpark();
        Running(Arc::clone(&self.running))
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.thread.unpark();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Ends once nobody holds the counter: neither the ticker nor a running guest.
fn tick(engine: &EngineWeak, running: &std::sync::Weak<AtomicUsize>) {
    while let (Some(engine), Some(running)) = (engine.upgrade(), running.upgrade()) {
        let idle = running.load(Ordering::SeqCst) == 0;
        drop(running);
        engine.increment_epoch();
        drop(engine);
        if idle {
            std::thread::park();
        } else {
            std::thread::park_timeout(TICK);
        }
    }
}
