//! From a schedule's documents to a run: the pinned specification, and the steps with
//! their plugins, grants, targets and keys.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use drydock_capability_etcd::EtcdAccess;
use drydock_core::{Clock, Fault, RunId, ScheduleName, StepName, UnixTime};
use drydock_documents::{FileError, Located, Lookup, Step, Target as TargetDocument, Workflow};
use drydock_engine::model::{Policy, RunSpec, StepPin, StorePin, VerifyPin};
use drydock_node::{
    ConfigPlaces, Configuration, Deps, OWN_CALLS, RegistryError, cluster_access, findings_of,
    judged_config,
};
use drydock_repository::Recipient;
use drydock_sandbox::{CallObserver, Plugin, StepCall, StoreTarget};
use drydock_snapshot::Limits;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::roles::{Front, Roles};
use super::{PrepareError, RunService};
use crate::steps::{
    Attempts, Backup, Backups, Commit, Examiner, PipelineContext, PlainSpools, Previous,
    RunTargets, SealedSpool, Sealing, Steps, Store, TargetGuard, Verdicts,
};

/// First wait before an effect is tried again, and the longest one.
pub const BACKOFF_MS: u64 = 1_000;
pub const BACKOFF_MS_MAX: u64 = 60_000;

/// Memory of the index of a snapshot's keys before it moves into the spool, so that a run
/// stays below 96 MiB whatever the snapshot holds. 350,000 keys fit; more cost some writing.
const INDEX_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Calls of one store step whose words are kept with the run, the first ones: a plugin that
/// has something to say of each of ten thousand parts must not fill the journal.
const CALL_LOGS_MAX: u32 = 256;

/// The same in bytes, of all calls together.
const CALL_LOGS_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Hears what a check is at.
pub type Tell<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// What is told of a plugin that is asked.
pub fn asked(plugin: &str, subject: &str) -> String {
    format!("plugin {plugin} is asked whether it accepts the configuration of {subject}")
}

/// A run that is ready to start.
pub struct Prepared {
    pub spec: RunSpec,
    /// In the order of the specification, as are the next two.
    backups: Vec<Arc<Plugin>>,
    verify: Vec<Arc<Plugin>>,
    stores: Vec<(StepName, StoreTarget)>,
    call: StepCall,
    stop: watch::Sender<Option<Fault>>,
    etcd: EtcdAccess,
    sealing: Sealing,
    attempts: Attempts,
    places: ConfigPlaces,
}

impl Prepared {
    pub fn new(
        service: &RunService,
        schedule: &ScheduleName,
        run: RunId,
        due: UnixTime,
        by_hand: bool,
    ) -> Result<Self, PrepareError> {
        let node = &service.registry.node;
        let workflow = node.workflow(schedule)?;
        let etcd = etcd(&workflow, &node.deps)?;
        let (stop, asked) = watch::channel(None);
        let attempts = Attempts {
            journal: Arc::clone(&service.journal),
            clock: Arc::clone(&service.clock),
            run: run.clone(),
        };
        let cluster = workflow.cluster.value.name.clone();
        let call = StepCall {
            etcd: Some(etcd.narrowed_to_plugins()),
            stop: asked,
            ..StepCall::idle(cluster, due)
        };
        let roles = Roles::in_force(&service.registry, &workflow)?;
        let stores = stores(service, &workflow, &call, &attempts)?;
        let spec = spec(node, &workflow, &roles, &stores, run, due, by_hand);
        let plugin = |front: &Front<'_>| Arc::clone(&front.plugin);
        Ok(Self {
            spec,
            backups: roles.backups.iter().map(plugin).collect(),
            verify: roles.verify.iter().map(|j| plugin(&j.front)).collect(),
            stores,
            call,
            stop,
            etcd: etcd.own,
            sealing: sealing(&workflow, &*node.deps.env)?,
            attempts,
            places: ConfigPlaces::of(&workflow),
        })
    }

    /// Lets every plugin judge its configuration before anything happens; `tell` hears who
    /// is asked.
    pub async fn check_config(&self, tell: Tell<'_>) -> Result<(), RegistryError> {
        // The document has them in the order of the pins: backup steps, then verify steps.
        let plugins = self.backups.iter().chain(&self.verify);
        for ((pin, plugin), place) in self.spec.pins().zip(plugins).zip(&self.places.steps) {
            let subject = format!("step {}", pin.step);
            tell(&asked(&pin.plugin, &subject));
            let call = self.call_with(&pin.config);
            let judged = async { findings_of(&subject, plugin.check_config(call, None).await) };
            let judged = judged_config(&subject, &pin.plugin, judged).await;
            judged.map_err(|error| error.at_span(place))?;
        }
        let stores = self.stores.iter().zip(&self.spec.stores);
        for (((_, target), pin), place) in stores.zip(&self.places.stores) {
            let subject = format!("target {}", pin.target);
            tell(&asked(&pin.pin.plugin, &subject));
            let judged = judged_config(&subject, &pin.pin.plugin, target.check_config()).await;
            judged.map_err(|error| error.at_span(place))?;
        }
        Ok(())
    }

