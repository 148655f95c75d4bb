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

use drydock_capability_artifact::Work;
use drydock_core::Fault;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use wasmtime::{CallHook, Store, UpdateDeadline};

use crate::guest::Guest;
use crate::limits::{LimitHit, Limits, Meter, Metered};
use crate::log::AttemptLog;
use crate::redact::GuestText;
use crate::runtime::Core;
use crate::step::{StopSignal, asked_to_stop};
use crate::world::Answer;

use end::{End, Witness};

/// Looks for signs of life within one idle limit: a guest without a sign of life is ended at
/// most so much later than its limit says.
const IDLE_LOOKS: u32 = 16;

/// The least time between two such looks.
const IDLE_LOOK_MIN: Duration = Duration::from_millis(1);

/// What became of a call, and what the plugin said meanwhile.
#[derive(Debug)]
pub struct Attempt<T> {
    pub result: Result<T, Fault>,
    pub log: AttemptLog,
}

/// A future that borrows from a store.
pub(crate) type InStore<'a, T> = Pin<Box<dyn Future<Output = Answer<T>> + Send + 'a>>;

/// A guest's task; gone with whoever waits for it.
struct GuestTask<T>(JoinHandle<Answer<T>>);

impl<T> Attempt<T> {
    /// One that was never made.
    pub(crate) fn refused(fault: Fault) -> Self {
        Self {
            result: Err(fault),
            log: AttemptLog::default(),
        }
    }

    /// Goes on with the value, if there is one.
    pub(crate) fn and_then<U>(self, next: impl FnOnce(T) -> Result<U, Fault>) -> Attempt<U> {
        Attempt {
            result: self.result.and_then(next),
            log: self.log,
        }
    }
}

/// Whose guest runs where, within which limits.
#[derive(Clone, Copy)]
pub(crate) struct Stage<'a> {
    pub core: &'a Core,
    pub limits: &'a Limits,
    /// The plugin's name.
    pub plugin: &'a str,
}

/// Calls a guest within its limits. `enter` instantiates the plugin in the store and
/// calls it. When this future is dropped, the guest ends too.
pub(crate) async fn run<T, F>(stage: Stage<'_>, guest: Guest, enter: F) -> Attempt<T>
where
    T: GuestText + Send + 'static,
    F: for<'a> FnOnce(&'a mut Store<Guest>) -> InStore<'a, T> + Send + 'static,
{
    let Stage {
        core,
        limits,
        plugin,
    } = stage;
    let log = guest.log.clone();
    let work = guest.work.clone();
    let redactor = guest.redactor.clone();
    if let Some(crossing) = &guest.crossing {
        crossing.redact_by(&redactor);
    }
    let stop = guest.context.stop.clone();
    // Whatever ends this call, also its being dropped, ends what it had the host do.
    let end_of_work = work.until_dropped();
    let running = core.ticker.run();
    let meter = Arc::new(Meter::new(limits.cpu_max));
    let mut store = store(core, limits, guest, Arc::clone(&meter));
    let task = core.spawn(Metered::new(meter, async move {
        let _running = running;
        enter(&mut store).await
    }));
    let end = wait(GuestTask(task), limits, stop.clone(), work.clone()).await;
    drop(end_of_work);
    let mut log = log.close();
    let stop = stop.borrow().clone();
    let witness = Witness {
        plugin,
        limits,
        stop: stop.as_ref(),
        work: &work,
    };
    let mut result = end.judge(&witness, &mut log);
    result.redact(&redactor);
    Attempt { result, log }
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
        CallHook::ReturningFromHost => {
            let guest = store.data_mut();
            let is_stopping = guest.work.is_stopping();
            Ok(guest.limiter.check_host_calls(is_stopping)?)
        }
        CallHook::CallingWasm | CallHook::ReturningFromWasm => Ok(()),
    });
    // A store has one hook: whoever is watched has no limit of host calls.
    #[cfg(test)]
    if let Some(watch) = core.watch.clone() {
        store.call_hook(move |store, _| {
            watch(store);
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
    mut stop: StopSignal,
    work: Work,
) -> End<T> {
    let overstayed = async {
        let reason = asked_to_stop(&mut stop).await;
        work.stop();
        tokio::time::sleep(limits.stop_grace_max).await;
        reason
    };
    let (wall, idle) = (limits.wall_max, limits.idle_max);
    let end = tokio::select! {
        joined = &mut task.0 => return joined.map_or(End::HostPanicked, End::of),
        () = tokio::time::sleep(wall) => End::Limit(LimitHit::Wall { limit: wall }),
        () = until_idle(&work, idle) => End::Limit(LimitHit::Idle { limit: idle }),
        reason = overstayed => End::Overstayed(reason),
    };
    task.0.abort();
    // The store is gone only once the task has ended.
    let _ = (&mut task.0).await;
    end
}

/// Resolves once there was no sign of life for so long.
async fn until_idle(work: &Work, idle_max: Duration) {
    let look = (idle_max / IDLE_LOOKS).max(IDLE_LOOK_MIN);
    let (mut beats, mut since) = (work.beats(), Instant::now());
    while since.elapsed() < idle_max {
        tokio::time::sleep(look).await;
        let now = work.beats();
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
    async fn whoever_gives_signs_of_life_is_not_idle() {
        let work = Work::default();
        let idle_max = Duration::from_secs(600);
        let begin = Instant::now();
        let beating = async {
            for _ in 0..10 {
                tokio::time::sleep(Duration::from_secs(590)).await;
                work.moved(1);
            }
            begin.elapsed()
        };
        let idle = async {
            until_idle(&work, idle_max).await;
            begin.elapsed()
        };
        let (last_beat, idle) = tokio::join!(beating, idle);
        let late = idle - last_beat;
        assert!(late >= idle_max, "{late:?}");
        assert!(late <= idle_max + 2 * idle_max / IDLE_LOOKS, "{late:?}");
    }
}
