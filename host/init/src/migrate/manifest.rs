//! What a CronJob's file says: the job, its containers with their variables and mounts, and the
//! ConfigMaps and Secrets beside it. Of a Secret the names of its keys are kept, and no value.

use std::collections::{BTreeMap, BTreeSet};

use drydock_cli::Failure;
use drydock_core::tree::{Node, Value};
use drydock_documents::read_yaml;

use super::shell::{Command, Word, commands, word};

/// A word of a manifest that steers how a pod runs.
const OF_PODS: &str = "says how a pod runs, and Drydock runs as a service of the node";

/// What a manifest says that has no place in the documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    pub line: u64,
    pub what: String,
    pub why: String,
}

/// The CronJob.
#[derive(Debug)]
pub struct Manifest {
    pub name: String,
    /// Policies by their keys, as text.
    pub policies: BTreeMap<&'static str, String>,
    pub containers: Vec<Container>,
    pub left: Vec<Left>,
}

/// A container, those that only prepare first.
#[derive(Debug)]
pub struct Container {
    pub name: String,
    pub line: u64,
    pub variables: BTreeMap<String, Variable>,
    /// What sets further variables, of which the file does not tell the names.
    pub beside: Vec<String>,
    pub mounts: Vec<Mount>,
    pub commands: Vec<Command>,
    /// Where its commands stand in the file, and whether as a script.
    pub script: Option<u64>,
}

/// Where a variable's value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Variable {
    Value(String),
    ConfigMap {
        name: String,
        key: String,
        value: Option<String>,
    },
    Secret {
        name: String,
        key: String,
    },
    /// Of the pod itself.
    Pod(String),
}

/// A folder of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    pub path: String,
    pub volume: Volume,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Volume {
    HostPath(String),
    Secret(String),
    /// What goes with the pod.
    Empty,
    Other(String),
}

/// Policies that both have, under the words of the CronJob and of the Schedule.
const POLICIES: [(&str, &str); 6] = [
    ("timeZone", "timeZone"),
    ("concurrencyPolicy", "concurrencyPolicy"),
    ("startingDeadlineSeconds", "startingDeadlineSeconds"),
    ("suspend", "suspend"),
    ("successfulJobsHistoryLimit", "successfulRunsHistoryLimit"),
    ("failedJobsHistoryLimit", "failedRunsHistoryLimit"),
];

/// The same of the Job.
const JOB_POLICIES: [(&str, &str); 3] = [
    ("activeDeadlineSeconds", "activeDeadlineSeconds"),
    ("backoffLimit", "backoffLimit"),
    ("ttlSecondsAfterFinished", "ttlSecondsAfterFinished"),
];

/// Keys of ConfigMaps and Secrets in the file, a ConfigMap's with their values.
#[derive(Debug, Default)]
struct Beside {
    config_maps: BTreeMap<String, BTreeMap<String, String>>,
    secrets: BTreeMap<String, BTreeSet<String>>,
}

/// Reads a file of one CronJob and what belongs to it.
///
/// # Errors
/// It is no YAML, or holds no CronJob, or several.
pub fn read(file: &str, text: &str) -> Result<Manifest, Failure> {
    let nodes = read_yaml(file, text).map_err(|error| Failure::usage(error.to_string()))?;
    let nodes: Vec<Node> = nodes.into_iter().flat_map(items).collect();
    let mut beside = Beside::default();
    let mut jobs = Vec::new();
    let mut others = Vec::new();
    for node in &nodes {
        match text_at(node, &["kind"]).as_deref() {
            Some("CronJob") => jobs.push(node),
            Some("ConfigMap") => beside.add_config_map(node),
            Some("Secret") => beside.add_secret(node),
            kind => others.push((node.at.line, kind.unwrap_or("no kind").to_owned())),
        }
    }
    match &jobs[..] {
        [job] => {
            let mut manifest = manifest(job, &beside);
            for (line, kind) in others {
                manifest.leave(line, &kind, "is no part of a backup");
            }
            Ok(manifest)
        }
        [] => Err(Failure::usage(no_job(file, &others))),
        [_, second, ..] => Err(Failure::usage(format!(
            "{file}:{}: a second CronJob stands here, and each makes documents of its own: put them into a file each",
            second.at
        ))),
    }
}

