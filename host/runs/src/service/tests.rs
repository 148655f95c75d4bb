//! Runs of native actions, whose documents go away while they are open.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use drydock_core::{
    ActionManifest, ClusterName, Fault, Finding, NoCrash, OutcomeCode, QuestionId, Repeat, RunKind,
    RunPhase, RunSubject, StepName, Subject, SubjectAccess, ValueType,
};
use drydock_documents::Lookup;
use drydock_engine::model::{Done, Need};
use drydock_engine::{Ended, RunHandle};
use drydock_node::action::{Action, ActionCall, Actions, ProbeEnd};
use drydock_node::{self as node, BuiltIn, Deps};
use drydock_repository::keys::NewSigningKey;
use tempfile::TempDir;

use super::*;
use crate::kind::step_key;

const DOCUMENTS: &str = "apiVersion: drydock.dev/v1\nkind: Cluster\nmetadata: {name: c1}\nspec: {etcd: {endpoints: ['https://127.0.0.1:1'], ca: {valueFrom: {file: ca.pem}}}}\n---\napiVersion: drydock.dev/v1\nkind: Schedule\nmetadata: {name: s1}\nspec:\n  cluster: c1\n  schedule: '@daily'\n  steps:\n  - {name: ok, gate: {question: 'Go on?', choices: [{name: go, means: it goes on}, {name: stop, means: it ends, ends: true}]}}\n  - {name: mark, action: marker, config: {word: first}}\n";

/// A run of a few answers is over long before.
const SOON: Duration = Duration::from_secs(10);

struct Files;

struct StoppedClock;

impl Lookup for Files {
    fn file(&self, path: &Path) -> Result<Vec<u8>, String> {
        fs::read(path).map_err(|error| error.to_string())
    }

    fn env(&self, _: &str) -> Option<String> {
        None
    }
}

impl Clock for StoppedClock {
    fn now(&self) -> UnixTime {
        UnixTime(1_800_000_000)
    }
}

/// Writes down by which key and configuration it was called.
struct Marker {
    manifest: ActionManifest,
    calls: Mutex<Vec<(String, String)>>,
}

#[async_trait]
impl Action for Marker {
    fn version(&self) -> &str {
        "0.0.0"
    }

    fn manifest(&self) -> &ActionManifest {
        &self.manifest
    }

    async fn check_config(&self, _: &str) -> Result<Vec<Finding>, Fault> {
        Ok(Vec::new())
    }

    async fn run(&self, call: ActionCall) -> Result<Done, Fault> {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.push((call.occasion.key, call.config));
        Ok(Done::default())
    }

    async fn probe(&self, _: ActionCall) -> Result<ProbeEnd, Fault> {
        Ok(ProbeEnd::Done(Done::default()))
    }

    async fn undo(&self, _: ActionCall) -> Result<(), Fault> {
        Ok(())
    }
}

struct OneAction(Arc<Marker>);

impl Actions for OneAction {
    fn names(&self) -> Vec<String> {
        vec!["marker".to_owned()]
    }

    fn get(&self, name: &str) -> Option<Arc<dyn Action>> {
        let action: Arc<dyn Action> = self.0.clone();
        (name == "marker").then_some(action)
    }
}

/// A node with one schedule, which only asks and marks.
struct Node {
    folder: TempDir,
    marker: Arc<Marker>,
}

impl Node {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for inner in ["state", "docs", "grants"] {
            fs::create_dir(folder.path().join(inner)).unwrap();
        }
        let node = Self {
            folder,
            marker: Arc::new(Marker {
                manifest: ActionManifest {
                    repeat: Repeat::Idempotent,
                    undo: true,
                    hold: None,
                    outputs: BTreeMap::from([("path".to_owned(), ValueType::Text)]),
                    access: SubjectAccess::Reads,
                },
                calls: Mutex::default(),
            }),
        };
        let key = NewSigningKey::generate().unwrap();
        node.write("key", key.secret.expose());
        node.write("drydock.yaml", "apiVersion: drydock.dev/v1\nkind: NodeConfig\nmetadata: {name: n1}\nspec:\n  state: state\n  schedules: [docs]\n  grants: [grants]\n  signingKey: {valueFrom: {file: key}}\n");
        node.write("docs/all.yaml", DOCUMENTS);
        node
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn service(&self) -> Arc<RunService> {
        let deps = Deps {
            clock: Arc::new(StoppedClock),
            crash: Arc::new(NoCrash),
            env: Arc::new(Files),
            built_in: BuiltIn(&[]),
            actions: Arc::new(OneAction(Arc::clone(&self.marker))),
        };
        let config = self.folder.path().join("drydock.yaml");
        let node = Configuration::load(&config, &node::Need::ALL, deps).unwrap();
        Arc::new(RunService::open(node, "test").unwrap())
    }

