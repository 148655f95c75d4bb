//! Adapters for the interfaces of the contract that need no grant.

use std::time::Duration;

use drydock_capability_artifact::{Output, OutputOpener, Sink, Slice};
use drydock_core::{ErrorCode, Fault, TargetName, UnixTime};
use wasmtime::component::{HasSelf, Resource};

use super::row::Add;
use crate::answer::checksum_algorithm;
use crate::contract_name::contract_interface;
use crate::guest::Guest;
use crate::log::Severity;
use crate::step::{Progress, asked_to_stop};
use crate::world::contract::artifact::{DigestAlgorithm, FactValue, Sensitivity};
use crate::world::contract::{
    artifact, clock, configuration, hold, log, outcome, plan, progress, target, types,
};
use crate::world::{Answer, SharedFacts, World};

/// An interface that every plugin has, or every one of a world.
pub(crate) struct FreeInterface {
    pub name: &'static str,
    world: Option<World>,
    /// Whether a plugin only says something there: a replay hears it again.
    pub heard: bool,
    pub add: Add,
}

/// The interfaces that need no grant.
pub(crate) static FREE_INTERFACES: [FreeInterface; 10] = [
    free("types", None, |l| {
        types::add_to_linker::<_, HasSelf<Guest>>(l, |guest| guest)
    }),
    free("artifact", None, |l| {
        artifact::add_to_linker::<_, HasSelf<Guest>>(l, |guest| guest)
    }),
    free("configuration", None, |l| {
        configuration::add_to_linker::<_, HasSelf<Guest>>(l, |guest| guest)
    }),
    heard("log", None, |l| {
        log::add_to_linker::<_, HasSelf<Guest>>(l, |guest| guest)
    }),
    heard("progress", None, |l| {
        progress::add_to_linker::<_, HasSelf<Guest>>(l, |guest| guest)
    }),
    free("clock", None, |l| {
        clock::add_to_linker::<_, HasSelf<Guest>>(l, |guest| guest)
    }),
    free("target", Some(World::Store), |l| {
        target::add_to_linker::<_, HasSelf<Guest>>(l, |guest| guest)
    }),
    heard("outcome", Some(World::Action), |l| {
        outcome::add_to_linker::<_, HasSelf<Guest>>(l, |guest| guest)
    }),
    heard("plan", Some(World::Action), |l| {
        plan::add_to_linker::<_, HasSelf<Guest>>(l, |guest| guest)
    }),
    heard("hold", Some(World::Action), |l| {
        hold::add_to_linker::<_, HasSelf<Guest>>(l, |guest| guest)
    }),
];

const fn free(name: &'static str, world: Option<World>, add: Add) -> FreeInterface {
    FreeInterface {
        name,
        world,
        heard: false,
        add,
    }
}

const fn heard(name: &'static str, world: Option<World>, add: Add) -> FreeInterface {
    FreeInterface {
        heard: true,
        ..free(name, world, add)
    }
}

impl FreeInterface {
    /// Whether it is the interface of that full name, e.g. `drydock:plugin/log@0.1.0`.
    pub fn is_called(&self, full: &str) -> bool {
        contract_interface(full) == Some(self.name)
    }

    /// Whether plugins of this world have it.
    pub fn is_of(&self, world: World) -> bool {
        self.world.is_none_or(|only| only == world)
    }
}

/// What a store plugin is told of its target.
#[derive(Debug, Clone)]
pub(crate) struct TargetWords {
    pub name: TargetName,
    pub config: String,
}

/// Where the outputs of a backup plugin's run go.
pub(crate) struct Outlet(pub OutputOpener);

/// Whether an output is public where the plugin calls it so.
pub(super) struct MayPublish(pub bool);

/// Longest wait in one call, by the contract.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// Longest unit of a progress report, e.g. `bytes`.
const UNIT_BYTES_MAX: usize = 32;

impl types::Host for Guest {}

impl artifact::Host for Guest {}

impl artifact::HostSlice for Guest {
    async fn size(&mut self, slice: Resource<Slice>) -> wasmtime::Result<u64> {
        Ok(self.table.get(&slice)?.size())
    }

    async fn digest(
        &mut self,
        slice: Resource<Slice>,
        algorithm: DigestAlgorithm,
    ) -> Answer<Vec<u8>> {
        let slice = self.table.get(&slice)?.clone();
        self.blocking(move || match checksum_algorithm(algorithm) {
            Some(algorithm) => Ok(slice.checksum(algorithm)?.value),
            None => Err(unknown_algorithm()),
        })
        .await
    }

