//! What a store holds for the one attempt that it lives for.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use drydock_capability_artifact::Work;
use drydock_capability_secret::Redactor;
use drydock_core::{Clock, Fault};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{HostWallClock, WasiCtx, WasiCtxView, WasiView};

use crate::border::Crossing;
use crate::limits::{Limiter, Limits, RANDOM_BYTES_MAX};
use crate::log::{LogBook, LogSource, Speaker};
use crate::narrowed::Narrowed;
use crate::parts::GuestParts;
use crate::step::StepCall;
use crate::world::Answer;

/// The state behind a guest's imports.
pub(crate) struct Guest {
    pub table: ResourceTable,
    pub limiter: Limiter,
    /// What the host does for it; ends with the attempt.
    pub work: Work,
    /// The furthest that the guest said it got.
    pub progress_done: u64,
    /// Whether it heard that it is to stop.
    pub stop_told: bool,
    pub log: LogBook,
    pub clock: Arc<dyn Clock>,
    pub started: Instant,
    /// How long the call may take from then on.
    pub ends_within: Duration,
    pub context: StepCall,
    /// What was linked for it, with what it was granted of that.
    pub parts: GuestParts,
    /// Who leaves it less than its plugin was granted.
    pub narrowed: Narrowed,
    /// Takes the secrets that were read for it out of what it says.
    pub redactor: Redactor,
    /// What becomes of its calls beside that they are made, e.g. a record of them.
    pub crossing: Option<Crossing>,
    /// Where capabilities work.
    pub main: Handle,
    wasi: WasiCtx,
}

/// The host's clock as WASI wants it.
struct WallClock {
    clock: Arc<dyn Clock>,
    crossing: Option<Crossing>,
}

/// A task that ends with whoever waits for it.
pub(crate) struct Tied<T>(pub JoinHandle<T>);

impl Guest {
    /// A guest without any power.
    pub fn new(
        limits: &Limits,
        speaker: Arc<Speaker>,
        context: StepCall,
        clock: Arc<dyn Clock>,
        main: Handle,
        crossing: Option<Crossing>,
    ) -> Self {
        let log = LogBook::new(limits, Some(speaker));
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles_max);
        let mut wasi = WasiCtx::builder();
        if let Some(crossing) = &crossing {
            crossing.seed(&mut wasi);
        }
        let wall_clock = WallClock {
            clock: Arc::clone(&clock),
            crossing: crossing.clone(),
        };
        let wasi = wasi
            .stdout(log.capture(LogSource::Stdout))
            .stderr(log.capture(LogSource::Stderr))
            .wall_clock(wall_clock)
            .max_random_size(RANDOM_BYTES_MAX)
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .build();
        Self {
            table,
            limiter: Limiter::new(limits.clone()),
            work: Work::default(),
            progress_done: 0,
            stop_told: false,
            clock,
            started: Instant::now(),
            ends_within: limits.wall_max,
            context,
            parts: GuestParts::default(),
            narrowed: Narrowed::default(),
            redactor: Redactor::default(),
            crossing,
            log,
            main,
            wasi,
        }
    }

    /// Does `work` on the main runtime: connections and channels belong there, and no
    /// busy guest can hold it up. Ends with the guest's call.
    pub fn on_main<T, W>(&self, work: W) -> impl Future<Output = Answer<T>> + Send + use<T, W>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, Fault>> + Send + 'static,
    {
        answer(Tied(self.main.spawn(work)), self.narrowed.clone())
    }

    /// The same for work that blocks, which nobody can cut off: whatever takes long asks
    /// [`Work::go_on`] at each piece, and so ends with the guest's attempt.
    pub fn blocking<T, W>(&self, work: W) -> impl Future<Output = Answer<T>> + Send + use<T, W>
    where
        T: Send + 'static,
        W: FnOnce() -> Result<T, Fault> + Send + 'static,
    {
        answer(Tied(self.main.spawn_blocking(work)), self.narrowed.clone())
    }
}

/// A panic of the host's own ends the attempt, not the daemon.
async fn answer<T>(mut task: Tied<Result<T, Fault>>, narrowed: Narrowed) -> Answer<T> {
    let done = (&mut task.0).await?;
    Ok(done.map_err(|fault| narrowed.explain(fault).into()))
}

impl<T> Drop for Tied<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl HostWallClock for WallClock {
    fn resolution(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn now(&self) -> Duration {
        let read = || u64::try_from(self.clock.now().0).unwrap_or(0);
        Duration::from_secs(match &self.crossing {
            Some(crossing) => crossing.now(read),
            None => read(),
        })
    }
}
