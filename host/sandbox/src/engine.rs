//! The wasmtime engine, and the ticks by which guests give up their thread.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::Thread;
use std::time::{Duration, Instant};

use wasmtime::{Config, Engine, EngineWeak, InstanceAllocationStrategy, WasmBacktraceDetails};

/// Time between ticks: a guest that computes without end holds its thread this long.
const TICK: Duration = Duration::from_millis(10);

/// Stack of a guest.
pub(crate) const STACK_BYTES_MAX: usize = 512 * 1024;

/// Stack of the fiber that a guest runs on: the guest's own and room for host calls.
const FIBER_BYTES: usize = STACK_BYTES_MAX + 1024 * 1024;

/// Frames of a backtrace that are kept, innermost first. A dozen are those of Rust's panic
/// itself.
const FRAMES_MAX: NonZeroUsize = NonZeroUsize::new(32).expect("32 is not 0");

/// An engine as [`config`] describes it.
pub(crate) fn engine() -> wasmtime::Result<Engine> {
    Engine::new(&config())
}

/// Everything is switched off that no plugin needs: fewer instructions, fewer ways out.
pub(crate) fn config() -> Config {
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::OnDemand)
        .epoch_interruption(true)
        .concurrency_support(false)
        .max_wasm_stack(STACK_BYTES_MAX)
        .async_stack_size(FIBER_BYTES)
        .async_stack_zeroing(true)
        .wasm_backtrace_max_frames(Some(FRAMES_MAX))
        // Names come from the component's name section; nobody parses a guest's DWARF.
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .wasm_component_model(true)
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .wasm_tail_call(false)
        .wasm_relaxed_simd(false)
        .wasm_custom_page_sizes(false)
        .wasm_wide_arithmetic(false);
    config
}

/// Ticks the engine from a thread of the operating system, which no busy runtime can
/// hold up. It sleeps while no guest runs.
pub(crate) struct Ticker {
    thread: Thread,
    shared: Arc<Shared>,
}

/// What the thread and those who watch it share.
struct Shared {
    /// Guests that run.
    running: AtomicUsize,
    began: Instant,
    /// When it ticked last or was woken, in milliseconds since `began`.
    last: AtomicU64,
}

/// A guest runs as long as this lives.
pub(crate) struct Running(Arc<Shared>);

impl Ticker {
    /// Starts the thread; it ends soon after the ticker or the engine is gone.
    pub fn start(engine: &Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            running: AtomicUsize::new(0),
            began: Instant::now(),
            last: AtomicU64::new(0),
        });
        let (weak, counter) = (engine.weak(), Arc::downgrade(&shared));
        let thread = std::thread::Builder::new()
            .name("drydock-ticks".to_owned())
            .spawn(move || tick(&weak, &counter))?;
        Ok(Self {
            thread: thread.thread().clone(),
            shared,
        })
    }

    /// Keeps the ticks going until the returned value is dropped.
    pub fn run(&self) -> Running {
        if self.shared.running.fetch_add(1, Ordering::SeqCst) == 0 {
            self.shared.mark();
        }
        self.thread.unpark();
        Running(Arc::clone(&self.shared))
    }

    /// How long ago the last tick was; none while no guest runs, since nobody needs one.
    pub fn age(&self) -> Option<Duration> {
        self.shared.age()
    }
}

impl Shared {
    fn mark(&self) {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::SeqCst);
    }

    fn age(&self) -> Option<Duration> {
        let last = Duration::from_millis(self.last.load(Ordering::SeqCst));
        let runs = self.running.load(Ordering::SeqCst) > 0;
        runs.then(|| self.began.elapsed().saturating_sub(last))
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.thread.unpark();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Ends once nobody holds what is shared: neither the ticker nor a running guest.
fn tick(engine: &EngineWeak, shared: &std::sync::Weak<Shared>) {
    while let (Some(engine), Some(shared)) = (engine.upgrade(), shared.upgrade()) {
        let idle = shared.running.load(Ordering::SeqCst) == 0;
        engine.increment_epoch();
        shared.mark();
        drop(shared);
        drop(engine);
        if idle {
            std::thread::park();
        } else {
            std::thread::park_timeout(TICK);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_have_an_age_while_a_guest_runs() {
        let engine = engine().unwrap();
        let ticker = Ticker::start(&engine).unwrap();
        assert_eq!(ticker.age(), None);
        let one = ticker.run();
        let other = ticker.run();
        // They come, again and again.
        for _ in 0..3 {
            let before = ticker.shared.last.load(Ordering::SeqCst);
            while ticker.shared.last.load(Ordering::SeqCst) == before {
                std::thread::yield_now();
            }
        }
        drop(one);
        assert!(ticker.age().is_some());
        drop(other);
        assert_eq!(ticker.age(), None);
    }

    #[test]
    fn ticks_that_stay_away_grow_old() {
        let shared = Shared {
            running: AtomicUsize::new(1),
            began: Instant::now() - Duration::from_secs(60),
            last: AtomicU64::new(10_000),
        };
        assert!(shared.age().unwrap() >= Duration::from_secs(50));
        shared.mark();
        assert!(shared.age().unwrap() < Duration::from_secs(50));
    }
}
