//! An admitted plugin and the typed ways to call it.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use drydock_capability_artifact::{OutputSink, Outputs, Slice};
use drydock_capability_etcd::EtcdAccess;
use drydock_capability_files::{FolderGrants, FolderPower};
use drydock_capability_http::HttpAccess;
use drydock_capability_secret::{SecretAccess, SecretSource};
use drydock_core::plugin::{Grants, PluginManifest};
use drydock_core::{
    ClusterName, Facts, Fault, Finding, PluginDigest, TargetName, UnixTime, Verdict,
};
use serde::Serialize;
use tokio::sync::watch;
use wasmtime::Store;
use wasmtime::component::Resource;

use crate::answer::{self, Bounds};
use crate::attempt::{self, Attempt, InStore};
use crate::cache::CompiledFrom;
use crate::guest::{Guest, SharedFacts, TargetWords};
use crate::limits::Limits;
use crate::link::backup::BackupPre;
use crate::link::store::StorePre;
use crate::link::store::exports::drydock::plugin::store_step::Guest as StoreStep;
use crate::link::verify::VerifyPre;
use crate::link::{WitError, backup, contract};
use crate::log::{AttemptLog, Speaker};
use crate::redact::GuestText;
use crate::sandbox::Core;

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
    /// Its connections outlive an attempt.
    pub(crate) http: HttpAccess,
    /// The daemon's own.
    pub(crate) own_folders: Arc<[PathBuf]>,
    /// Of the step or target that it serves.
    pub(crate) secrets: Option<Arc<dyn SecretSource>>,
    pub(crate) linked: Linked,
}

/// A component with its imports in place.
#[derive(Clone)]
pub(crate) enum Linked {
    Backup(BackupPre<Guest>),
    Verify(VerifyPre<Guest>),
    Store(StorePre<Guest>),
}

/// What a step is told, and what it works on.
#[derive(Clone)]
pub struct StepCall {
    /// The step's `config:` as JSON; `{}` for none.
    pub config: String,
    pub cluster: ClusterName,
    pub due: UnixTime,
    /// The step's cluster; what the plugin may call there is narrowed to its grants. Its
    /// folders are those of its grants. A store has none.
    pub etcd: Option<EtcdAccess>,
    pub stop: StopSignal,
    pub progress: ProgressSink,
}

/// Why the run is to stop, once it is: how long a plugin may go on then is one of its limits.
pub type StopSignal = watch::Receiver<Option<Fault>>;

/// Takes a plugin's signs of life. Must not block.
pub type ProgressSink = Arc<dyn Fn(Progress) + Send + Sync>;

/// A sign of life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    pub done: u64,
    /// 0 when unknown.
    pub total: u64,
    pub unit: String,
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

