//! An admitted plugin, and what all calls of it share. The typed calls of each world stand
//! in a file of their own.

use std::fmt;
use std::sync::Arc;

use drydock_capability_artifact::Slice;
use drydock_capability_files::FolderPower;
use drydock_capability_http::identity::RequestIdentity;
use drydock_capability_secret::{REDACTED_BYTES_MIN, SecretSource};
use drydock_core::{ErrorCode, Fault, Finding, Grants, PluginDigest, Secret, TargetName};
use wasmtime::Store;
use wasmtime::component::{InstancePre, Resource};

use crate::answer::{self, Bounds};
use crate::attempt::{self, Attempt, InStore, Stage};
use crate::border::{Crossing, Recorder, Replay, Way};
use crate::cache::CompiledFrom;
use crate::guest::Guest;
use crate::limits::Limits;
use crate::link::{LINKS, PluginIdentity, SecretPlace, TargetWords, Terms, limit_folders};
use crate::log::Speaker;
use crate::manifest::PluginManifest;
use crate::narrowed::Narrowed;
use crate::parts::HostParts;
use crate::redact::GuestText;
use crate::runtime::Core;
use crate::step::StepCall;
use crate::world::World;

/// Said beside the refusal of what a wider grant would allow elsewhere.
const ONLY_LOOKS: &str =
    "and nothing that changes something is allowed in a call that only looks, whatever is granted";

/// A plugin that was admitted. Every call runs in a fresh store.
#[derive(Clone)]
pub struct Plugin {
    pub(crate) core: Arc<Core>,
    pub(crate) manifest: PluginManifest,
    pub(crate) digest: PluginDigest,
    pub(crate) grants: Grants,
    /// Who left it less than it was granted.
    pub(crate) narrowed: Narrowed,
    pub(crate) limits: Limits,
    pub(crate) speaker: Arc<Speaker>,
    pub(crate) compiled: CompiledFrom,
    /// What outlives an attempt: connections, and where the secrets are of the step or target
    /// that it serves.
    pub(crate) parts: HostParts,
    /// The component with its imports in place.
    pub(crate) linked: InstancePre<Guest>,
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

    /// What the plugin may do: asked for, granted, within the ceiling, and left to it by whom
    /// it serves.
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

    /// The same plugin, of whose attempts is written down what crosses its border.
    #[must_use]
    pub fn recorded(&self, recorder: &Recorder) -> Arc<Self> {
        let mut parts = self.parts.with(Way::Recorded(recorder.clone()));
        if let Some(SecretPlace(source)) = parts.get::<SecretPlace>() {
            let source = Arc::new(Redactable {
                source: Arc::clone(source),
                recorder: recorder.clone(),
            });
            parts.put(SecretPlace(source));
        }
        Arc::new(Self {
            parts,
            ..self.clone()
        })
    }

    /// The same plugin, whose calls are answered out of a record. Nothing that it was granted
    /// is reached.
    #[must_use]
    pub fn replayed(&self, replay: &Replay) -> Arc<Self> {
        Arc::new(Self {
            parts: self.parts.with(Way::Replayed(replay.clone())),
            ..self.clone()
        })
    }

    /// The same plugin for a target that has an identity: that completes the requests to its
    /// servers, and the plugin sees nothing of it.
    #[must_use]
    pub fn with_identity(&self, identity: Arc<dyn RequestIdentity>) -> Arc<Self> {
        Arc::new(Self {
            parts: self.parts.with(PluginIdentity(identity)),
            ..self.clone()
        })
    }

    /// The same plugin for a step or target that leaves it no more than `binding`. Its
    /// component stays linked as it is: what goes beyond is refused at the call, with `why`, a
    /// clause that says who narrows the grant.
    #[must_use]
    pub fn narrowed(&self, binding: &Grants, why: &str) -> Arc<Self> {
        Arc::new(Self {
            grants: self.grants.within(binding),
            narrowed: self.narrowed.and(why),
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
            guest.parts.put(TargetWords { name, config });
        }
        let (world, linked) = (self.manifest.world, self.linked.clone());
        let attempt = self.run(guest, move |store| {
            Box::pin(async move { world.check_config(&linked, store).await })
        });
        let attempt = attempt.await;
        attempt.and_then(|findings| answer::findings(findings, self.bounds()))
    }

    /// Runs a guest: `enter` calls it in the store that it is given.
    pub(crate) async fn run<T, F>(&self, guest: Guest, enter: F) -> Attempt<T>
    where
        T: GuestText + Send + 'static,
        F: for<'a> FnOnce(&'a mut Store<Guest>) -> InStore<'a, T> + Send + 'static,
    {
        self.run_within(&self.limits, guest, enter).await
    }

    /// The same within other limits of time.
    pub(crate) async fn run_within<T, F>(
        &self,
        limits: &Limits,
        guest: Guest,
        enter: F,
    ) -> Attempt<T>
    where
        T: GuestText + Send + 'static,
        F: for<'a> FnOnce(&'a mut Store<Guest>) -> InStore<'a, T> + Send + 'static,
    {
        let stage = Stage {
            core: &self.core,
            limits,
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

    /// A guest that can reach nothing.
    pub(crate) fn powerless(&self, mut context: StepCall) -> Guest {
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
            self.parts.get::<Way>().cloned().map(Crossing::new),
        )
    }

    /// A guest with all that its plugin may have.
    pub(crate) fn powered(&self, context: StepCall) -> Guest {
        self.given(context, &self.grants)
    }

    /// A guest that can look, and change nothing.
    pub(crate) fn looking(&self, context: StepCall) -> Guest {
        let mut guest = self.given(context, &self.grants.reading());
        guest.narrowed = self.narrowed.and(ONLY_LOOKS);
        limit_folders(&mut guest, FolderPower::Read);
        guest
    }

    /// The same plugin for calls that all only look.
    pub(crate) fn reading(&self) -> Arc<Self> {
        self.narrowed(&self.grants.reading(), ONLY_LOOKS)
    }

    fn given(&self, context: StepCall, grants: &Grants) -> Guest {
        let mut guest = self.guest(context);
        guest.narrowed = self.narrowed.clone();
        let terms = Terms {
            world: self.manifest.world,
            grants,
            parts: &self.parts,
        };
        for link in LINKS {
            (link.give)(&mut guest, &terms);
        }
        guest
    }

    /// Whether it is a plugin of this world; a fault `wrong-world` when not.
    pub(crate) fn is_of(&self, wanted: World) -> Result<(), Fault> {
        let PluginManifest { name, world, .. } = &self.manifest;
        if *world == wanted {
            return Ok(());
        }
        Err(Fault::permanent(
            ErrorCode::WrongWorld,
            format!(
                "plugin {name} is of the world {world}, and one of the world {wanted} is wanted"
            ),
        ))
    }
}

/// Secrets that can be told from other text: those that cannot would stay in a record.
struct Redactable {
    source: Arc<dyn SecretSource>,
    recorder: Recorder,
}

impl SecretSource for Redactable {
    fn read(&self, name: &str) -> Result<Secret, Fault> {
        let secret = self.source.read(name)?;
        let size = secret.expose().trim_ascii().len();
        if size >= REDACTED_BYTES_MIN {
            self.recorder.read_secret(name, secret.expose());
            return Ok(secret);
        }
        Err(Fault::denied(
            ErrorCode::BadSecret,
            format!(
                "secret {name} has {size} bytes, and one of fewer than {REDACTED_BYTES_MIN} cannot be taken out of a record: record the plugin with a longer one"
            ),
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
