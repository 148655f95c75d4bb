//! All documents that are in force together. Building a set checks what no single
//! document can show: names that occur twice, references to documents that are not
//! there, steps in a wrong order. It reports everything at once.

use std::collections::BTreeMap;

use drydock_core::{
    ClusterName, Endpoint, Grants, PluginDigest, ScheduleName, TargetName, suggestion,
};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::loaded::{About, Loaded, Need, Trouble};
use super::{
    Cluster, Document, FileError, GrantSubject, Kind, Located, Lookup, NodeConfig, PluginGrant,
    Schedule, Step, Target, Workflow,
};

/// Documents that fit together.
///
/// **Invariant:** every schedule's cluster and targets are in the set, its steps name steps
/// that are there, none waits for itself, and where one backs up, what it makes is verified
/// and stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DocumentSet {
    nodes: BTreeMap<String, Located<NodeConfig>>,
    clusters: BTreeMap<String, Located<Cluster>>,
    targets: BTreeMap<String, Located<Target>>,
    schedules: BTreeMap<String, Located<Schedule>>,
    grants: BTreeMap<String, Located<PluginGrant>>,
}

impl DocumentSet {
    /// Joins documents that all have to be sound.
    ///
    /// # Errors
    /// Everything that is wrong between the documents, by file and line.
    pub fn build(documents: Vec<Located<Document>>) -> Result<Self, Vec<FileError>> {
        let usable = Loaded::of(documents).take(Need::All)?;
        Ok(usable.set)
    }

    /// The same for what lies in the folders of the node's configuration.
    ///
    /// # Errors
    /// As [`DocumentSet::build`], and documents in a folder where they do not belong.
    pub fn from_folders(
        schedules: Vec<Located<Document>>,
        grants: Vec<Located<Document>>,
    ) -> Result<Self, Vec<FileError>> {
        let usable = Loaded::from_folders(schedules, grants).take(Need::All)?;
        Ok(usable.set)
    }

    /// The documents that are sound and fit together, and what is wrong with the others.
    pub(super) fn join(documents: Vec<Located<Document>>) -> (Self, Vec<Trouble>) {
        let mut set = Self::default();
        let mut conflicts = Vec::new();
        for document in documents {
            conflicts.extend(set.add(document));
        }
        conflicts.extend(set.subject_conflicts());
        conflicts.extend(set.reference_conflicts());
        for (kind, name) in conflicts.iter().flat_map(|conflict| &conflict.out) {
            set.remove(*kind, name);
        }
        let troubles = conflicts.into_iter().map(Conflict::trouble);
        (set, troubles.collect())
    }

    /// Reads the values of configurations and servers that stand elsewhere. Tells of each
    /// document of which one cannot be had.
    pub(super) fn read_values(&mut self, lookup: &dyn Lookup) -> Vec<(Kind, String, FileError)> {
        let mut errors = Vec::new();
        for (name, target) in &mut self.targets {
            if let Err(error) = target.read_values(lookup) {
                errors.push((Kind::Target, name.clone(), error));
            }
        }
        for (name, schedule) in &mut self.schedules {
            if let Err(error) = schedule.read_values(lookup) {
                errors.push((Kind::Schedule, name.clone(), error));
            }
        }
        errors
    }

    #[must_use]
    pub(super) fn has(&self, kind: Kind, name: &str) -> bool {
        match kind {
            Kind::NodeConfig => self.nodes.contains_key(name),
            Kind::Cluster => self.clusters.contains_key(name),
            Kind::Target => self.targets.contains_key(name),
            Kind::Schedule => self.schedules.contains_key(name),
            Kind::PluginGrant => self.grants.contains_key(name),
        }
    }

    pub(super) fn remove(&mut self, kind: Kind, name: &str) {
        match kind {
            Kind::NodeConfig => drop(self.nodes.remove(name)),
            Kind::Cluster => drop(self.clusters.remove(name)),
            Kind::Target => drop(self.targets.remove(name)),
            Kind::Schedule => drop(self.schedules.remove(name)),
            Kind::PluginGrant => drop(self.grants.remove(name)),
        }
    }