    async fn read(&mut self, slice: Resource<Slice>, offset: u64, length: u32) -> Answer<Vec<u8>> {
        let slice = self.table.get(&slice)?.clone();
        self.blocking(move || slice.read(offset, length)).await
    }

    async fn drop(&mut self, slice: Resource<Slice>) -> wasmtime::Result<()> {
        self.table.delete(slice)?;
        Ok(())
    }
}

impl artifact::HostSink for Guest {
    async fn write(&mut self, sink: Resource<Sink>, bytes: Vec<u8>) -> Answer<()> {
        let sink = self.table.get(&sink)?.clone();
        self.on_main(async move { sink.write(bytes).await }).await
    }

    async fn drop(&mut self, sink: Resource<Sink>) -> wasmtime::Result<()> {
        self.table.delete(sink)?;
        Ok(())
    }
}

impl artifact::HostOutput for Guest {
    async fn create(&mut self, name: String, sensitivity: Sensitivity) -> Answer<Resource<Output>> {
        let Some(Outlet(opener)) = self.parts.get::<Outlet>() else {
            return Ok(Err(no_outputs().into()));
        };
        let opener = opener.clone();
        // What is not said to be public is kept secret, and so is what is said to be and
        // may hold what the plugin could read.
        let said_public = sensitivity == Sensitivity::Public;
        let may_publish = self.parts.get::<MayPublish>().is_some_and(|may| may.0);
        let secret = !(said_public && may_publish);
        let created = self.on_main(async move {
            let created = opener.create(&name, secret).await;
            created.map_err(|fault| of_secret(fault, said_public && secret))
        });
        match created.await? {
            Ok(output) => Ok(Ok(self.table.push(output)?)),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn write(&mut self, output: Resource<Output>, bytes: Vec<u8>) -> Answer<()> {
        let output = self.table.get(&output)?.clone();
        self.on_main(async move { output.write(bytes).await }).await
    }

    async fn finish(&mut self, output: Resource<Output>) -> Answer<()> {
        let output = self.table.get(&output)?.clone();
        self.on_main(async move { output.finish().await }).await
    }

    async fn drop(&mut self, output: Resource<Output>) -> wasmtime::Result<()> {
        let output = self.table.delete(output)?;
        let discarded = self.on_main(async move {
            output.discard().await;
            Ok(())
        });
        discarded.await?.expect("discarding returns no error");
        Ok(())
    }
}

impl artifact::HostFacts for Guest {
    async fn get(
        &mut self,
        facts: Resource<SharedFacts>,
        name: String,
    ) -> wasmtime::Result<Option<FactValue>> {
        Ok(self.table.get(&facts)?.0.get(&name).map(Into::into))
    }

    async fn names(&mut self, facts: Resource<SharedFacts>) -> wasmtime::Result<Vec<String>> {
        let facts = self.table.get(&facts)?;
        Ok(facts.0.iter().map(|(name, _)| name.to_owned()).collect())
    }

    async fn drop(&mut self, facts: Resource<SharedFacts>) -> wasmtime::Result<()> {
        self.table.delete(facts)?;
        Ok(())
    }
}

impl configuration::Host for Guest {
    async fn step(&mut self) -> wasmtime::Result<String> {
        Ok(self.context.config.clone())
    }

    async fn cluster(&mut self) -> wasmtime::Result<String> {
        Ok(self.context.cluster.as_str().to_owned())
    }

    async fn due(&mut self) -> wasmtime::Result<u64> {
        Ok(seconds(self.context.due))
    }

    async fn run(&mut self) -> wasmtime::Result<String> {
        Ok(self.context.occasion.run.clone())
    }

    async fn step_name(&mut self) -> wasmtime::Result<String> {
        Ok(self.context.occasion.step.clone())
    }

    async fn attempt(&mut self) -> wasmtime::Result<u32> {
        Ok(self.context.occasion.attempt.max(1))
    }

    async fn key(&mut self) -> wasmtime::Result<String> {
        Ok(self.context.occasion.key.clone())
    }

    async fn deadline(&mut self) -> wasmtime::Result<u64> {
        let left = self.ends_within.saturating_sub(self.started.elapsed());
        let end = seconds(self.clock.now()).saturating_add(left.as_secs());
        let hold = self.context.occasion.deadline;
        Ok(hold.map_or(end, |hold| seconds(hold).min(end)))
    }

    async fn member(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.context.occasion.member.clone())
    }

    async fn inputs(&mut self) -> wasmtime::Result<Vec<(String, types::Value)>> {
        let inputs = self.context.occasion.inputs.clone().into_iter();
        Ok(inputs.map(|(name, value)| (name, value.into())).collect())
    }

    async fn run_so_far(&mut self) -> wasmtime::Result<Option<configuration::RunState>> {
        let so_far = self.context.occasion.so_far.as_deref();
        Ok(so_far.map(Into::into))
    }
}

impl target::Host for Guest {
    async fn name(&mut self) -> wasmtime::Result<String> {
        let words = self.parts.get::<TargetWords>();
        Ok(words.map_or_else(String::new, |words| words.name.as_str().to_owned()))
    }

