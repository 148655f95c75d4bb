//! What a call has around it: the plugin, admitted with the grants of a file, and what the
//! call is told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use drydock_capability_secret::SecretSource;
use drydock_core::{
    ClusterName, ErrorCode, Fault, Grants, HoldOrder, PluginDigest, Secret, TargetName, reason,
};
use drydock_documents::{
    self as documents, DocumentSet, FileErrors, Loaded, Located, PluginGrant, Target,
};
use drydock_node::{
    cluster_access, example_grants, plugin_limits, read_component, read_documents, with_identity,
};
use drydock_sandbox::{
    Admission, Limits, Occasion, Plugin, Replay, StepCall, StepEvents, read_manifest,
};
use drydock_terminal::print;

use super::super::sandbox::sandbox;
use super::{pair, values};
use crate::args::{Global, RunPluginArgs};
use crate::{Context as _, Failure};

/// The step's name in what the plugin is told.
const STEP: &str = "try";

/// The same in all calls by hand, so that `undo` finds what `run` made.
const KEY: &str = "00000000000000000000000000000000";

/// The cluster's name where none is given.
const NO_CLUSTER: &str = "none";

pub struct Surroundings {
    pub plugin: Arc<Plugin>,
    pub step: StepCall,
    /// What the plugin says while it runs.
    pub said: Arc<Said>,
    /// Whether the calls are answered out of a record.
    pub is_replayed: bool,
}

/// Takes what a step tells its run.
#[derive(Default)]
pub struct Said {
    kept: Mutex<Vec<String>>,
}

impl Surroundings {
    pub fn new(global: &Global, args: &RunPluginArgs) -> Result<Self, Failure> {
        let documents = documents(global, args)?;
        let said = Arc::new(Said::default());
        let step = step(global, args, &documents, &said)?;
        let plugin = plugin(global, args, &documents)?;
        Ok(Self {
            plugin,
            step,
            said,
            is_replayed: false,
        })
    }

    /// For a call that is answered out of a record: linked as if all were granted that it asks
    /// for, and with nothing of that.
    pub fn replayed(
        global: &Global,
        args: &RunPluginArgs,
        replay: &Replay,
    ) -> Result<Self, Failure> {
        let said = Arc::new(Said::default());
        let idle = StepCall::idle(ClusterName::new(NO_CLUSTER), global.deps.clock.now());
        // What names a file is not read again: the host's answers have what was in it.
        let inputs = replay.head().inputs.into_iter();
        let inputs: Vec<String> = inputs.filter(|input| !input.contains("=@")).collect();
        let step = StepCall {
            occasion: Occasion {
                inputs: values::inputs(&inputs)?,
                ..Occasion::default()
            },
            events: Arc::clone(&said) as Arc<dyn StepEvents>,
            ..idle
        };
        let component = read_component(&args.file, Limits::default().component_bytes_max)?;
        let manifest = read_manifest(&component)
            .with_context(|| format!("{} is no plugin", args.file.display()))?;
        let grants = example_grants(&manifest.asked().collect::<Vec<_>>());
        let plugin = sandbox(global)?.admit(Admission {
            component: &component,
            builtin: None,
            grants: Some(&grants),
            ceiling: None,
            limits: None,
        })?;
        Ok(Self {
            plugin: plugin.replayed(replay),
            step,
            said,
            is_replayed: true,
        })
    }
}

/// The component, no larger than the most generous of the grants allows.
fn component(args: &RunPluginArgs, documents: &DocumentSet) -> Result<Vec<u8>, Failure> {
    let own = documents
        .grants()
        .map(|grant| Some(&grant.value.spec.limits));
    let most = own
        .chain([None])
        .map(|own| plugin_limits(own).component_bytes_max);
    Ok(read_component(&args.file, most.max().unwrap_or_default())?)
}

/// All documents of the call, as one set.
pub fn documents(global: &Global, args: &RunPluginArgs) -> Result<DocumentSet, Failure> {
    let files = args.grant.iter().chain(&args.cluster).cloned();
    let (documents, errors) = read_documents(&files.collect::<Vec<_>>());
    if !errors.is_empty() {
        return Err(FileErrors(errors).into());
    }
    let mut loaded = Loaded::of(documents);
    loaded.read_values(&*global.deps.env);
    let usable = loaded.take(documents::Need::All).map_err(FileErrors)?;
    Ok(usable.set)
}