    /// All schedules by name.
    pub fn schedules(&self) -> impl Iterator<Item = &Located<Schedule>> {
        self.schedules.values()
    }

    pub fn clusters(&self) -> impl Iterator<Item = &Located<Cluster>> {
        self.clusters.values()
    }

    pub fn targets(&self) -> impl Iterator<Item = &Located<Target>> {
        self.targets.values()
    }

    pub fn grants(&self) -> impl Iterator<Item = &Located<PluginGrant>> {
        self.grants.values()
    }

    /// Node configurations, if files that hold them were given.
    pub fn node_configs(&self) -> impl Iterator<Item = &Located<NodeConfig>> {
        self.nodes.values()
    }

    #[must_use]
    pub fn schedule(&self, name: &ScheduleName) -> Option<&Located<Schedule>> {
        self.schedules.get(name.as_str())
    }

    #[must_use]
    pub fn cluster(&self, name: &ClusterName) -> Option<&Located<Cluster>> {
        self.clusters.get(name.as_str())
    }

    #[must_use]
    pub fn target(&self, name: &TargetName) -> Option<&Located<Target>> {
        self.targets.get(name.as_str())
    }

    /// What the operator grants a plugin: the grant that names its digest, or else the
    /// one for the built-in plugin of that name, with the endpoints of the targets that it
    /// names. None when there is none.
    #[must_use]
    pub fn grants_of(&self, builtin: Option<&str>, digest: &PluginDigest) -> Option<Grants> {
        let grant = self.grant_of(builtin, digest);
        grant.map(|grant| {
            let grants = &grant.value.spec.grants;
            grants.at_endpoints(&|name| self.endpoints(name))
        })
    }

    /// The servers of a target; none of one that is not there.
    #[must_use]
    pub fn endpoints(&self, name: &TargetName) -> Vec<Endpoint> {
        self.target(name).map_or_else(Vec::new, |target| {
            target.value.spec.endpoints.known().to_vec()
        })
    }