    async fn config(&mut self) -> wasmtime::Result<String> {
        let words = self.parts.get::<TargetWords>();
        Ok(words.map_or_else(|| "{}".to_owned(), |words| words.config.clone()))
    }
}

impl log::Host for Guest {
    async fn write(&mut self, severity: log::Severity, message: String) -> wasmtime::Result<()> {
        let severity = match severity {
            log::Severity::Debug => Severity::Debug,
            log::Severity::Info | log::Severity::Other => Severity::Info,
            log::Severity::Warn => Severity::Warn,
            log::Severity::Error => Severity::Error,
        };
        self.log.write(severity, &message);
        Ok(())
    }
}

impl progress::Host for Guest {
    async fn report(&mut self, done: u64, total: u64, unit: String) -> wasmtime::Result<()> {
        if done > self.progress_done {
            self.progress_done = done;
            self.work.beat();
        }
        let unit = self.redactor.text(&unit);
        let unit = drydock_core::plain(&unit, UNIT_BYTES_MAX);
        (self.context.progress)(Progress { done, total, unit });
        Ok(())
    }

    /// A run that is not worked on any more needs no cut.
    async fn cut(&mut self) -> wasmtime::Result<()> {
        let events = std::sync::Arc::clone(&self.context.events);
        let said = self.on_main(async move { events.cut().await }).await?;
        self.work.beat();
        said.or(Ok(()))
    }

    async fn cancelled(&mut self) -> wasmtime::Result<bool> {
        let is_asked = self.context.stop.borrow().is_some();
        self.stop_told |= is_asked;
        Ok(is_asked)
    }
}

impl clock::Host for Guest {
    async fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(seconds(self.clock.now()).saturating_mul(1_000_000_000))
    }

    async fn monotonic(&mut self) -> wasmtime::Result<u64> {
        let elapsed = self.started.elapsed().as_nanos();
        Ok(u64::try_from(elapsed).unwrap_or(u64::MAX))
    }

    /// Ends early once when the run is asked to stop; a guest that was told waits like
    /// before, so that one which does not look cannot spin.
    async fn wait(&mut self, milliseconds: u32) -> wasmtime::Result<()> {
        let wait = Duration::from_millis(u64::from(milliseconds)).min(WAIT_MAX);
        let mut stop = self.context.stop.clone();
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = asked_to_stop(&mut stop), if !self.stop_told => {
                self.stop_told = true;
            }
        }
        Ok(())
    }
}

/// Of an instant, as the contract has them.
fn seconds(instant: UnixTime) -> u64 {
    u64::try_from(instant.0).unwrap_or(0)
}

fn unknown_algorithm() -> Fault {
    Fault::permanent(
        ErrorCode::UnknownAlgorithm,
        "this host computes sha256, crc32c, crc64-nvme and md5",
    )
}

/// Where the plugin does not see why its public artifact is a secret one, the operator
/// hears of the other way.
fn of_secret(mut fault: Fault, overruled: bool) -> Fault {
    if overruled && fault.code == ErrorCode::NoRecipient {
        fault.message.push_str("; the plugin calls it public, which counts only with `output: [public]` under `grants:` of its PluginGrant, since it can read etcd, files, servers or secrets");
    }
    fault
}

fn no_outputs() -> Fault {
    Fault::denied(
        ErrorCode::NotGranted,
        "only the run of a backup step produces artifacts",
    )
}
