//! The sandbox and the plugins that the node's documents name.

mod components;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use drydock_capability_http::{HttpConfig, HttpGrant};
use drydock_core::{ClusterName, Finding, Level};
use drydock_documents::{FileError, GrantSubject, Located, Target as TargetDocument};
use drydock_repository::{SigningKey, Target as _, TrustedSigners};
use drydock_sandbox::{
    Admission, Attempt, CallObserver, Compiler, Plugin, Sandbox, SandboxConfig, StepCall,
    StoreContext, StoreTarget, Throttle, World,
};

use self::components::Components;
use super::binding::Binding;
use super::identity::Identities;
use super::network::http_config;
use super::places::refused;
use super::throttles::Throttles;
use super::{Configuration, limits};
use crate::RegistryError;

pub use components::{PinnedComponent, UnreadComponent, read_component};

/// How long a plugin may think about a configuration: it has no power meanwhile, and
/// parsing takes milliseconds.
pub(crate) const CONFIG_WALL_MAX: Duration = Duration::from_secs(10);

/// The hidden verb of this program that compiles a plugin for the process that started it.
pub const COMPILE_VERB: &str = "compile-plugin";

/// The process that compiles: this same program, even when its file was replaced since.
pub fn compiler() -> Compiler {
    Compiler {
        program: "/proc/self/exe".into(),
        arguments: vec![COMPILE_VERB.into()],
    }
}

/// A node with its plugins.
pub struct PluginRegistry {
    pub node: Configuration,
    sandbox: Sandbox,
    components: Components,
    /// Why no plugin can send requests, where that is wrong and not everything has to be
    /// sound.
    no_requests: Option<FileError>,
    /// Those of targets: each keeps its credential for all runs.
    identities: Identities,
    /// Those of targets, for all runs.
    throttles: Throttles,
    places: Mutex<BTreeMap<(String, Power), Arc<Place>>>,
}

/// What a plugin is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Power {
    /// All that its grants give it.
    Whole,
    /// To read: it can write to no folder, whatever its grants say.
    Reading,
}

/// Where an admitted plugin is to be found. Its lock is held while it is compiled, and
/// that of all places is not: who needs another plugin does not wait for this one.
type Place = Mutex<Option<Admitted>>;

/// An admitted plugin, and whether it is the built-in one of its name.
type Admitted = (Arc<Plugin>, bool);

impl PluginRegistry {
    /// Sets the sandbox up. Call it on the process's runtime.
    pub fn open(node: Configuration) -> Result<Self, RegistryError> {
        let http = http_config(&node.config, &*node.deps.env)?;
        Self::with_http(node, http)
    }

    /// The same to read recovery points: what is wrong with `http:` is told by a plugin
    /// that sends requests, and stops no other.
    pub fn open_to_read(node: Configuration) -> Result<Self, RegistryError> {
        let (http, no_requests) = match http_config(&node.config, &*node.deps.env) {
            Ok(http) => (http, None),
            Err(error) => (HttpConfig::default(), Some(error)),
        };
        Ok(Self {
            no_requests,
            ..Self::with_http(node, http)?
        })
    }

    fn with_http(node: Configuration, http: HttpConfig) -> Result<Self, RegistryError> {
        let spec = &node.config.value.spec;
        let sandbox = Sandbox::new(SandboxConfig {
            cache: Some(spec.state.join("cache")),
            limits: limits::in_force(spec, None),
            compiler: Some(compiler()),
            clock: Arc::clone(&node.deps.clock),
        })?;
        Ok(Self {
            identities: Identities::new(&http, &node.deps),
            sandbox: sandbox.with_http(http).beside(vec![spec.state.clone()]),
            throttles: Throttles::default(),
            components: Components::InForce,
            node,
            no_requests: None,
            places: Mutex::default(),
        })
    }

    /// The same sandbox with other documents. Plugins are admitted anew, since grants may
    /// have changed; their compiled code is in the cache.
    pub fn renewed(&self, node: Configuration) -> Result<Self, RegistryError> {
        self.beside(node, Components::InForce)
    }