fn no_job(file: &str, others: &[(u64, String)]) -> String {
    let found = match others.first() {
        Some((line, kind)) => format!("{file}:{line}: this is a {kind}"),
        None => format!("{file}: this holds no document of Kubernetes"),
    };
    format!("{found}; name the file with the CronJob, e.g. from `kubectl get cronjob NAME -o yaml`")
}

fn items(node: Node) -> Vec<Node> {
    match node.get("items") {
        Some(Node {
            value: Value::List(items),
            ..
        }) => items.clone(),
        _ => vec![node],
    }
}

fn manifest(job: &Node, beside: &Beside) -> Manifest {
    let mut manifest = Manifest {
        name: text_at(job, &["metadata", "name"]).unwrap_or_default(),
        policies: BTreeMap::new(),
        containers: Vec::new(),
        left: Vec::new(),
    };
    manifest.leave_others(
        job.get("metadata"),
        "metadata",
        &["name"],
        "belongs to an object of Kubernetes; a document has a name alone",
    );
    let no_counterpart = "has no counterpart in a Schedule";
    let spec = job.get("spec");
    if let Some(schedule) = text_at(job, &["spec", "schedule"]) {
        manifest.policies.insert("schedule", schedule);
    }
    manifest.take(spec, &POLICIES);
    let mut known: Vec<&str> = POLICIES.iter().map(|(key, _)| *key).collect();
    known.extend(["schedule", "jobTemplate"]);
    manifest.leave_others(spec, "spec", &known, no_counterpart);
    let job_spec = at(job, &["spec", "jobTemplate", "spec"]);
    manifest.take(job_spec, &JOB_POLICIES);
    let mut known: Vec<&str> = JOB_POLICIES.iter().map(|(key, _)| *key).collect();
    known.push("template");
    let path = "spec.jobTemplate.spec";
    manifest.leave_others(job_spec, path, &known, no_counterpart);
    let path = "spec.jobTemplate.spec.template.spec";
    let pod = job_spec.and_then(|spec| at(spec, &["template", "spec"]));
    let known = ["containers", "initContainers", "volumes"];
    manifest.leave_others(pod, path, &known, OF_PODS);
    for list in ["initContainers", "containers"] {
        let containers = pod.and_then(|pod| pod.get(list));
        for (index, node) in list_of(containers).iter().enumerate() {
            let known = ["name", "command", "args", "env", "envFrom", "volumeMounts"];
            let path = format!("{path}.{list}[{index}]");
            manifest.leave_others(Some(node), &path, &known, OF_PODS);
            let container = container(node, pod, beside, &mut manifest);
            manifest.containers.push(container);
        }
    }
    manifest
}

impl Manifest {
    pub fn leave(&mut self, line: u64, what: &str, why: &str) {
        self.left.push(Left {
            line,
            what: what.to_owned(),
            why: why.to_owned(),
        });
    }

