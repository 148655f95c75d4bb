//! What a run uses: the documents that its schedule leads to, with the grants in force for
//! its plugins, and the components themselves. A run that starts takes them from the documents
//! in force and puts them; one that is resumed reads them. Both prepare with the registry that
//! [`PinnedWorkflow::registry`] makes, so that they cannot differ.

use std::collections::BTreeMap;
use std::sync::Arc;

use drydock_core::{Grants, Name, Pin, PinKind, PluginDigest, TargetName};
use drydock_documents::{
    self as documents, Cluster, Document, Located, PluginGrant, Schedule, SourceSpan, Target,
    Workflow,
};
use drydock_node::{CAPABILITIES, PinnedComponent, PluginRegistry, RegistryError, place};

use super::{PinBatch, PinError, PinnedError, Pins};

/// Digits of its digest by which errors call a pinned document.
const DIGITS_SHOWN: usize = 12;

/// Everything that a run uses and that others can change meanwhile.
#[derive(Debug)]
pub struct PinnedWorkflow {
    pub documents: Vec<Located<Document>>,
    /// By the plugins' names in the documents.
    pub components: BTreeMap<String, PinnedComponent>,
}

/// A plugin that is used, and the line that names it.
struct PluginUse<'a> {
    name: &'a Name,
    span: SourceSpan,
}

/// What is gathered, each thing once.
struct Gathering<'a> {
    registry: &'a PluginRegistry,
    targets: BTreeMap<&'a TargetName, &'a Located<Target>>,
    grants: BTreeMap<&'a Name, &'a Located<PluginGrant>>,
    components: BTreeMap<String, PinnedComponent>,
    errors: Vec<RegistryError>,
}

impl PinnedWorkflow {
    /// What a run of this workflow uses, as it is in force.
    ///
    /// # Errors
    /// Every plugin that cannot be had, by the line that names it.
    pub fn of_workflow(
        registry: &PluginRegistry,
        workflow: &Workflow<'_>,
    ) -> Result<Self, Vec<RegistryError>> {
        let mut gathering = Gathering::new(registry);
        for step in &workflow.steps {
            if let Some(name) = step.plugin() {
                let span = place(workflow, step, step.work.key());
                gathering.add_plugin(&PluginUse { name, span });
            }
            gathering.add_endpoints(step.grants.as_ref());
        }
        for target in workflow.targets.values() {
            gathering.add_target(target);
        }
        gathering.finish(workflow.schedule, workflow.cluster)
    }

    /// Keeps all of it for the run.
    ///
    /// # Errors
    /// What cannot be written.
    pub fn put(&self, batch: &mut PinBatch) -> Result<Vec<Pin>, PinError> {
        let mut pins = Vec::new();
        // Whoever resumes the run may stand elsewhere.
        let here = std::path::absolute(".").unwrap_or_default();
        for document in &self.documents {
            let document = &document.value;
            let name = format!("{}/{}", document.kind(), document.name());
            let text = document.canonical(&here);
            pins.push(batch.put(PinKind::Document, name, text.as_bytes())?);
        }
        for (name, component) in &self.components {
            let kind = if component.is_built_in {
                PinKind::BuiltIn
            } else {
                PinKind::Component
            };
            pins.push(batch.put(kind, name, &component.bytes)?);
        }
        Ok(pins)
    }

    /// What a run pinned.
    ///
    /// # Errors
    /// A pin is gone or damaged, or this Drydock does not understand it.
    pub fn read(pins: &Pins, named: &[Pin]) -> Result<Self, PinnedError> {
        let mut read = Self {
            documents: Vec::new(),
            components: BTreeMap::new(),
        };
        for pin in named {
            let bytes = pins.get(pin)?;
            let is_built_in = match pin.kind {
                PinKind::Document => {
                    read.documents.extend(parse(pin, &bytes)?);
                    continue;
                }
                PinKind::Component => false,
                PinKind::BuiltIn => true,
            };
            let component = PinnedComponent { bytes, is_built_in };
            read.components.insert(pin.name.clone(), component);
        }
        Ok(read)
    }