fn step(
    global: &Global,
    args: &RunPluginArgs,
    documents: &DocumentSet,
    said: &Arc<Said>,
) -> Result<StepCall, Failure> {
    let config = values::text_or_file(&args.plugin_config)?;
    let parsed: serde_json::Value = serde_json::from_str(&config)
        .map_err(|error| Failure::usage(format!("--plugin-config is no JSON: {error}")))?;
    let cluster = documents.clusters().next();
    let name = cluster.map_or_else(
        || ClusterName::new(NO_CLUSTER),
        |cluster| cluster.value.name.clone(),
    );
    let etcd = cluster.map(|cluster| cluster_access(cluster, &global.deps));
    Ok(StepCall {
        config: parsed.to_string(),
        etcd: etcd.transpose()?,
        occasion: Occasion {
            step: STEP.to_owned(),
            attempt: 1,
            key: KEY.to_owned(),
            inputs: values::inputs(&args.inputs)?,
            ..Occasion::default()
        },
        events: Arc::clone(said) as Arc<dyn StepEvents>,
        ..StepCall::idle(name, global.deps.clock.now())
    })
}

fn plugin(
    global: &Global,
    args: &RunPluginArgs,
    documents: &DocumentSet,
) -> Result<Arc<Plugin>, Failure> {
    let component = component(args, documents)?;
    let manifest = read_manifest(&component)
        .with_context(|| format!("{} is no plugin", args.file.display()))?;
    let digest = PluginDigest::of(&component);
    let grant = grant_for(documents, &manifest.name, &digest)?;
    let grants = grant.map_or_else(Grants::default, |grant| {
        let endpoints = |name: &TargetName| documents.endpoints(name);
        grant.value.spec.grants.at_endpoints(&endpoints)
    });
    let limits = plugin_limits(grant.map(|grant| &grant.value.spec.limits));
    let plugin = sandbox(global)?.admit(Admission {
        component: &component,
        builtin: None,
        grants: Some(&grants),
        ceiling: None,
        limits: Some(&limits),
    })?;
    let plugin = plugin.with_secrets(Arc::new(secrets(args)?));
    match target_of(documents)? {
        Some(target) => Ok(with_identity(target, plugin, &global.deps)?),
        None => Ok(plugin),
    }
}

/// The target that a store is called for: who it is there, stands in its document.
pub fn target_of(documents: &DocumentSet) -> Result<Option<&Located<Target>>, Failure> {
    let mut targets = documents.targets();
    match (targets.next(), targets.next()) {
        (target, None) => Ok(target),
        (_, Some(_)) => Err(Failure::usage(
            "the file of --grant holds several Targets, and a plugin is called for one: leave the others out",
        )),
    }
}

/// The grant that is meant: the one for this component, else the one of its name, else the
/// only one.
fn grant_for<'a>(
    documents: &'a DocumentSet,
    name: &str,
    digest: &PluginDigest,
) -> Result<Option<&'a Located<PluginGrant>>, Failure> {
    if let Some(grant) = documents.grant_of(None, digest) {
        return Ok(Some(grant));
    }
    let all: Vec<_> = documents.grants().collect();
    let named = all.iter().find(|grant| grant.value.name.as_str() == name);
    match (named, all.as_slice()) {
        (Some(grant), _) | (None, [grant]) => Ok(Some(grant)),
        (None, []) => Ok(None),
        (None, _) => Err(Failure::usage(format!(
            "none of the PluginGrants is for {name} ({digest}) or called {name}: say with --grant which file is meant"
        ))),
    }
}

/// Secrets by their names, read when the plugin uses them.
struct Files(BTreeMap<String, String>);

fn secrets(args: &RunPluginArgs) -> Result<Files, Failure> {
    let pairs = args.secrets.iter().map(|word| {
        let (name, file) = pair("--secret", word)?;
        Ok((name.to_owned(), file.to_owned()))
    });
    Ok(Files(pairs.collect::<Result<_, Failure>>()?))
}

impl SecretSource for Files {
    fn read(&self, name: &str) -> Result<Secret, Fault> {
        let Some(file) = self.0.get(name) else {
            return Err(Fault::denied(
                ErrorCode::NotFound,
                format!("nobody said where the secret {name} is: add --secret {name}=FILE"),
            ));
        };
        let read = std::fs::read(file).map(Secret::new);
        read.map_err(|error| {
            Fault::denied(
                ErrorCode::NotFound,
                format!(
                    "the secret {name} cannot be read: {file}: {}",
                    reason(&error)
                ),
            )
        })
    }
}

impl Said {
    pub fn kept(&self) -> Vec<String> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *kept)
    }
}

#[async_trait]
impl StepEvents for Said {
    async fn cut(&self) -> Result<(), Fault> {
        print::note("cut: what the step takes is of this instant");
        Ok(())
    }

    async fn keep(&self, handle: String) -> Result<(), Fault> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push(handle);
        Ok(())
    }

    /// Nothing goes on under it, so it is let go at once.
    async fn held(&self, evidence: String, _: Duration) -> Result<HoldOrder, Fault> {
        print::note(&format!("holds: {}", drydock_core::plain(&evidence, 4096)));
        Ok(HoldOrder::LetGo)
    }
}