    fn take(&mut self, node: Option<&Node>, policies: &[(&str, &'static str)]) {
        for (key, own) in policies {
            if let Some(text) = node.and_then(|node| text_at(node, &[key])) {
                self.policies.insert(own, text);
            }
        }
    }

    fn leave_others(&mut self, node: Option<&Node>, path: &str, known: &[&str], why: &str) {
        let Some(Node {
            value: Value::Map(entries),
            ..
        }) = node
        else {
            return;
        };
        for (key, _) in entries {
            if !known.contains(&key.text.as_str()) {
                self.leave(key.at.line, &format!("{path}.{}", key.text), why);
            }
        }
    }
}

impl Beside {
    fn add_config_map(&mut self, node: &Node) {
        let name = text_at(node, &["metadata", "name"]).unwrap_or_default();
        let data = entries(node.get("data"));
        let values = data.filter_map(|(key, value)| Some((key, plain(value)?)));
        self.config_maps.insert(name, values.collect());
    }

    fn add_secret(&mut self, node: &Node) {
        let name = text_at(node, &["metadata", "name"]).unwrap_or_default();
        let data = entries(node.get("data")).chain(entries(node.get("stringData")));
        self.secrets
            .insert(name, data.map(|(key, _)| key).collect());
    }

    fn config_map(&self, name: String, key: String) -> Variable {
        let value = self.config_maps.get(&name).and_then(|map| map.get(&key));
        Variable::ConfigMap {
            value: value.cloned(),
            name,
            key,
        }
    }
}

fn container(
    node: &Node,
    pod: Option<&Node>,
    beside: &Beside,
    manifest: &mut Manifest,
) -> Container {
    let mut variables = BTreeMap::new();
    let mut unknown = Vec::new();
    for from in list_of(node.get("envFrom")) {
        unknown.extend(add_all(from, beside, &mut variables, manifest));
    }
    for own in list_of(node.get("env")) {
        if let Some(name) = text_at(own, &["name"]) {
            variables.insert(name, variable(own, beside));
        }
    }
    let known: BTreeSet<String> = variables.keys().cloned().collect();
    let (commands, script) = said(node, &known);
    Container {
        name: text_at(node, &["name"]).unwrap_or_default(),
        line: node.at.line,
        mounts: mounts(node, pod),
        commands,
        script,
        variables,
        beside: unknown,
    }
}

/// All keys of a ConfigMap or Secret as variables, as far as the file tells them; else what is not
/// in the file.
fn add_all(
    from: &Node,
    beside: &Beside,
    variables: &mut BTreeMap<String, Variable>,
    manifest: &mut Manifest,
) -> Vec<String> {
    let prefix = text_at(from, &["prefix"]).unwrap_or_default();
    let mut unknown = Vec::new();
    if let Some(name) = text_at(from, &["configMapRef", "name"]) {
        match beside.config_maps.get(&name) {
            None => unknown.push(format!("the ConfigMap {name}")),
            Some(map) => variables.extend(map.keys().map(|key| {
                let variable = beside.config_map(name.clone(), key.clone());
                (format!("{prefix}{key}"), variable)
            })),
        }
    }
    if let Some(name) = text_at(from, &["secretRef", "name"]) {
        match beside.secrets.get(&name) {
            None => unknown.push(format!("the Secret {name}")),
            Some(keys) => variables.extend(keys.iter().map(|key| {
                let (name, variable) = (name.clone(), format!("{prefix}{key}"));
                let key = key.clone();
                (variable, Variable::Secret { name, key })
            })),
        }
    }
    for absent in &unknown {
        manifest.leave(
            from.at.line,
            &format!("envFrom: {absent}"),
            "is not in the file, so that its variables are known by their use alone",
        );
    }
    unknown
}

fn variable(own: &Node, beside: &Beside) -> Variable {
    let named = |kind: &str| {
        let name = text_at(own, &["valueFrom", kind, "name"])?;
        Some((name, text_at(own, &["valueFrom", kind, "key"])?))
    };
    if let Some((name, key)) = named("secretKeyRef") {
        return Variable::Secret { name, key };
    }
    if let Some((name, key)) = named("configMapKeyRef") {
        return beside.config_map(name, key);
    }
    match text_at(own, &["valueFrom", "fieldRef", "fieldPath"]) {
        Some(path) => Variable::Pod(path),
        None => Variable::Value(text_at(own, &["value"]).unwrap_or_default()),
    }
}

/// The commands, and the line where they begin.
fn said(node: &Node, known: &BTreeSet<String>) -> (Vec<Command>, Option<u64>) {
    let parts = [node.get("command"), node.get("args")];
    let words: Vec<&Node> = parts.into_iter().flat_map(|part| list_of(part)).collect();
    let texts: Vec<String> = words.iter().filter_map(|word| plain(word)).collect();
    let Some(first) = words.first() else {
        return (Vec::new(), None);
    };
    let shell = texts.first().and_then(|path| path.rsplit('/').next());
    if matches!(shell, Some("sh" | "bash" | "ash" | "dash")) {
        let script = texts.iter().skip(1).position(|word| {
            let flags = word
                .strip_prefix('-')
                .filter(|flags| !flags.starts_with('-'));
            flags.is_some_and(|flags| flags.contains('c'))
        });
        if let Some(script) =
            script.and_then(|index| Some((words.get(index + 2)?, texts.get(index + 2)?)))
        {
            return (commands(script.1, known), Some(script.0.at.line));
        }
    }
    let command = Command {
        line: 1,
        sets: Vec::new(),
        words: texts
            .iter()
            .map(|text| word(text, known))
            .collect::<Vec<Word>>(),
    };
    (vec![command], Some(first.at.line))
}

fn mounts(node: &Node, pod: Option<&Node>) -> Vec<Mount> {
    let volumes = list_of(pod.and_then(|pod| pod.get("volumes")));
    let volume = |name: &str| {
        let found = volumes
            .iter()
            .find(|volume| text_at(volume, &["name"]).as_deref() == Some(name));
        found.map_or(
            Volume::Other("volume that is not there".to_owned()),
            volume_of,
        )
    };
    let mounts = list_of(node.get("volumeMounts")).iter();
    let mounts = mounts.filter_map(|mount| {
        let path = text_at(mount, &["mountPath"])?;
        let path = path.trim_end_matches('/').to_owned();
        let volume = match (
            volume(&text_at(mount, &["name"])?),
            text_at(mount, &["subPath"]),
        ) {
            (Volume::HostPath(folder), Some(below)) => {
                Volume::HostPath(format!("{folder}/{below}"))
            }
            (volume, _) => volume,
        };
        // Which folder that is, each pod says anew.
        let volume = match mount.get("subPathExpr") {
            Some(_) => Volume::Other("that has a subPathExpr".to_owned()),
            None => volume,
        };
        Some(Mount { path, volume })
    });
    mounts.collect()
}

fn volume_of(volume: &Node) -> Volume {
    if let Some(path) = text_at(volume, &["hostPath", "path"]) {
        return Volume::HostPath(path.trim_end_matches('/').to_owned());
    }
    if let Some(name) = text_at(volume, &["secret", "secretName"]) {
        return Volume::Secret(name);
    }
    if volume.get("emptyDir").is_some() {
        return Volume::Empty;
    }
    let mut kinds = entries(Some(volume))
        .map(|(key, _)| key)
        .filter(|key| key != "name");
    Volume::Other(
        kinds
            .next()
            .unwrap_or_else(|| "volume of no kind".to_owned()),
    )
}

fn at<'n>(node: &'n Node, path: &[&str]) -> Option<&'n Node> {
    path.iter().try_fold(node, |node, key| node.get(key))
}

fn text_at(node: &Node, path: &[&str]) -> Option<String> {
    plain(at(node, path)?)
}

/// A scalar as text.
fn plain(node: &Node) -> Option<String> {
    match &node.value {
        Value::Text(text) => Some(text.clone()),
        Value::Flag(flag) => Some(flag.to_string()),
        Value::Unsigned(number) => Some(number.to_string()),
        Value::Signed(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Null | Value::List(_) | Value::Map(_) => None,
    }
}

fn list_of(node: Option<&Node>) -> &[Node] {
    match node {
        Some(Node {
            value: Value::List(items),
            ..
        }) => items,
        _ => &[],
    }
}

fn entries(node: Option<&Node>) -> impl Iterator<Item = (String, &Node)> {
    let entries = match node {
        Some(Node {
            value: Value::Map(entries),
            ..
        }) => &entries[..],
        _ => &[],
    };
    entries.iter().map(|(key, value)| (key.text.clone(), value))
}