    /// The same sandbox with what a run pinned: these documents, and these plugins alone, by
    /// name. What they may do is within the ceiling and the limits of `node`.
    pub fn pinned(
        &self,
        node: Configuration,
        components: BTreeMap<String, PinnedComponent>,
    ) -> Result<Self, RegistryError> {
        let pinned = self.beside(node, Components::Pinned(components))?;
        Ok(Self {
            identities: self.identities.clone(),
            ..pinned
        })
    }

    fn beside(&self, node: Configuration, components: Components) -> Result<Self, RegistryError> {
        let http = http_config(&node.config, &*node.deps.env)?;
        Ok(Self {
            identities: Identities::new(&http, &node.deps),
            sandbox: self.sandbox.with_http(http),
            throttles: self.throttles.clone(),
            components,
            node,
            no_requests: None,
            places: Mutex::default(),
        })
    }

    /// How long ago the plugins' last tick was; none while no plugin runs.
    pub fn tick_age(&self) -> Option<Duration> {
        self.sandbox.tick_age()
    }

    /// The names of all plugins that can be used here, in order.
    pub fn names(&self) -> Vec<String> {
        self.components.names(&self.node)
    }

    /// Whether a plugin is built in, and no document uses it or grants it anything. Where
    /// documents are wrong, nobody knows.
    pub fn is_unused(&self, name: &str) -> bool {
        let documents = &self.node.documents;
        let mut targets = documents.targets();
        let mut steps = documents
            .schedules()
            .flat_map(|schedule| &schedule.value.spec.steps);
        let mut grants = documents.grants();
        !self.node.is_partial()
            && !self.node.config.value.spec.plugins.contains_key(name)
            && !targets.any(|target| target.value.spec.plugin.as_str() == name)
            && !steps.any(|step| step.plugin().is_some_and(|plugin| plugin.as_str() == name))
            && !grants.any(|grant| grant.value.spec.subject() == GrantSubject::Builtin(name))
    }

    /// The component of that name, and whether it is the built-in one.
    pub fn component(&self, name: &str) -> Result<(Vec<u8>, bool), RegistryError> {
        self.components.get(&self.node, name)
    }

    /// The admitted plugin of that name, with all that it was granted.
    pub fn plugin(&self, name: &str) -> Result<Arc<Plugin>, RegistryError> {
        Ok(self.admitted(name, Power::Whole)?.0)
    }

    fn admitted(&self, name: &str, power: Power) -> Result<Admitted, RegistryError> {
        let place = self.place(name, power);
        let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(admitted) = &*place {
            return Ok(admitted.clone());
        }
        let (component, is_built_in) = self.component(name)?;
        let digest = drydock_core::PluginDigest::of(&component);
        let built_in = is_built_in.then_some(name);
        let spec = &self.node.config.value.spec;
        let grant = self.node.documents.grant_of(built_in, &digest);
        let grant = grant.map(|grant| &grant.value.spec);
        let grants = self.node.documents.grants_of(built_in, &digest);
        let limits = limits::in_force(spec, grant.map(|grant| &grant.limits));
        let admission = Admission {
            component: &component,
            builtin: built_in,
            grants: grants.as_ref(),
            ceiling: spec.ceiling.as_ref(),
            limits: Some(&limits),
        };
        let plugin = match power {
            Power::Whole => self.sandbox.admit(admission),
            Power::Reading => self.sandbox.admit_for_reading(admission),
        };
        let plugin = plugin.map_err(|error| refused(&self.node, name, built_in, &digest, error))?;
        if let Some(why) = &self.no_requests
            && !plugin.grants().of::<HttpGrant>().is_empty()
        {
            return Err(RegistryError::NoRequests(why.clone()));
        }
        let admitted = (plugin, is_built_in);
        *place = Some(admitted.clone());
        Ok(admitted)
    }

