//! An admitted plugin and the typed ways to call it.

use std::fmt;
use std::sync::Arc;

use drydock_capability_artifact::{OutputSink, Outputs, Slice};
use drydock_capability_files::FolderPower;
use drydock_capability_secret::SecretSource;
use drydock_core::{Facts, Fault, Finding, Grants, PluginDigest, TargetName, Verdict};
use serde::Serialize;
use wasmtime::Store;
use wasmtime::component::{InstancePre, Resource};

use crate::answer::{self, Bounds};
use crate::attempt::{self, Attempt, InStore, Stage};
use crate::cache::CompiledFrom;
use crate::given::Parts;
use crate::guest::Guest;
use crate::limits::Limits;
use crate::link::{LINKS, Outlet, SecretPlace, TargetWords, Terms, limit_folders};
use crate::log::Speaker;
use crate::manifest::PluginManifest;
use crate::redact::GuestText;
use crate::runtime::Core;
use crate::step::StepCall;
use crate::world::steps::backup_step::Guest as BackupStep;
use crate::world::steps::store_step::Guest as StoreStep;
use crate::world::steps::verify_step::Guest as VerifyStep;
use crate::world::{SharedFacts, Step as _, WitError, World};

/// A plugin that was admitted. Every call runs in a fresh store.
#[derive(Clone)]
pub struct Plugin {
    pub(crate) core: Arc<Core>,
    pub(crate) manifest: PluginManifest,
    pub(crate) digest: PluginDigest,
    pub(crate) grants: Grants,
    pub(crate) limits: Limits,
    pub(crate) speaker: Arc<Speaker>,
    pub(crate) compiled: CompiledFrom,
    /// What outlives an attempt: connections, and where the secrets are of the step or target
    /// that it serves.
    pub(crate) parts: Parts,
    /// The component with its imports in place.
    pub(crate) linked: InstancePre<Guest>,
}

/// A call of a backup plugin.
pub struct BackupCall {
    pub context: StepCall,
    pub outputs: Box<dyn OutputSink>,
}

/// What a backup plugin answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BackupReport {
    pub degraded: bool,
    pub findings: Vec<Finding>,
}

/// A call of a verify plugin.
pub struct JudgeCall {
    pub context: StepCall,
    pub facts: Facts,
    /// The artifact before sealing, where it still is.
    pub plain: Option<Slice>,
}

impl Plugin {
    #[must_use]
    pub fn manifest(&self) -> &PluginManifest {
        &self.manifest
    }

    #[must_use]
    pub fn digest(&self) -> &PluginDigest {
        &self.digest
    }

    /// What the plugin may do: asked for, granted, and within the ceiling.
    #[must_use]
    pub fn grants(&self) -> &Grants {
        &self.grants
    }

    /// The limits of every attempt.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    #[must_use]
    pub fn compiled_from(&self) -> CompiledFrom {
        self.compiled
    }

    /// The same plugin for a step or target that has secrets. Of these, those that the
    /// plugin was granted are read when it uses them.
    #[must_use]
    pub fn with_secrets(&self, secrets: Arc<dyn SecretSource>) -> Arc<Self> {
        Arc::new(Self {
            parts: self.parts.with(SecretPlace(secrets)),
            ..self.clone()
        })
    }

    /// Lets the plugin judge a step's configuration, or a target's. It has no power
    /// during this call, whatever it was granted.
    pub async fn check_config(
        &self,
        context: StepCall,
        target: Option<(TargetName, String)>,
    ) -> Attempt<Vec<Finding>> {
        let mut guest = self.powerless(context);
        if let Some((name, config)) = target {
            guest.given.put(TargetWords { name, config });
        }
        let (world, linked) = (self.manifest.world, self.linked.clone());
        let attempt = self.run(guest, move |store| {
            Box::pin(async move { world.check_config(&linked, store).await })
        });
        let attempt = attempt.await;
        attempt.and_then(|findings| answer::findings(findings, self.bounds()))
    }

    /// Runs a backup plugin. When this returns, nothing calls `outputs` any more.
    ///
    /// The result is a fault `wrong-world` for a plugin of another world.
    pub async fn run_backup(&self, call: BackupCall) -> Attempt<BackupReport> {
        if let Err(fault) = self.is_of(World::Backup) {
            return Attempt::refused(fault);
        }
        let outputs = Outputs::start(call.outputs);
        let mut guest = self.powered(call.context);
        let opener = outputs.opener().part_of(&guest.work);
        guest.given.put(Outlet(opener));
        let linked = self.linked.clone();
        let attempt = self.run(guest, move |store| {
            Box::pin(async move {
                let step = BackupStep::enter(&linked, store).await?;
                step.call_run(store).await
            })
        });
        let mut attempt = attempt.await.and_then(|report| {
            Ok(BackupReport {
                degraded: report.degraded,
                findings: answer::findings(report.findings, self.bounds())?,
            })
        });
        if let Err(fault) = outputs.close().await {
            attempt.result = Err(fault);
        }
        attempt
    }

