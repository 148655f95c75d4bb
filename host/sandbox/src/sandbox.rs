//! The sandbox: how a component becomes a plugin.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use drydock_capability_http::HttpConfig;
use drydock_core::{Grants, PluginDigest};
#[cfg(test)]
use wasmtime::Engine;
use wasmtime::component::{Component, InstancePre};

use crate::admit::{self, Admission, AdmitError, Judgement, Reason};
use crate::engine;
use crate::guest::Guest;
use crate::link::{self, LINKS, OwnFolders};
use crate::log::Speaker;
use crate::manifest::{self, PluginManifest};
use crate::narrowed::Narrowed;
use crate::parts::HostParts;
use crate::plugin::Plugin;
#[cfg(test)]
use crate::runtime::Watch;
use crate::runtime::{Core, SandboxConfig, SandboxError};

/// Runs plugins. Clones are the same sandbox.
#[derive(Clone)]
pub struct Sandbox {
    core: Arc<Core>,
    /// What the host brings to capabilities.
    parts: HostParts,
}

impl Sandbox {
    /// Sets up engine and threads. The current tokio runtime becomes the one that the
    /// plugins' calls to the host are carried out on.
    ///
    /// # Errors
    /// [`SandboxError`]. A cache that cannot be used is not an error: plugins are then
    /// compiled each time, and the log says why.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn new(config: SandboxConfig) -> Result<Self, SandboxError> {
        let engine = engine::engine().map_err(|source| SandboxError::Engine { source })?;
        let core = Core::new(config, engine)?;
        Ok(Self {
            core: Arc::new(core),
            parts: HostParts::default(),
        })
    }

    /// A sandbox with another engine, whose guests are watched.
    #[cfg(test)]
    pub(crate) fn watched(
        config: SandboxConfig,
        engine: &wasmtime::Config,
        watch: Watch,
    ) -> wasmtime::Result<Self> {
        let mut core = Core::new(config, Engine::new(engine)?)?;
        core.watch = Some(watch);
        Ok(Self {
            core: Arc::new(core),
            parts: HostParts::default(),
        })
    }

    /// The same sandbox, whose plugins send their requests in another way. Those that were
    /// admitted before go on as they did.
    #[must_use]
    pub fn with_http(&self, config: HttpConfig) -> Self {
        Self {
            core: Arc::clone(&self.core),
            parts: self.parts.with(Arc::new(config)),
        }
    }

    /// The same sandbox on a node whose daemon keeps its own things in these folders: their
    /// file system is none of a granted folder's own.
    #[must_use]
    pub fn beside(mut self, own_folders: Vec<PathBuf>) -> Self {
        self.parts.put(OwnFolders(own_folders.into()));
        self
    }

    /// Admits a component, or says why not. Nothing of it runs. Blocks while compiling:
    /// 50 ms for a small plugin, seconds for an interpreter.
    ///
    /// # Errors
    /// [`AdmitError`]; each names the plugin and the mend.
    pub fn admit(&self, admission: Admission<'_>) -> Result<Arc<Plugin>, AdmitError> {
        self.admit_with(admission, Clone::clone)
    }

    /// The same for a plugin that is to write nothing: it gets what reads of its grants, and
    /// where it asks to write, a grant to read is enough.
    ///
    /// # Errors
    /// As [`Sandbox::admit`].
    pub fn admit_for_reading(&self, admission: Admission<'_>) -> Result<Arc<Plugin>, AdmitError> {
        let admitted = self.admit_with(admission, admit::reading)?;
        Ok(admitted.reading())
    }

    fn admit_with(
        &self,
        admission: Admission<'_>,
        asked: impl FnOnce(&PluginManifest) -> PluginManifest,
    ) -> Result<Arc<Plugin>, AdmitError> {
        let limits = admission.limits.unwrap_or(&self.core.limits).clone();
        let digest = PluginDigest::of(admission.component);
        admit::check_size(admission.component, limits.component_bytes_max, &digest)?;
        let manifest =
            manifest::read(admission.component).map_err(|source| AdmitError::Manifest {
                digest: digest.clone(),
                source,
            })?;
        // Nobody is told to grant what no grant gives.
        if let Some(beyond) = admit::beyond_world(&manifest, &digest).next() {
            return Err(beyond);
        }
        let grants = admit::effective(&admission, &asked(&manifest), &digest)?;
        let compiled = self.core.compile(
            admission.component,
            admission.builtin.is_some(),
            limits.compile_max,
        );
        let (component, compiled) =
            compiled.map_err(|error| admit::not_compiled(error, &manifest, &digest))?;
        let complaints = admit::complaints(&self.core.engine, &component, &manifest, &digest);
        if let Some(first) = complaints.into_iter().next() {
            return Err(first);
        }
        let linked = self.link(&component, &manifest, &digest, &grants)?;
        let speaker = Speaker {
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            digest: digest.clone(),
        };
        let mut parts = self.parts.clone();
        for link in LINKS {
            (link.prepare)(&mut parts, &grants);
        }
        Ok(Arc::new(Plugin {
            core: Arc::clone(&self.core),
            parts,
            limits,
            speaker: Arc::new(speaker),
            manifest,
            digest,
            grants,
            narrowed: Narrowed::default(),
            compiled,
            linked,
        }))
    }

    /// Judges a component for its author: all that speaks against it at once. Nothing of it
    /// runs. Blocks while compiling, as [`Sandbox::admit`].
    #[must_use]
    pub fn judge(&self, admission: Admission<'_>) -> Judgement {
        let digest = PluginDigest::of(admission.component);
        self.survey(admission, &digest)
            .unwrap_or_else(|error| Judgement {
                complaints: vec![error],
                needless: Vec::new(),
            })
    }

    /// What can be said of a component that can be read and compiled.
    fn survey(
        &self,
        admission: Admission<'_>,
        digest: &PluginDigest,
    ) -> Result<Judgement, AdmitError> {
        let (engine, limits) = (&self.core.engine, &self.core.limits);
        admit::check_size(admission.component, limits.component_bytes_max, digest)?;
        let manifest = manifest::read(admission.component).map_err(|source| {
            let digest = digest.clone();
            AdmitError::Manifest { digest, source }
        })?;
        let compiled = self
            .core
            .compile(admission.component, false, limits.compile_max);
        let (component, _) =
            compiled.map_err(|error| admit::not_compiled(error, &manifest, digest))?;
        let mut complaints = admit::complaints(engine, &component, &manifest, digest);
        if complaints.is_empty() {
            // How the types fit is only told of what is linked.
            let grants = admit::effective(&admission, &manifest, digest)?;
            complaints.extend(self.link(&component, &manifest, digest, &grants).err());
        }
        Ok(Judgement {
            complaints,
            needless: admit::needless(engine, &component, &manifest),
        })
    }

    /// How long ago the guests' last tick was; none while no guest runs. Ticks come every
    /// few milliseconds: one that is seconds old means that guests no longer give up their
    /// threads, and hold up each other.
    #[must_use]
    pub fn tick_age(&self) -> Option<Duration> {
        self.core.ticker.age()
    }

    fn link(
        &self,
        component: &Component,
        manifest: &PluginManifest,
        digest: &PluginDigest,
        grants: &Grants,
    ) -> Result<InstancePre<Guest>, AdmitError> {
        let linked = link::linker(&self.core.engine, manifest, grants)
            .and_then(|linker| linker.instantiate_pre(component))
            .and_then(|linked| manifest.world.check(&linked).map(|()| linked));
        linked.map_err(|source| AdmitError::Link {
            name: manifest.name.clone(),
            digest: digest.clone(),
            source: Reason::of(&source),
        })
    }
}