    fn place(&self, name: &str, power: Power) -> Arc<Place> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(places.entry((name.to_owned(), power)).or_default())
    }

    /// The plugin of a step or target, which has to be of this world, as far as that leaves
    /// it its grants.
    pub(crate) fn plugin_for<T>(
        &self,
        binding: &Binding<'_, T>,
        world: World,
    ) -> Result<Arc<Plugin>, RegistryError> {
        self.plugin_of(binding, world, Power::Whole)
    }

    fn plugin_of<T>(
        &self,
        binding: &Binding<'_, T>,
        world: World,
        power: Power,
    ) -> Result<Arc<Plugin>, RegistryError> {
        let name = binding.plugin;
        let admitted = self.admitted(name, power).and_then(|admitted| {
            if admitted.0.manifest().world == world {
                return Ok(admitted);
            }
            Err(other_world(&admitted.0, name, world, &binding.subject))
        });
        let (plugin, is_built_in) =
            admitted.map_err(|error| error.at_span(&binding.plugin_span()))?;
        let bound = binding.bind(&self.node, plugin, is_built_in.then_some(name));
        Ok(bound?)
    }

    /// A target through its store plugin.
    pub fn target(
        &self,
        document: &Located<TargetDocument>,
        step: StepCall,
        observer: CallObserver,
    ) -> Result<StoreTarget, RegistryError> {
        self.target_with(document, step, observer, Power::Whole)
    }

    fn target_with(
        &self,
        document: &Located<TargetDocument>,
        step: StepCall,
        observer: CallObserver,
        power: Power,
    ) -> Result<StoreTarget, RegistryError> {
        let binding = Binding::of_target(document);
        let plugin = self.plugin_of(&binding, World::Store, power)?;
        let plugin = self.identities.give(document, plugin)?;
        let context = StoreContext {
            target: document.value.name.clone(),
            config: document.value.spec.config.json(),
            step,
            observer,
            throttle: self.throttle(document),
        };
        Ok(StoreTarget::new(plugin, context))
    }

    fn throttle(&self, document: &Located<TargetDocument>) -> Throttle {
        let node = self.node.config.value.spec.target_limits;
        let target = &document.value;
        self.throttles.of(&target.name, target.spec.limits, node)
    }

    /// A target outside of any run.
    pub fn idle_target(
        &self,
        document: &Located<TargetDocument>,
        cluster: &ClusterName,
    ) -> Result<StoreTarget, RegistryError> {
        self.idle_with(document, cluster, Power::Whole)
    }

    /// The same to read: nothing can be written there, and a grant to read is enough.
    pub fn target_to_read(
        &self,
        document: &Located<TargetDocument>,
        cluster: &ClusterName,
    ) -> Result<StoreTarget, RegistryError> {
        self.idle_with(document, cluster, Power::Reading)
    }

    fn idle_with(
        &self,
        document: &Located<TargetDocument>,
        cluster: &ClusterName,
        power: Power,
    ) -> Result<StoreTarget, RegistryError> {
        let step = StepCall::idle(cluster.clone(), self.node.deps.clock.now());
        let observer: CallObserver = Arc::new(|call, log| {
            let plugin = log.tag();
            for line in log.to_string().lines() {
                tracing::debug!(call, plugin, "{line}");
            }
        });
        self.target_with(document, step, observer, power)
    }

    /// The own signing key.
    pub fn signing_key(&self) -> Result<SigningKey, FileError> {
        let key = self.own_key()?;
        key.ok_or_else(|| {
            let told = "has no signingKey, so nothing can be signed here: make one with `drydock key new --kind signing --out FILE`, and add `signingKey: {valueFrom: {file: FILE}}`";
            self.node.config.error("spec", told)
        })
    }

    /// The same; none on a node that only restores.
    pub fn own_key(&self) -> Result<Option<SigningKey>, FileError> {
        let config = &self.node.config;
        let path = "spec.signingKey";
        let Some(key) = &config.value.spec.signing_key else {
            return Ok(None);
        };
        let secret = key.value_from.read_text(&*self.node.deps.env);
        let secret = secret.map_err(|error| config.error(path, error))?;
        let parsed = SigningKey::parse(&secret);
        let key = parsed.map_err(|error| config.sentence(path, error.to_string()))?;
        Ok(Some(key))
    }

    /// Whom this node believes: those it lists, and itself where its key can be read.
    pub fn signers(&self) -> Result<TrustedSigners, RegistryError> {
        let config = &self.node.config;
        let listed = config.value.spec.trusted_signers.iter().map(String::as_str);
        let mut signers = TrustedSigners::parse(listed)
            .map_err(|error| config.sentence("spec.trustedSigners", error.to_string()))?;
        match self.own_key() {
            Ok(Some(key)) => signers.add(&key.public_line())?,
            Ok(None) => {}
            Err(error) => tracing::warn!(
                "the own signing key cannot be read, so what it signed is not trusted: {error}"
            ),
        }
        Ok(signers)
    }
}