    /// Lets a verify plugin judge an artifact.
    ///
    /// The result is a fault `wrong-world` for a plugin of another world.
    pub async fn judge(&self, call: JudgeCall) -> Attempt<Verdict> {
        if let Err(fault) = self.is_of(World::Verify) {
            return Attempt::refused(fault);
        }
        let JudgeCall {
            context,
            facts,
            plain,
        } = call;
        let guest = self.powered(context);
        let facts = SharedFacts(Arc::new(facts));
        let linked = self.linked.clone();
        let attempt = self.run(guest, move |store| {
            Box::pin(async move {
                let step = VerifyStep::enter(&linked, store).await?;
                let facts = lend(store, facts)?;
                let plain = plain.map(|plain| lend_slice(store, plain)).transpose()?;
                let verdict: Result<_, WitError> = step.call_judge(store, facts, plain).await?;
                Ok(verdict.map(|verdict| (verdict.pass, verdict.findings)))
            })
        });
        attempt
            .await
            .and_then(|(pass, findings)| answer::verdict(pass, findings, self.bounds()))
    }

    /// Calls an export of a store plugin.
    pub(crate) async fn store_call<T, F>(
        &self,
        context: StepCall,
        target: TargetWords,
        power: FolderPower,
        call: F,
    ) -> Attempt<T>
    where
        T: GuestText + Send + 'static,
        F: for<'a> FnOnce(&'a StoreStep, &'a mut Store<Guest>) -> InStore<'a, T> + Send + 'static,
    {
        if let Err(fault) = self.is_of(World::Store) {
            return Attempt::refused(fault);
        }
        let mut guest = self.powered(context);
        limit_folders(&mut guest, power);
        guest.given.put(target);
        let linked = self.linked.clone();
        self.run(guest, move |store| {
            Box::pin(async move {
                let step = StoreStep::enter(&linked, store).await?;
                call(&step, store).await
            })
        })
        .await
    }

    async fn run<T, F>(&self, guest: Guest, enter: F) -> Attempt<T>
    where
        T: GuestText + Send + 'static,
        F: for<'a> FnOnce(&'a mut Store<Guest>) -> InStore<'a, T> + Send + 'static,
    {
        let stage = Stage {
            core: &self.core,
            limits: &self.limits,
            plugin: &self.manifest.name,
        };
        Box::pin(attempt::run(stage, guest, enter)).await
    }

    /// What an answer may amount to.
    pub(crate) fn bounds(&self) -> Bounds<'_> {
        Bounds {
            plugin: &self.manifest.name,
            bytes_max: self.limits.result_bytes_max,
        }
    }

    fn powerless(&self, mut context: StepCall) -> Guest {
        context.etcd = None;
        self.guest(context)
    }

    fn guest(&self, context: StepCall) -> Guest {
        Guest::new(
            &self.limits,
            Arc::clone(&self.speaker),
            context,
            Arc::clone(&self.core.clock),
            self.core.main.clone(),
        )
    }

    /// A guest with all that its plugin may have.
    fn powered(&self, context: StepCall) -> Guest {
        let mut guest = self.guest(context);
        let terms = Terms {
            grants: &self.grants,
            parts: &self.parts,
        };
        for link in &LINKS {
            (link.give)(&mut guest, &terms);
        }
        guest
    }

    fn is_of(&self, wanted: World) -> Result<(), Fault> {
        let PluginManifest { name, world, .. } = &self.manifest;
        if *world == wanted {
            return Ok(());
        }
        Err(Fault::permanent(
            "wrong-world",
            format!("plugin {name} is a {world} plugin and cannot be used as a {wanted} step"),
        ))
    }
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin")
            .field("manifest", &self.manifest)
            .field("digest", &self.digest)
            .field("grants", &self.grants)
            .finish_non_exhaustive()
    }
}

/// Puts a value into the store's table and lends it to the guest for one call.
pub(crate) fn lend<T: Send + 'static>(
    store: &mut Store<Guest>,
    value: T,
) -> wasmtime::Result<Resource<T>> {
    let owned = store.data_mut().table.push(value)?;
    Ok(Resource::new_borrow(owned.rep()))
}

/// Lends a slice, of which every read is a sign of the guest's life.
pub(crate) fn lend_slice(
    store: &mut Store<Guest>,
    slice: Slice,
) -> wasmtime::Result<Resource<Slice>> {
    let slice = slice.part_of(&store.data().work);
    lend(store, slice)
}