    /// The document of [`DocumentSet::grants_of`].
    #[must_use]
    pub fn grant_of(
        &self,
        builtin: Option<&str>,
        digest: &PluginDigest,
    ) -> Option<&Located<PluginGrant>> {
        let find = |wanted: GrantSubject<'_>| {
            self.grants
                .values()
                .find(|grant| grant.value.spec.subject() == wanted)
        };
        find(GrantSubject::Digest(digest))
            .or_else(|| builtin.and_then(|name| find(GrantSubject::Builtin(name))))
    }

    /// A schedule with everything that it names; none when there is no such schedule.
    #[must_use]
    pub fn workflow(&self, name: &ScheduleName) -> Option<Workflow<'_>> {
        let schedule = self.schedule(name)?;
        let spec = &schedule.value.spec;
        let named = spec.steps.iter().filter_map(Step::target);
        let targets = named.map(|name| Some((name.clone(), self.target(name)?)));
        Some(Workflow {
            schedule,
            cluster: self.cluster(&spec.cluster)?,
            steps: spec.steps.iter().collect(),
            targets: targets.collect::<Option<_>>()?,
        })
    }

    /// `sha256:` and hex over what a run of the schedule uses, as canonical JSON: the
    /// schedule, its cluster, the targets that it names, and of the grants those with these
    /// names, which are its plugins'. None when there is no such schedule.
    #[must_use]
    pub fn workflow_digest(&self, name: &ScheduleName, grants_used: &[&str]) -> Option<String> {
        let workflow = self.workflow(name)?;
        let mut hasher = Sha256::new();
        add_json(&mut hasher, &workflow.schedule.value);
        add_json(&mut hasher, &workflow.cluster.value);
        for target in workflow.targets.values() {
            add_json(&mut hasher, &target.value);
        }
        let is_used =
            |grant: &&Located<PluginGrant>| grants_used.contains(&grant.value.name.as_str());
        for grant in self.grants.values().filter(is_used) {
            add_json(&mut hasher, &grant.value);
        }
        Some(format!("sha256:{}", hex::encode(hasher.finalize())))
    }

    /// Adds a document; the first of two with one name stays for now.
    fn add(&mut self, document: Located<Document>) -> Option<Conflict> {
        match document.value.clone() {
            Document::NodeConfig(value) => insert(&mut self.nodes, &document, value),
            Document::Cluster(value) => insert(&mut self.clusters, &document, value),
            Document::Target(value) => insert(&mut self.targets, &document, value),
            Document::Schedule(value) => insert(&mut self.schedules, &document, value),
            Document::PluginGrant(value) => insert(&mut self.grants, &document, value),
        }
    }

    /// Two grants for one plugin: which one is in force could only be guessed.
    fn subject_conflicts(&self) -> Vec<Conflict> {
        let mut first: BTreeMap<GrantSubject<'_>, &Located<PluginGrant>> = BTreeMap::new();
        let mut conflicts = Vec::new();
        let mut grants: Vec<_> = self.grants.values().collect();
        grants.sort_by_key(|grant| (&grant.file, grant.at("spec")));
        for grant in grants {
            match first.get(&grant.value.spec.subject()) {
                Some(other) => {
                    let rule = format!(
                        "names the same plugin as the PluginGrant {} ({}:{}); join the two",
                        other.value.name,
                        other.file,
                        other.at("spec")
                    );
                    let names = [grant, other].map(|grant| grant.value.name.to_string());
                    conflicts.push(Conflict {
                        error: grant.error("spec", rule),
                        about: (Kind::PluginGrant, names[0].clone()),
                        out: names.map(|name| (Kind::PluginGrant, name)).to_vec(),
                    });
                }
                None => {
                    first.insert(grant.value.spec.subject(), grant);
                }
            }
        }
        conflicts
    }

    /// Grants, targets and schedules that refer to something that is not there, or not fit
    /// for it.
    fn reference_conflicts(&self) -> Vec<Conflict> {
        let mut conflicts = Vec::new();
        for grant in self.grants.values() {
            let errors = self.endpoint_errors(grant, "spec.grants", &grant.value.spec.grants);
            let name = grant.value.name.as_str();
            conflicts.extend(of_document(Kind::PluginGrant, name, errors));
        }
        for target in self.targets.values() {
            let grants = target.value.spec.grants.iter();
            let errors =
                grants.flat_map(|grants| self.endpoint_errors(target, "spec.grants", grants));
            let name = target.value.name.as_str();
            conflicts.extend(of_document(Kind::Target, name, errors));
        }
        for schedule in self.schedules.values() {
            let errors = self.reference_errors(schedule).into_iter();
            let errors = errors.chain(step_errors(schedule));
            let name = schedule.value.name.as_str();
            conflicts.extend(of_document(Kind::Schedule, name, errors));
        }
        conflicts
    }

    /// Grants of a target's endpoints, where there is no such target or it has none.
    fn endpoint_errors<T>(
        &self,
        document: &Located<T>,
        path: &str,
        grants: &Grants,
    ) -> Vec<FileError> {
        let mut errors = Vec::new();
        for (entry, name) in grants.targets() {
            let path = format!("{path}.{entry}.target");
            match self.target(&name) {
                None => {
                    let name = name.as_str();
                    errors.push(missing(document, &path, Kind::Target, name, &self.targets));
                }
                Some(target) if target.value.spec.endpoints.is_empty() => {
                    errors.push(document.error(
                        &path,
                        format!(
                            "names the Target {name} ({}:{}), which has no endpoints; add e.g. `endpoints: [https://s3.example.com]` to its spec",
                            target.file,
                            target.at("spec")
                        ),
                    ));
                }
                Some(_) => {}
            }
        }
        errors
    }

    fn reference_errors(&self, schedule: &Located<Schedule>) -> Vec<FileError> {
        let spec = &schedule.value.spec;
        let mut errors = Vec::new();
        if self.cluster(&spec.cluster).is_none() {
            let name = spec.cluster.as_str();
            errors.push(missing(
                schedule,
                "spec.cluster",
                Kind::Cluster,
                name,
                &self.clusters,
            ));
        }
        for (index, step) in spec.steps.iter().enumerate() {
            if let Some(grants) = &step.grants {
                let path = format!("spec.steps[{index}].grants");
                errors.extend(self.endpoint_errors(schedule, &path, grants));
            }
            let Some(name) = step.target().filter(|name| self.target(name).is_none()) else {
                continue;
            };
            let path = format!("spec.steps[{index}].{}", step.target_key());
            errors.push(missing(
                schedule,
                &path,
                Kind::Target,
                name.as_str(),
                &self.targets,
            ));
        }
        errors
    }
}

