//! What a store holds for the one attempt that it lives for.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use drydock_capability_artifact::{OutputOpener, Work};
use drydock_capability_etcd::EtcdAccess;
use drydock_capability_files::FolderGrants;
use drydock_capability_http::{HttpAccess, Moved};
use drydock_capability_secret::SecretAccess;
use drydock_core::{Clock, Facts, Fault, TargetName};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{HostWallClock, WasiCtx, WasiCtxView, WasiView};

use crate::limits::{Limiter, Limits, RANDOM_BYTES_MAX};
use crate::link::{Network, WitError};
use crate::log::{LogBook, LogSource, Speaker};
use crate::plugin::StepCall;

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
    pub context: StepCall,
    pub target: TargetWords,
    /// Narrowed to what the plugin was granted.
    pub etcd: Option<Arc<EtcdAccess>>,
    pub folders: FolderGrants,
    pub outputs: Option<OutputOpener>,
    /// Whether an output is public where the plugin calls it so.
    pub may_publish: bool,
    pub secrets: SecretAccess,
    pub network: Network,
    wasi: WasiCtx,
    main: Handle,
}

/// What a store plugin is told of its target; empty for other plugins.
#[derive(Debug, Clone)]
pub(crate) struct TargetWords {
    pub name: TargetName,
    pub config: String,
}

/// Facts as a resource.
#[derive(Debug, Clone)]
pub struct SharedFacts(pub Arc<Facts>);

/// The host's clock as WASI wants it.
struct WallClock(Arc<dyn Clock>);

/// What an adapter hands to the guest; the outer error ends the attempt.
pub(crate) type Answer<T> = wasmtime::Result<Result<T, WitError>>;

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
    ) -> Self {
        let log = LogBook::new(limits, Some(speaker));
        let secrets = SecretAccess::new(Vec::new(), None);
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles_max);
        let wasi = WasiCtx::builder()
            .stdout(log.capture(LogSource::Stdout))
            .stderr(log.capture(LogSource::Stderr))
            .wall_clock(WallClock(Arc::clone(&clock)))
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
            context,
            target: TargetWords {
                name: TargetName::new(""),
                config: "{}".to_owned(),
            },
            etcd: None,
            folders: FolderGrants::default(),
            outputs: None,
            may_publish: false,
            network: Network::new(
                None,
                secrets.clone(),
                Arc::new(|_| {}),
                main.clone(),
                log.clone(),
            ),
            secrets,
            log,
            wasi,
            main,
        }
    }

    /// Gives the guest its secrets and its part of the network.
    pub fn connect(&mut self, access: HttpAccess, secrets: SecretAccess) {
        self.log.redact_by(secrets.redactor());
        let moved = self.signs_of_life();
        self.network = Network::new(
            Some(access),
            secrets.clone(),
            moved,
            self.main.clone(),
            self.log.clone(),
        );
        self.secrets = secrets;
    }

    /// Bytes that move over the network are a sign of life.
    fn signs_of_life(&self) -> Moved {
        let work = self.work.clone();
        Arc::new(move |bytes| work.moved(usize::try_from(bytes).unwrap_or(usize::MAX)))
    }

    /// Does `work` on the main runtime: connections and channels belong there, and no
    /// busy guest can hold it up. Ends with the guest's call.
    pub fn on_main<T, W>(&self, work: W) -> impl Future<Output = Answer<T>> + Send + use<T, W>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, Fault>> + Send + 'static,
    {
        answer(Tied(self.main.spawn(work)))
    }

    /// The same for work that blocks, which nobody can cut off: whatever takes long asks
    /// [`Work::go_on`] at each piece, and so ends with the guest's attempt.
    pub fn blocking<T, W>(&self, work: W) -> impl Future<Output = Answer<T>> + Send + use<T, W>
    where
        T: Send + 'static,
        W: FnOnce() -> Result<T, Fault> + Send + 'static,
    {
        answer(Tied(self.main.spawn_blocking(work)))
    }
}

/// A panic of the host's own ends the attempt, not the daemon.
async fn answer<T>(mut task: Tied<Result<T, Fault>>) -> Answer<T> {
    let done = (&mut task.0).await?;
    Ok(done.map_err(Into::into))
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
        Duration::from_secs(u64::try_from(self.0.now().0).unwrap_or(0))
    }
}
