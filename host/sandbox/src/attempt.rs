//! One call of a plugin from its fresh store to its end.
//!
//! **Invariant:** a store is made here, moved into the one task that enters it once, and
//! dropped with that task, however it ends. Nobody else ever holds it, so that one that
//! trapped or was cut off cannot be entered again.

mod end;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use drydock_capability_local::Pulse;
use drydock_core::Fault;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use wasmtime::{CallHook, Store, UpdateDeadline};

use crate::guest::Guest;
use crate::limits::{Limits, Meter, Metered};
use crate::link::WitError;
use crate::log::AttemptLog;
use crate::plugin::Plugin;
use crate::redact::GuestText;
use crate::sandbox::Core;

use end::End;

/// Looks at the pulse within one idle limit: a guest without a sign of life is ended at
/// most so much later than its limit says.
const IDLE_LOOKS: u32 = 16;

/// The least time between two looks at the pulse.
const IDLE_LOOK_MIN: Duration = Duration::from_millis(1);

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
pub(crate) async fn run<T, F>(plugin: &Plugin, guest: Guest, enter: F) -> Attempt<T>
where
    T: GuestText + Send + 'static,
    F: for<'a> FnOnce(&'a mut Store<Guest>) -> InStore<'a, T> + Send + 'static,
{
    let Plugin { core, limits, .. } = plugin;
    let log = guest.log.clone();
    let pulse = guest.pulse.clone();
    let redactor = guest.secrets.redactor();
    let cancelled = guest.context.cancelled.clone();
    let running = core.ticker.run();
    let meter = Arc::new(Meter::new(limits.cpu_max));
    let mut store = store(core, limits, guest, Arc::clone(&meter));
    let task = core.spawn(Metered::new(meter, async move {
        let _running = running;
        enter(&mut store).await
    }));
    let end = wait(GuestTask(task), limits, cancelled, pulse).await;
    let mut log = log.close();
    let mut result = end.judge(&plugin.manifest.name, limits, &mut log);
    result.redact(&redactor);
    Attempt { result, log }
}

/// Resolves once the run was asked to stop; never, when nobody can ask any more.
pub(crate) async fn until_cancelled(cancelled: &mut watch::Receiver<bool>) {
    if cancelled.wait_for(|asked| *asked).await.is_err() {
        std::future::pending().await
    }
}

fn store(core: &Core, limits: &Limits, guest: Guest, meter: Arc<Meter>) -> Store<Guest> {
    let mut store = Store::new(&core.engine, guest);
    store.limiter(|guest| &mut guest.limiter);
    store.set_hostcall_fuel(limits.hostcall_bytes_max());
    store.set_max_component_handles(limits.handles_max);
    store.call_hook(|mut store, hook| match hook {
        CallHook::CallingHost => {
            store.data_mut().limiter.host_call();
            Ok(())
        }
        // Judged afterwards, since only then it is known whether it was a tick.
        CallHook::ReturningFromHost => Ok(store.data_mut().limiter.check_host_calls()?),
        CallHook::CallingWasm | CallHook::ReturningFromWasm => Ok(()),
    });
    // A store has one hook: whoever is watched has no limit of host calls.
    #[cfg(test)]
    if let Some(spy) = core.spy.clone() {
        store.call_hook(move |store, _| {
            spy.look(store);
            Ok(())
        });
    }
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |mut store| {
        // wasmtime calls the host to get here.
        store.data_mut().limiter.not_its_call();
        meter.check()?;
        let turn = Box::pin(tokio::task::yield_now());
        Ok(UpdateDeadline::YieldCustom(1, turn))
    });
    store
}

async fn wait<T>(
    mut task: GuestTask<T>,
    limits: &Limits,
    mut cancelled: watch::Receiver<bool>,
    pulse: Pulse,
) -> End<T> {
    let overstayed = async {
        until_cancelled(&mut cancelled).await;
        tokio::time::sleep(limits.cancel_grace_max).await;
    };
    let end = tokio::select! {
        joined = &mut task.0 => return joined.map_or(End::HostPanicked, End::of),
        () = tokio::time::sleep(limits.wall_max) => End::Wall,
        () = until_idle(&pulse, limits.idle_max) => End::Idle,
        () = overstayed => End::Cancelled,
    };
    task.0.abort();
    // The store is gone only once the task has ended.
    let _ = (&mut task.0).await;
    end
}

/// Resolves once the pulse has not beaten for so long.
async fn until_idle(pulse: &Pulse, idle_max: Duration) {
    let look = (idle_max / IDLE_LOOKS).max(IDLE_LOOK_MIN);
    let (mut beats, mut since) = (pulse.beats(), Instant::now());
    while since.elapsed() < idle_max {
        tokio::time::sleep(look).await;
        let now = pulse.beats();
        if now != beats {
            (beats, since) = (now, Instant::now());
        }
    }
}

impl<T> Drop for GuestTask<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_pulse_that_beats_is_not_idle() {
        let pulse = Pulse::default();
        let idle_max = Duration::from_secs(600);
        let begin = Instant::now();
        let beating = async {
            for _ in 0..10 {
                tokio::time::sleep(Duration::from_secs(590)).await;
                pulse.moved(1);
            }
            begin.elapsed()
        };
        let idle = async {
            until_idle(&pulse, idle_max).await;
            begin.elapsed()
        };
        let (last_beat, idle) = tokio::join!(beating, idle);
        let late = idle - last_beat;
        assert!(late >= idle_max, "{late:?}");
        assert!(late <= idle_max + 2 * idle_max / IDLE_LOOKS, "{late:?}");
    }
}