/// What is wrong between documents, and which of them are out because of it.
struct Conflict {
    error: FileError,
    about: (Kind, String),
    out: Vec<(Kind, String)>,
}

impl Conflict {
    /// One that puts the document itself out.
    fn of(kind: Kind, name: &str, error: FileError) -> Self {
        let about = (kind, name.to_owned());
        Self {
            error,
            out: vec![about.clone()],
            about,
        }
    }

    fn trouble(self) -> Trouble {
        let (kind, name) = self.about;
        Trouble {
            about: About::Document(kind, name),
            error: self.error,
        }
    }
}

/// Those of one document.
fn of_document(
    kind: Kind,
    name: &str,
    errors: impl IntoIterator<Item = FileError>,
) -> impl Iterator<Item = Conflict> {
    let errors = errors.into_iter();
    errors.map(move |error| Conflict::of(kind, name, error))
}

fn insert<T>(
    map: &mut BTreeMap<String, Located<T>>,
    document: &Located<Document>,
    value: T,
) -> Option<Conflict> {
    let name = document.value.name().to_owned();
    let kind = document.value.kind();
    let Some(first) = map.get(&name) else {
        map.insert(name, document.clone().with(value));
        return None;
    };
    if first.file == document.file && first.positions == document.positions {
        // It is the same twice over, so it stays.
        return Some(Conflict {
            error: document.sentence(
                "kind",
                "the configuration names this file twice; let only one path under schedules: and grants: lead to it",
            ),
            about: (kind, name),
            out: Vec::new(),
        });
    }
    let told = format!(
        "a second {kind} has the name {name}; the first stands in {}:{}; rename one of the two",
        first.file,
        first.at("metadata.name")
    );
    let error = document.sentence("metadata.name", told);
    Some(Conflict::of(kind, &name, error))
}

fn missing<S, T>(
    document: &Located<S>,
    path: &str,
    kind: Kind,
    name: &str,
    known: &BTreeMap<String, Located<T>>,
) -> FileError {
    let near = if known.is_empty() {
        format!("; there is no {kind} at all")
    } else {
        suggestion(name, known.keys().map(String::as_str))
    };
    document.error(
        path,
        format!("names the {kind} {name}, which no document defines{near}"),
    )
}

fn step_errors(schedule: &Located<Schedule>) -> Vec<FileError> {
    schedule
        .value
        .spec
        .step_problems()
        .into_iter()
        .map(|problem| schedule.error(&problem.path, format!("of a Schedule {}", problem.rule)))
        .collect()
}

/// Adds one document and a separator that JSON cannot contain.
fn add_json(hasher: &mut Sha256, value: &impl Serialize) {
    let json = serde_json::to_vec(value).expect("documents are plain maps, lists and scalars");
    hasher.update(json);
    hasher.update([0]);
}