fn other_world(plugin: &Plugin, name: &str, needed: World, subject: &str) -> RegistryError {
    RegistryError::OtherWorld {
        subject: subject.to_owned(),
        needed: needed.word().to_owned(),
        name: name.to_owned(),
        actual: plugin.manifest().world,
    }
}

/// Lets a plugin judge a configuration, and waits no longer than it may take: nobody waits
/// for another's plugin.
pub async fn judged_config(
    subject: &str,
    plugin: &str,
    judged: impl Future<Output = Result<Vec<Finding>, drydock_core::Fault>>,
) -> Result<(), RegistryError> {
    match tokio::time::timeout(CONFIG_WALL_MAX, judged).await {
        Ok(attempt) => accept_config(subject, attempt),
        Err(_) => Err(RegistryError::NoAnswer {
            plugin: plugin.to_owned(),
            subject: subject.to_owned(),
        }),
    }
}

/// Whether a target that asks for locks leads to a store that has some. What the store is like
/// follows from its configuration, so that nothing outside is asked.
pub async fn judged_retention(
    document: &Located<TargetDocument>,
    target: &StoreTarget,
) -> Result<(), FileError> {
    if document.value.spec.retain_days.is_none() {
        return Ok(());
    }
    let path = "spec.retainDays";
    let layout = target.layout().await;
    let layout = layout.map_err(|fault| {
        let rule =
            format!("cannot be judged, since the store does not say what it is like: {fault}");
        document.sentence(path, rule)
    })?;
    if layout.retain {
        return Ok(());
    }
    let plugin = &document.value.spec.plugin;
    let rule = format!(
        "asks plugin {plugin} to lock what it keeps, and that store cannot: remove the key, or use a store that locks objects"
    );
    Err(document.error(path, rule))
}

/// Turns what a plugin says of its configuration into an error, if it is one.
fn accept_config(
    subject: &str,
    attempt: Result<Vec<Finding>, drydock_core::Fault>,
) -> Result<(), RegistryError> {
    let refused = |why| RegistryError::ConfigRefused {
        subject: subject.to_owned(),
        why,
    };
    let findings = attempt.map_err(|fault| refused(fault.message))?;
    for finding in &findings {
        match finding.level {
            Level::Failure => return Err(refused(finding.message.clone())),
            Level::Warning => tracing::warn!(code = finding.code, "{subject}: {}", finding.message),
            Level::Note => tracing::info!(code = finding.code, "{subject}: {}", finding.message),
        }
    }
    Ok(())
}

/// The findings of an attempt, its log put where logs go.
pub fn findings_of<T>(subject: &str, attempt: Attempt<T>) -> Result<T, drydock_core::Fault> {
    let plugin = attempt.log.tag();
    for line in attempt.log.to_string().lines() {
        tracing::debug!(subject, plugin, "{line}");
    }
    attempt.result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_plugin_that_never_answers_is_named_in_the_end() {
        let judged = judged_config("step backup", "sloth", std::future::pending());
        let error = judged.await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "plugin sloth does not say within 10 s whether it accepts the configuration of step backup: ask its author, or use another plugin"
        );
    }
}