    /// What carries the run's effects out.
    pub fn steps(self, service: &RunService) -> Steps {
        let spool_root = service.registry.node.state().join("spool");
        let spool = SealedSpool::new(&spool_root, &self.spec.run);
        let plain = Arc::new(PlainSpools::default());
        let stores = self.store_steps(service);
        let examiner = self.examiner(service, &stores, &spool_root);
        let grace = self.grace();
        let backups = self.spec.backups.iter().zip(&self.backups);
        let backups = backups.map(|(pin, plugin)| {
            let backup = Backup {
                plugin: Arc::clone(plugin),
                context: self.call_with(&pin.config),
            };
            (pin.step.clone(), backup)
        });
        let backups = backups.collect();
        let verdicts = self.spec.verify.iter().zip(&self.verify);
        let verdicts = verdicts.map(|(VerifyPin { pin, .. }, plugin)| {
            let call = self.call_with(&pin.config);
            (pin.step.clone(), (Arc::clone(plugin), call))
        });
        let verdicts = verdicts.collect();
        let pipeline = pipeline(
            spool.clone(),
            self.sealing.clone(),
            examiner,
            Arc::clone(&plain),
            Arc::clone(&service.clock),
        );
        Steps {
            backups: Backups {
                steps: backups,
                etcd: self.etcd,
                spool_root,
                spool: spool.clone(),
                attempts: self.attempts.clone(),
                stop: self.stop,
                pipeline,
            },
            verdicts: Verdicts {
                steps: verdicts,
                attempts: self.attempts,
            },
            stores: stores
                .into_iter()
                .map(|store| (store.step.clone(), store))
                .collect::<BTreeMap<_, _>>(),
            commit: Commit {
                key: Arc::clone(&service.key),
                signers: Arc::clone(&service.signers),
                clock: Arc::clone(&service.clock),
                journal: Arc::clone(&service.journal),
            },
            spool,
            plain,
            grace,
        }
    }

    fn store_steps(&self, service: &RunService) -> Vec<Store> {
        let targets = Arc::new(RunTargets::default());
        let stores = self.stores.iter().zip(&self.spec.stores);
        let store = |((step, target), pin): (&(StepName, StoreTarget), &StorePin)| Store {
            step: step.clone(),
            name: pin.target.clone(),
            target: Arc::new(target.clone()),
            cleanup: Arc::new(target.for_cleanup()),
            guard: Arc::new(TargetGuard::new(
                pin.target.clone(),
                Arc::clone(&service.journal),
                Arc::clone(&service.clock),
                Arc::clone(&targets),
            )),
        };
        stores.map(store).collect()
    }

    /// The longest that any of the plugins may go on once it was asked to stop.
    fn grace(&self) -> Duration {
        let stores = self.stores.iter().map(|(_, target)| target.plugin());
        let fronts = self.backups.iter().chain(&self.verify);
        let plugins = fronts.map(|plugin| &**plugin).chain(stores);
        let graces = plugins.map(|plugin| plugin.limits().stop_grace_max);
        graces.max().unwrap_or_default()
    }

    fn examiner(&self, service: &RunService, stores: &[Store], spool_root: &Path) -> Examiner {
        Examiner {
            etcd: self.etcd.clone(),
            previous: Arc::new(Previous {
                cluster: self.spec.cluster.clone(),
                name: self.spec.run.recovery_point(),
                stores: stores.to_vec(),
                signers: Arc::clone(&service.signers),
            }),
            limits: Limits {
                spill_folder: Some(spool_root.to_owned()),
                index_bytes_max: INDEX_BYTES_MAX,
                ..Limits::default()
            },
            runtime: Handle::current(),
            stop: self.call.stop.clone(),
        }
    }

    fn call_with(&self, config: &str) -> StepCall {
        StepCall {
            config: config.to_owned(),
            ..self.call.clone()
        }
    }
}

/// A cluster as the node sees it and as plugins may see it, over the same connections.
struct Access {
    own: EtcdAccess,
    all: EtcdAccess,
}

impl Access {
    /// Every call; the sandbox narrows it to each plugin's grants.
    fn narrowed_to_plugins(&self) -> EtcdAccess {
        self.all.clone()
    }
}

fn etcd(workflow: &Workflow<'_>, deps: &Deps) -> Result<Access, FileError> {
    let all = cluster_access(workflow.cluster, deps)?;
    Ok(Access {
        own: all.narrowed(&OWN_CALLS),
        all,
    })
}

