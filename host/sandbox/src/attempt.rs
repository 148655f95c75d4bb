//! One call of a plugin from its fresh store to its end.

use std::future::Future;
use std::pin::Pin;

use drydock_core::{ErrorClass, Fault};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use wasmtime::{Store, Trap, UpdateDeadline};
use wasmtime_wasi::I32Exit;
use wasmtime_wasi::ResourceTableError;

use crate::guest::Guest;
use crate::limits::{HOSTCALL_BYTES_MAX, LimitHit, Limits};
use crate::link::WitError;
use crate::log::AttemptLog;
use crate::sandbox::Core;

/// Lines of stderr that go into the fault of a trap; a panic's message has two.
const LAST_WORDS_LINES_MAX: usize = 6;

/// What became of a call, and what the plugin said meanwhile.
#[derive(Debug)]
pub struct Attempt<T> {
    pub result: Result<T, Fault>,
    pub log: AttemptLog,
}

/// What the guest's export returned, or how the guest ended instead.
pub(crate) type Returned<T> = wasmtime::Result<Result<T, WitError>>;

/// A future that borrows from a store.
pub(crate) type InStore<'a, T> = Pin<Box<dyn Future<Output = Returned<T>> + Send + 'a>>;

/// How an attempt ended.
enum End<T> {
    Returned(Result<T, WitError>),
    Failed(wasmtime::Error),
    HostPanicked,
    Wall,
    Cancelled,
}

/// A guest's task; gone with whoever waits for it.
struct GuestTask<T>(JoinHandle<Returned<T>>);

impl<T> Attempt<T> {
    /// Goes on with the value, if there is one.
    pub(crate) fn and_then<U>(self, next: impl FnOnce(T) -> Result<U, Fault>) -> Attempt<U> {
        Attempt {
            result: self.result.and_then(next),
            log: self.log,
        }
    }
}

/// Calls a guest within its limits. `enter` instantiates the plugin in the store and
/// calls it. When this future is dropped, the guest ends too.
pub(crate) async fn run<T, F>(core: &Core, plugin: &str, guest: Guest, enter: F) -> Attempt<T>
where
    T: Send + 'static,
    F: for<'a> FnOnce(&'a mut Store<Guest>) -> InStore<'a, T> + Send + 'static,
{
    let log = guest.log.clone();
    let cancelled = guest.context.cancelled.clone();
    let running = core.ticker.run();
    let mut store = store(core, guest);
    let task = core.spawn(async move {
        let _running = running;
        enter(&mut store).await
    });
    let end = wait(GuestTask(task), &core.limits, cancelled).await;
    let log = log.close();
    let result = judge(end, plugin, &core.limits, &log);
    Attempt { result, log }
}

/// Resolves once the run was asked to stop; never, when nobody can ask any more.
pub(crate) async fn until_cancelled(cancelled: &mut watch::Receiver<bool>) {
    if cancelled.wait_for(|asked| *asked).await.is_err() {
        std::future::pending().await
    }
}

fn store(core: &Core, guest: Guest) -> Store<Guest> {
    let mut store = Store::new(&core.engine, guest);
    store.limiter(|guest| &mut guest.limiter);
    store.set_hostcall_fuel(HOSTCALL_BYTES_MAX);
    store.set_max_component_handles(core.limits.handles_max);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|_| {
        let turn = Box::pin(tokio::task::yield_now());
        Ok(UpdateDeadline::YieldCustom(1, turn))
    });
    store
}

async fn wait<T>(
    mut task: GuestTask<T>,
    limits: &Limits,
    mut cancelled: watch::Receiver<bool>,
) -> End<T> {
    let overstayed = async {
        until_cancelled(&mut cancelled).await;
        tokio::time::sleep(limits.cancel_grace_max).await;
    };
    let end = tokio::select! {
        joined = &mut task.0 => return joined.map_or(End::HostPanicked, returned),
        () = tokio::time::sleep(limits.wall_max) => End::Wall,
        () = overstayed => End::Cancelled,
    };
    task.0.abort();
    // The store is gone only once the task has ended.
    let _ = (&mut task.0).await;
    end
}

fn returned<T>(returned: Returned<T>) -> End<T> {
    match returned {
        Ok(value) => End::Returned(value),
        Err(error) => End::Failed(error),
    }
}

fn judge<T>(end: End<T>, plugin: &str, limits: &Limits, log: &AttemptLog) -> Result<T, Fault> {
    Err(match end {
        End::Returned(Ok(value)) => return Ok(value),
        End::Returned(Err(error)) => error.into(),
        End::Failed(error) => failed(&error, plugin, limits, log),
        End::HostPanicked => Fault::permanent(
            "host-failed",
            format!(
                "the host failed while plugin {plugin} ran: please report it with the daemon's log"
            ),
        ),
        End::Wall => Fault::transient(
            "wall-limit",
            format!(
                "plugin {plugin} did not return within {:?}: raise `limits: {{stepWallSeconds: ...}}` of the node's configuration, if it needs more",
                limits.wall_max
            ),
        ),
        End::Cancelled => Fault::new(
            ErrorClass::Cancelled,
            "cancelled",
            format!(
                "plugin {plugin} was asked to stop and was ended after {:?}",
                limits.cancel_grace_max
            ),
        ),
    })
}

/// The fault for a guest that did not return: which limit it hit, or its last words.
fn failed(error: &wasmtime::Error, plugin: &str, limits: &Limits, log: &AttemptLog) -> Fault {
    if let Some(hit) = error.downcast_ref::<LimitHit>() {
        return hit.fault(plugin);
    }
    if let Some(ResourceTableError::Full) = error.downcast_ref() {
        let limit = limits.handles_max;
        return Fault::permanent(
            "handles-limit",
            format!(
                "plugin {plugin} holds more than {limit} handles at once: it must drop what it no longer needs"
            ),
        );
    }
    if let Some(I32Exit(status)) = error.downcast_ref() {
        return with_last_words(
            Fault::transient(
                "plugin-exited",
                format!("plugin {plugin} ended itself with status {status} instead of returning"),
            ),
            log,
        );
    }
    let (code, what) = match error.downcast_ref::<Trap>() {
        Some(trap) => ("plugin-trapped", trap.to_string()),
        None => (
            "plugin-failed",
            crate::log::plain(&format!("{error:#}"), 1000),
        ),
    };
    let fault = Fault::transient(code, format!("plugin {plugin} broke off ({what})"));
    with_last_words(fault, log)
}

fn with_last_words(mut fault: Fault, log: &AttemptLog) -> Fault {
    match log.last_words(LAST_WORDS_LINES_MAX) {
        Some(words) => {
            fault.message = format!("{}: {words}", fault.message);
            fault.with_detail("stderr", words)
        }
        None => fault,
    }
}

impl<T> Drop for GuestTask<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