    /// The node as it is now with what the run uses in place of the documents and plugins in
    /// force: its ceiling, limits and keys are today's, and secrets are read anew.
    ///
    /// # Errors
    /// The documents do not fit together, or requests cannot leave this node.
    pub fn registry(self, in_force: &PluginRegistry) -> Result<PluginRegistry, PinnedError> {
        let node = in_force.node.pinned(self.documents)?;
        Ok(in_force.pinned(node, self.components)?)
    }
}

impl<'a> Gathering<'a> {
    fn new(registry: &'a PluginRegistry) -> Self {
        Self {
            registry,
            targets: BTreeMap::new(),
            grants: BTreeMap::new(),
            components: BTreeMap::new(),
            errors: Vec::new(),
        }
    }

    fn add_target(&mut self, target: &'a Located<Target>) {
        self.targets.insert(&target.value.name, target);
        self.add_plugin(&PluginUse {
            name: &target.value.spec.plugin,
            span: target.span("spec.plugin"),
        });
        self.add_endpoints(target.value.spec.grants.as_ref());
    }

    /// The targets that grants name: their endpoints are part of what a plugin may do.
    fn add_endpoints(&mut self, grants: Option<&Grants>) {
        for (_, name) in grants.map_or_else(Vec::new, Grants::targets) {
            let Some(target) = self.registry.node.documents.target(&name) else {
                continue;
            };
            // What that one names is there too: documents are read back as a set that fits.
            if self.targets.insert(&target.value.name, target).is_none() {
                self.add_endpoints(target.value.spec.grants.as_ref());
            }
        }
    }

    fn add_plugin(&mut self, plugin: &PluginUse<'_>) {
        let name = plugin.name.as_str();
        // What the process itself brings is no component.
        let is_own = self.registry.node.deps.actions.get(name).is_some();
        if is_own || self.components.contains_key(name) {
            return;
        }
        let (bytes, is_built_in) = match self.registry.component(name) {
            Ok(component) => component,
            Err(error) => return self.errors.push(error.at_span(&plugin.span)),
        };
        let documents = &self.registry.node.documents;
        let digest = PluginDigest::of(&bytes);
        if let Some(grant) = documents.grant_of(is_built_in.then_some(name), &digest) {
            self.grants.insert(&grant.value.name, grant);
            self.add_endpoints(Some(&grant.value.spec.grants));
        }
        let component = PinnedComponent { bytes, is_built_in };
        self.components.insert(name.to_owned(), component);
    }

    fn finish(
        self,
        schedule: &Located<Schedule>,
        cluster: &Located<Cluster>,
    ) -> Result<PinnedWorkflow, Vec<RegistryError>> {
        if !self.errors.is_empty() {
            return Err(self.errors);
        }
        let mut documents = vec![
            of_kind(schedule, Document::Schedule),
            of_kind(cluster, Document::Cluster),
        ];
        let targets = self.targets.values();
        documents.extend(targets.map(|target| of_kind(target, Document::Target)));
        let grants = self.grants.values();
        documents.extend(grants.map(|grant| of_kind(grant, Document::PluginGrant)));
        Ok(PinnedWorkflow {
            documents,
            components: self.components,
        })
    }
}

fn of_kind<T: Clone>(document: &Located<T>, kind: fn(T) -> Document) -> Located<Document> {
    Located {
        value: kind(document.value.clone()),
        file: Arc::clone(&document.file),
        positions: Arc::clone(&document.positions),
    }
}

/// The document of a pin. Paths in it are absolute, so that its own place means nothing.
fn parse(pin: &Pin, bytes: &[u8]) -> Result<Vec<Located<Document>>, PinnedError> {
    let shown = pin.sha256.get(..DIGITS_SHOWN).unwrap_or(&pin.sha256);
    let file = format!("pins/{shown}");
    // What is not UTF-8 is no document either, and the parser says where.
    let text = String::from_utf8_lossy(bytes);
    documents::parse(&file, &text, &CAPABILITIES).map_err(|source| PinnedError::Document {
        pin: pin.clone(),
        source,
    })
}