fn stores(
    service: &RunService,
    workflow: &Workflow<'_>,
    call: &StepCall,
    attempts: &Attempts,
) -> Result<Vec<(StepName, StoreTarget)>, RegistryError> {
    workflow
        .stores
        .iter()
        .map(|(step, document)| {
            let call = StepCall {
                config: step.config_json(),
                etcd: None,
                ..call.clone()
            };
            let observer = observer(step.name.clone(), attempts.clone());
            let target = service.registry.target(document, call, observer)?;
            Ok((step.name.clone(), target))
        })
        .collect()
}

/// Keeps what a store plugin said, if it said anything.
fn observer(step: StepName, attempts: Attempts) -> CallObserver {
    let (calls, said) = (AtomicU32::new(0), AtomicU64::new(0));
    Arc::new(move |call, log| {
        if log.is_empty() {
            return;
        }
        let number = calls.fetch_add(1, Ordering::Relaxed) + 1;
        let bytes: usize = log.lines.iter().map(|line| line.text.len()).sum();
        let before = said.fetch_add(bytes as u64, Ordering::Relaxed);
        if number > CALL_LOGS_MAX || before + bytes as u64 > CALL_LOGS_BYTES_MAX {
            return;
        }
        let name = StepName::new(format!("{step}/{call}"));
        let attempts = attempts.clone();
        tokio::task::spawn_blocking(move || {
            attempts.start(&name, number).end::<()>(Ok(&()), &log);
        });
    })
}

/// One sealed copy serves every target, so it is sealed for all their recipients.
fn sealing(workflow: &Workflow<'_>, env: &dyn Lookup) -> Result<Sealing, FileError> {
    let mut all = Vec::new();
    let mut open_target = None;
    for (_, document) in &workflow.stores {
        let of_target = recipients(document, env)?;
        if of_target.is_empty() {
            open_target.get_or_insert_with(|| document.value.name.to_string());
        }
        all.extend(of_target);
    }
    Ok(Sealing {
        recipients: all,
        open_target,
    })
}

/// Whom artifacts are sealed to at a target.
pub fn recipients(
    document: &Located<TargetDocument>,
    env: &dyn Lookup,
) -> Result<Vec<Recipient>, FileError> {
    let lines = document.recipients(env)?;
    lines
        .iter()
        .map(|line| {
            Recipient::parse(line)
                .map_err(|error| document.sentence("spec.recipients", error.to_string()))
        })
        .collect()
}

fn spec(
    node: &Configuration,
    workflow: &Workflow<'_>,
    roles: &Roles<'_>,
    stores: &[(StepName, StoreTarget)],
    run: RunId,
    due: UnixTime,
    by_hand: bool,
) -> RunSpec {
    let schedule = &workflow.schedule.value;
    RunSpec {
        run,
        schedule: schedule.name.clone(),
        cluster: workflow.cluster.value.name.clone(),
        due,
        by_hand,
        backups: roles
            .backups
            .iter()
            .map(|front| pin(front.step, &front.plugin))
            .collect(),
        verify: roles
            .verify
            .iter()
            .map(|judge| VerifyPin {
                pin: pin(judge.front.step, &judge.front.plugin),
                judges: judge.judges.clone(),
            })
            .collect(),
        stores: workflow
            .stores
            .iter()
            .zip(stores)
            .map(|((step, document), (_, target))| StorePin {
                pin: pin(step, target.plugin()),
                target: document.value.name.clone(),
            })
            .collect(),
        drill: None,
        policy: Policy {
            backoff_limit: schedule.spec.backoff_limit(),
            backoff_ms: BACKOFF_MS,
            backoff_ms_max: BACKOFF_MS_MAX,
            active_deadline_seconds: schedule.spec.active_deadline().map(|limit| limit.as_secs()),
        },
        workflow_digest: node
            .documents
            .workflow_digest(&schedule.name)
            .unwrap_or_default(),
    }
}

fn pin(step: &Step, plugin: &Plugin) -> StepPin {
    StepPin {
        step: step.name.clone(),
        plugin: plugin.manifest().name.clone(),
        version: plugin.manifest().version.clone(),
        digest: plugin.digest().clone(),
        config: step.config_json(),
        grants: plugin.grants().into(),
    }
}

fn pipeline(
    spool: SealedSpool,
    sealing: Sealing,
    examiner: Examiner,
    plain: Arc<PlainSpools>,
    clock: Arc<dyn Clock>,
) -> crate::steps::PipelineFactory {
    Box::new(move |events| PipelineContext {
        spool: spool.clone(),
        sealing: sealing.clone(),
        examiner: examiner.clone(),
        plain: Arc::clone(&plain),
        clock: Arc::clone(&clock),
        events,
    })
}