impl StepCall {
    /// For calls outside of any run: no cluster, nobody watches, nobody stops it.
    #[must_use]
    pub fn idle(cluster: ClusterName, due: UnixTime) -> Self {
        Self {
            config: "{}".to_owned(),
            cluster,
            due,
            etcd: None,
            stop: watch::channel(None).1,
            progress: Arc::new(|_| {}),
        }
    }
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
            secrets: Some(secrets),
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
            guest.target = TargetWords { name, config };
        }
        let attempt = match &self.linked {
            Linked::Backup(pre) => self.run(guest, check_backup(pre.clone())).await,
            Linked::Verify(pre) => self.run(guest, check_verify(pre.clone())).await,
            Linked::Store(pre) => self.run(guest, check_store(pre.clone())).await,
        };
        attempt.and_then(|findings| answer::findings(findings, self.bounds()))
    }

    /// Runs a backup plugin. When this returns, nothing calls `outputs` any more.
    ///
    /// The result is a fault `wrong-world` for a plugin of another world.
    pub async fn run_backup(&self, call: BackupCall) -> Attempt<BackupReport> {
        let Linked::Backup(pre) = &self.linked else {
            return self.wrong_world("backup");
        };
        let outputs = Outputs::start(call.outputs);
        let mut guest = self.powered(call.context);
        guest.outputs = Some(outputs.opener().part_of(&guest.work));
        let attempt = self.run(guest, run_backup(pre.clone())).await;
        let mut attempt = attempt.and_then(|report| self.backup_report(report));
        if let Err(fault) = outputs.close().await {
            attempt.result = Err(fault);
        }
        attempt
    }

    /// Lets a verify plugin judge an artifact.
    ///
    /// The result is a fault `wrong-world` for a plugin of another world.
    pub async fn judge(&self, call: JudgeCall) -> Attempt<Verdict> {
        let Linked::Verify(pre) = &self.linked else {
            return self.wrong_world("verify");
        };
        let guest = self.powered(call.context);
        let facts = SharedFacts(Arc::new(call.facts));
        let attempt = self.run(guest, judge(pre.clone(), facts, call.plain)).await;
        attempt.and_then(|(pass, findings)| answer::verdict(pass, findings, self.bounds()))
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
        let Linked::Store(pre) = &self.linked else {
            return self.wrong_world("store");
        };
        let mut guest = self.powered(context);
        guest.folders = guest.folders.within(power);
        guest.target = target;
        let pre = pre.clone();
        self.run(guest, |store| {
            Box::pin(async move {
                let instance = pre.instantiate_async(&mut *store).await?;
                call(instance.drydock_plugin_store_step(), store).await
            })
        })
        .await
    }

    fn backup_report(
        &self,
        report: backup::exports::drydock::plugin::backup_step::Report,
    ) -> Result<BackupReport, Fault> {
        Ok(BackupReport {
            degraded: report.degraded,
            findings: answer::findings(report.findings, self.bounds())?,
        })
    }

    async fn run<T, F>(&self, guest: Guest, enter: F) -> Attempt<T>
    where
        T: GuestText + Send + 'static,
        F: for<'a> FnOnce(&'a mut Store<Guest>) -> InStore<'a, T> + Send + 'static,
    {
        Box::pin(attempt::run(self, guest, enter)).await
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
        Guest::new(
            &self.limits,
            Arc::clone(&self.speaker),
            context,
            Arc::clone(&self.core.clock),
            self.core.main.clone(),
        )
    }

    fn powered(&self, context: StepCall) -> Guest {
        let etcd = context.etcd.as_ref();
        let etcd = etcd.map(|access| Arc::new(access.narrowed(&self.grants.etcd)));
        let mut guest = self.powerless(context);
        guest.etcd = etcd;
        guest.may_publish = self.grants.allow_public();
        let secrets = SecretAccess::new(self.grants.secret.clone(), self.secrets.clone());
        guest.connect(self.http.clone(), secrets);
        guest.folders = FolderGrants::new(self.grants.files.clone())
            .part_of(&guest.work)
            .beside(Arc::clone(&self.own_folders));
        guest
    }

    fn wrong_world<T>(&self, wanted: &str) -> Attempt<T> {
        let PluginManifest { name, world, .. } = &self.manifest;
        let fault = Fault::permanent(
            "wrong-world",
            format!("plugin {name} is a {world} plugin and cannot be used as a {wanted} step"),
        );
        Attempt {
            result: Err(fault),
            log: AttemptLog::default(),
        }
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

type Findings = Vec<contract::types::Finding>;

fn check_backup(
    pre: BackupPre<Guest>,
) -> impl for<'a> FnOnce(&'a mut Store<Guest>) -> InStore<'a, Findings> {
    |store| {
        Box::pin(async move {
            let instance = pre.instantiate_async(&mut *store).await?;
            let step = instance.drydock_plugin_backup_step();
            step.call_check_config(store).await
        })
    }
}

fn check_verify(
    pre: VerifyPre<Guest>,
) -> impl for<'a> FnOnce(&'a mut Store<Guest>) -> InStore<'a, Findings> {
    |store| {
        Box::pin(async move {
            let instance = pre.instantiate_async(&mut *store).await?;
            let step = instance.drydock_plugin_verify_step();
            step.call_check_config(store).await
        })
    }
}

fn check_store(
    pre: StorePre<Guest>,
) -> impl for<'a> FnOnce(&'a mut Store<Guest>) -> InStore<'a, Findings> {
    |store| {
        Box::pin(async move {
            let instance = pre.instantiate_async(&mut *store).await?;
            let step = instance.drydock_plugin_store_step();
            step.call_check_config(store).await
        })
    }
}

fn run_backup(
    pre: BackupPre<Guest>,
) -> impl for<'a> FnOnce(
    &'a mut Store<Guest>,
) -> InStore<'a, backup::exports::drydock::plugin::backup_step::Report> {
    |store| {
        Box::pin(async move {
            let instance = pre.instantiate_async(&mut *store).await?;
            instance.drydock_plugin_backup_step().call_run(store).await
        })
    }
}

fn judge(
    pre: VerifyPre<Guest>,
    facts: SharedFacts,
    plain: Option<Slice>,
) -> impl for<'a> FnOnce(&'a mut Store<Guest>) -> InStore<'a, (bool, Findings)> {
    |store| {
        Box::pin(async move {
            let instance = pre.instantiate_async(&mut *store).await?;
            let facts = lend(store, facts)?;
            let plain = plain.map(|plain| lend_slice(store, plain)).transpose()?;
            let step = instance.drydock_plugin_verify_step();
            let verdict: Result<_, WitError> = step.call_judge(store, facts, plain).await?;
            Ok(verdict.map(|verdict| (verdict.pass, verdict.findings)))
        })
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