    /// A run that waits for its answer, and has gone with its process.
    async fn asking_run(&self) -> RunId {
        let service = self.service();
        let run = RunId::new("s1.20270115T080000Z");
        let request = StartRequest {
            run: run.clone(),
            schedule: ScheduleName::new("s1"),
            due: service.clock.now(),
            origin: Origin::Schedule,
            despite: None,
        };
        let handle = service.start(request).await.unwrap();
        assert!(service.limits.active().contains(&run));
        let mut progress = handle.progress();
        let asks = progress.wait_for(|view| view.phase == RunPhase::Asking);
        asks.await.unwrap();
        handle.suspend().await;
        assert_eq!(handle.wait().await.unwrap(), Ended::Suspended);
        assert!(service.limits.active().is_empty());
        run
    }

    fn calls(&self) -> Vec<(String, String)> {
        let calls = self.marker.calls.lock();
        calls.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn ended(handle: RunHandle) -> OutcomeCode {
    match handle.wait().await.unwrap() {
        Ended::Finished(outcome) => outcome.code(),
        Ended::Suspended => panic!("it is suspended"),
    }
}

#[tokio::test]
async fn a_resumed_run_goes_by_its_pins_when_its_documents_are_gone() {
    let node = Node::new();
    let run = node.asking_run().await;
    node.write("docs/all.yaml", "");
    let service = node.service();
    assert!(service.schedule(&ScheduleName::new("s1")).is_err());
    let spec = service.state_of(&run).await.unwrap().spec;
    let needs = Need {
        step: StepName::new("ok"),
        is_order: false,
    };
    assert_eq!(spec.nodes[1].needs, [needs]);
    assert_eq!((spec.kind, spec.point), (RunKind::Actions, None));
    let cluster = Subject::Cluster(ClusterName::new("c1"));
    assert_eq!(spec.subjects, [RunSubject::read(cluster)]);
    // It is open, so that what it pinned stays.
    service.sweep_pins().await.unwrap();
    let handle = service.resume(&run).await.unwrap();
    handle.decide(QuestionId(1), "go", "me").await.unwrap();
    assert_eq!(ended(handle).await, OutcomeCode::Succeeded);
    let key = step_key(&run, &StepName::new("mark"), None);
    assert_eq!(node.calls(), [(key, r#"{"word":"first"}"#.to_owned())]);
    let pins = node.folder.path().join("state/pins");
    assert!(fs::read_dir(&pins).unwrap().next().is_some());
    service.sweep_pins().await.unwrap();
    assert!(fs::read_dir(&pins).unwrap().next().is_none());
    let again = service.resume(&run).await.map(|_| ());
    let is_ended = matches!(&again, Err(StartError::Engine(EngineError::Ended { .. })));
    assert!(is_ended, "{again:?}");
}

/// It never took place, and its undo says so: nobody is asked.
#[tokio::test]
async fn a_step_whose_input_was_not_given_fails_and_is_taken_back() {
    let node = Node::new();
    let taker = "  - {name: taker, action: marker, inputs: {path: {valueFrom: {step: mark, output: path}}}}\n";
    node.write("docs/all.yaml", &format!("{DOCUMENTS}{taker}"));
    let run = node.asking_run().await;
    let service = node.service();
    let handle = service.resume(&run).await.unwrap();
    handle.decide(QuestionId(1), "go", "me").await.unwrap();
    let ended = tokio::time::timeout(SOON, ended(handle)).await;
    assert_eq!(ended.unwrap(), OutcomeCode::Failed);
    let state = service.state_of(&run).await.unwrap();
    let fault = state.ending.unwrap();
    assert_eq!(fault.code, ErrorCode::NoSuchOutput);
    assert_eq!(node.calls().len(), 1);
}

#[tokio::test]
async fn a_run_whose_pins_are_gone_waits_for_them() {
    let node = Node::new();
    let run = node.asking_run().await;
    let pins = node.folder.path().join("state/pins");
    let away = node.folder.path().join("away");
    fs::rename(&pins, &away).unwrap();
    let service = node.service();
    let Err(error) = service.resume(&run).await else {
        panic!("it was resumed")
    };
    assert!(matches!(error, StartError::Pinned(_)), "{error}");
    assert!(service.limits.active().is_empty());
    let schedule = ScheduleName::new("s1");
    let open = service.unfinished(&schedule).await.unwrap();
    assert_eq!(open, std::slice::from_ref(&run));
    fs::rename(&away, &pins).unwrap();
    let cancelled = service.resume_to_end(&run).await.unwrap();
    cancelled.cancel("enough").await;
    assert_eq!(ended(cancelled).await, OutcomeCode::Failed);
    assert_eq!(node.calls(), []);
}
