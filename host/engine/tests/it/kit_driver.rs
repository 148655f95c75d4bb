//! A native runner for tests of the driver: it succeeds at everything, but for what it is
//! told, and a bench around it with a journal of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use drydock_core::store::{
    Acknowledgement, Completion, Layout, ObjectStat, Receipt, Session, Sessions,
};
use drydock_core::{
    Clock, ClusterName, Fault, GrantRecord, HoldEnd, HoldKind, Nature, OutputId, PluginDigest,
    Probed, RunId, RunKind, RunPhase, RunSubject, ScheduleName, StepName, Subject, TargetName,
    UnixTime, ValueType, Verdict,
};
use drydock_engine::model::{
    Answer, Choice, Done, Effect, EffectId, Emission, Gate, HoldSpec, Need, NodeSpec, Origin,
    Outcome, Policy, RunSpec,
};
use drydock_engine::state::GATE_OUTPUT;
use drydock_engine::{
    Emissions, Ended, Engine, EngineError, Job, RunHandle, STOP_GRACE, StepRunner,
};
use drydock_journal::{Journal, Record};
use drydock_point::model::{
    OutputEvent, PointAnswer, PointEffect, PointSpec, RetryPolicy, SealedOutput, StepPin, StorePin,
    VerifyPin,
};
use tokio::sync::{Barrier, Notify};

pub const RUN: &str = "nightly.20260102T030405Z";

/// Sealed bytes of an output: three parts.
pub const SEALED_BYTES: u64 = 25;

pub fn step(name: &str) -> StepName {
    StepName::new(name)
}

/// A node that needs these.
pub fn node(name: &str, needs: &[&str]) -> NodeSpec {
    let needs = needs.iter().map(|name| Need {
        step: step(name),
        is_order: false,
    });
    NodeSpec {
        needs: needs.collect(),
        ..NodeSpec::new(step(name), "task")
    }
}

/// A node that asks whether to go or to stop.
pub fn gate(name: &str) -> NodeSpec {
    let choice = |word: &str, ends| Choice {
        word: word.to_owned(),
        means: format!("we {word}"),
        ends,
    };
    NodeSpec {
        gate: Some(Gate {
            question: "Shall we?".to_owned(),
            choices: vec![choice("go", false), choice("stop", true)],
            frees_subjects: false,
        }),
        outputs: BTreeMap::from([(GATE_OUTPUT.to_owned(), ValueType::Text)]),
        ..node(name, &[])
    }
}

/// A session hold, and a step during it.
pub fn held() -> RunSpec {
    let lock = NodeSpec {
        hold: Some(HoldSpec {
            kind: HoldKind::Session,
            seconds_max: 600,
            acquire_seconds: 60,
        }),
        ..node("lock", &[])
    };
    let copy = NodeSpec {
        during: vec![step("lock")],
        ..node("copy", &[])
    };
    graph(vec![lock, copy])
}

/// A run without a recovery point.
pub fn graph(nodes: Vec<NodeSpec>) -> RunSpec {
    let cluster = ClusterName::new("c1");
    RunSpec {
        run: RunId::new(RUN),
        schedule: ScheduleName::new("nightly"),
        subjects: vec![RunSubject::read(Subject::Cluster(cluster.clone()))],
        cluster,
        due: UnixTime(1_767_323_045),
        origin: Origin::Schedule,
        kind: RunKind::Actions,
        pins: Vec::new(),
        nodes,
        point: None,
        policy: Policy {
            backoff_limit: 1,
            backoff_ms: 100,
            backoff_ms_max: 1000,
            active_deadline_seconds: None,
            steps_max: 8,
        },
        workflow_digest: "sha256:00".to_owned(),
    }
}

/// A run of one step that contributes, one verify step, and these store steps.
pub fn backup(stores: &[&str]) -> RunSpec {
    let snapshot = NodeSpec {
        contributes: true,
        ..node("snapshot", &[])
    };
    let spec = graph(vec![snapshot]);
    let store = |name: &&str| StorePin {
        pin: pin(name),
        target: TargetName::new(format!("t-{name}")),
        required: false,
        identity: None,
        retain_days: None,
    };
    RunSpec {
        kind: RunKind::Backup,
        point: Some(PointSpec {
            run: spec.run.clone(),
            cluster: spec.cluster.clone(),
            contributors: vec![step("snapshot")],
            verify: vec![VerifyPin {
                pin: pin("verify"),
                judges: Vec::new(),
            }],
            stores: stores.iter().map(store).collect(),
            minimum_targets: 1,
            retry: RetryPolicy {
                backoff_limit: 1,
                backoff_ms: 100,
                backoff_ms_max: 1000,
            },
        }),
        ..spec
    }
}

pub fn with_deadline(seconds: u64) -> RunSpec {
    let mut spec = backup(&["s1"]);
    spec.policy.active_deadline_seconds = Some(seconds);
    spec
}

fn pin(name: &str) -> StepPin {
    StepPin {
        step: step(name),
        plugin: format!("plugin-of-{name}"),
        version: "1.0.0".to_owned(),
        digest: PluginDigest::of(name.as_bytes()),
        config: "{}".to_owned(),
        grants: GrantRecord::default(),
    }
}

struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> UnixTime {
        UnixTime(1_767_323_050)
    }
}

/// Succeeds at everything, but for what it is told. Effects are named by their short forms,
/// e.g. `attempt snapshot 1` or `put-part 3`, or by how these begin.
#[derive(Default)]
pub struct ModelRunner {
    /// Everything that was performed, and what was asked of attempts, in order.
    performed: Mutex<Vec<String>>,
    /// Answered with the fault once.
    failures: Mutex<Vec<(&'static str, Fault)>>,
    /// These never answer, unless they are attempts that are asked to come to an end.
    hang: Mutex<BTreeSet<&'static str>>,
    hanging: Notify,
    panic_once: Mutex<Option<&'static str>>,
    /// Answered with something else than was asked.
    lie_once: Mutex<Option<&'static str>>,
    /// Attempts that are under way, and how they are told to come to an end.
    told: Mutex<BTreeMap<EffectId, Arc<Notify>>>,
    /// Attempts do not listen to what they are told.
    is_deaf: AtomicBool,
    /// All attempts meet here.
    meeting: Mutex<Option<Arc<Barrier>>>,
    /// What attempts could tell when they are over.
    leaked: Mutex<Vec<Emissions>>,
}

#[async_trait]
impl StepRunner for ModelRunner {
    async fn perform(&self, job: Job, emissions: Emissions) -> Answer {
        let short = short(&job.effect);
        self.note(&short);
        let told = Arc::new(Notify::new());
        self.told.lock().unwrap().insert(job.id, Arc::clone(&told));
        if is_one_of(&self.hang.lock().unwrap(), &short) {
            self.hanging.notify_one();
            match job.effect {
                Effect::Attempt { .. } => told.notified().await,
                _ => std::future::pending().await,
            }
        }
        let panics = take_once(&self.panic_once, &short);
        assert!(!panics, "told to panic");
        if take_once(&self.lie_once, &short) {
            return Answer::Undone;
        }
        if let Some(fault) = self.failure_of(&short) {
            return failed(&job.effect, fault);
        }
        match &job.effect {
            Effect::Attempt { node, .. } => self.attempt(&job, node, &told, emissions).await,
            Effect::Probe { .. } => Answer::Probed {
                state: Probed::NotBegun,
            },
            Effect::Undo { .. } => Answer::Undone,
            Effect::Point { point } => Answer::Point {
                point: point_answer(point),
            },
            other => panic!("{other:?} is not for the runner"),
        }
    }

    fn stop(&self, _reason: &Fault) -> Duration {
        self.told
            .lock()
            .unwrap()
            .values()
            .for_each(|told| self.tell(told));
        STOP_GRACE
    }

    fn stop_attempt(&self, attempt: EffectId, reason: &Fault) -> Duration {
        self.note(&format!("stop for {}", reason.code.as_str()));
        self.tell(&self.told.lock().unwrap()[&attempt]);
        STOP_GRACE
    }

    fn let_go(&self, attempt: EffectId) -> Duration {
        self.note("let-go");
        self.tell(&self.told.lock().unwrap()[&attempt]);
        STOP_GRACE
    }
}

impl ModelRunner {
    pub fn hang(&self, what: &'static str) {
        self.hang.lock().unwrap().insert(what);
    }

    pub fn hang_no_more(&self) {
        self.hang.lock().unwrap().clear();
    }

    /// Waits until something hangs.
    pub async fn hanging(&self) {
        self.hanging.notified().await;
    }

    pub fn fail(&self, what: &'static str, fault: Fault) {
        self.failures.lock().unwrap().push((what, fault));
    }

    pub fn panic_at(&self, what: &'static str) {
        *self.panic_once.lock().unwrap() = Some(what);
    }

    pub fn lie_at(&self, what: &'static str) {
        *self.lie_once.lock().unwrap() = Some(what);
    }

    pub fn be_deaf(&self) {
        self.is_deaf.store(true, Ordering::Relaxed);
    }

    /// No attempt goes on before so many are under way.
    pub fn meet(&self, attempts: usize) {
        *self.meeting.lock().unwrap() = Some(Arc::new(Barrier::new(attempts)));
    }

    /// Tells something in the name of every attempt that is over.
    pub async fn tell_late(&self, emission: &Emission) {
        let leaked = self.leaked.lock().unwrap().clone();
        for emissions in leaked {
            emissions.send(emission.clone()).await.unwrap();
        }
    }

    pub fn performed(&self) -> Vec<String> {
        self.performed.lock().unwrap().clone()
    }

    async fn attempt(
        &self,
        job: &Job,
        node: &StepName,
        told: &Notify,
        emissions: Emissions,
    ) -> Answer {
        let meeting = self.meeting.lock().unwrap().clone();
        if let Some(meeting) = meeting {
            meeting.wait().await;
        }
        let spec = job.state.node_spec(node).unwrap();
        let mut done = Done::default();
        if spec.contributes {
            let output = job.state.point.as_ref().unwrap().next_output();
            for event in output_events(output, node) {
                emissions.send(Emission::Output(event)).await.unwrap();
            }
        }
        if !spec.during.is_empty() {
            emissions.send(Emission::Cut).await.unwrap();
        }
        if spec.hold.is_some() {
            let evidence = "we hold it".to_owned();
            emissions.send(Emission::Held { evidence }).await.unwrap();
            told.notified().await;
            done.hold = Some(HoldEnd::ToTheEnd);
        }
        self.leaked.lock().unwrap().push(emissions);
        Answer::Done {
            done: Box::new(done),
        }
    }

    fn note(&self, what: &str) {
        self.performed.lock().unwrap().push(what.to_owned());
    }

    fn tell(&self, told: &Notify) {
        if !self.is_deaf.load(Ordering::Relaxed) {
            told.notify_one();
        }
    }

    fn failure_of(&self, short: &str) -> Option<Fault> {
        let mut failures = self.failures.lock().unwrap();
        let index = failures.iter().position(|(of, _)| short.starts_with(of))?;
        Some(failures.remove(index).1)
    }
}

fn take_once(told: &Mutex<Option<&'static str>>, short: &str) -> bool {
    let mut told = told.lock().unwrap();
    told.take_if(|word| short.starts_with(*word)).is_some()
}

fn is_one_of(words: &BTreeSet<&'static str>, short: &str) -> bool {
    words.iter().any(|word| short.starts_with(word))
}

fn short(effect: &Effect) -> String {
    match effect {
        Effect::Attempt { node, attempt }
        | Effect::Probe { node, attempt }
        | Effect::Undo { node, attempt } => format!("{} {node} {attempt}", effect.word()),
        Effect::Point {
            point: PointEffect::PutPart { number, .. },
        } => format!("put-part {number}"),
        other => other.word().to_owned(),
    }
}

fn failed(effect: &Effect, fault: Fault) -> Answer {
    match effect {
        Effect::Point { .. } => Answer::Point {
            point: PointAnswer::Failed { fault },
        },
        _ => Answer::failed(fault),
    }
}

fn output_events(output: OutputId, node: &StepName) -> [OutputEvent; 4] {
    let advanced = |sealed_bytes| OutputEvent::Advanced {
        output,
        sealed_bytes,
    };
    [
        OutputEvent::Opened {
            output,
            name: node.to_string(),
            secret: true,
            object_suffix: format!("{:016x}", output.0),
            extension: "zst.age".to_owned(),
        },
        advanced(10),
        advanced(24),
        OutputEvent::Sealed {
            sealed: Box::new(SealedOutput {
                output,
                name: node.to_string(),
                secret: true,
                plain_size: SEALED_BYTES * 2,
                plain_sha256: "11".repeat(32),
                sealed_size: SEALED_BYTES,
                sealed_sha256: "22".repeat(32),
                opened: UnixTime(0),
                closed: UnixTime(0),
                nature: Nature::Bytes,
                findings: Vec::new(),
            }),
        },
    ]
}

/// The name of the one output's object at every store.
pub fn object() -> String {
    format!("c1/{RUN}/snapshot.{:016x}.zst.age", 1)
}

fn point_answer(effect: &PointEffect) -> PointAnswer {
    match effect {
        PointEffect::BeginUpload { .. } => PointAnswer::Began {
            session: Session(b"session".to_vec()),
            layout: Layout {
                part_bytes_min: 1,
                part_bytes_max: 10,
                parts_max: 10,
                parallel_max: 2,
                equal_parts: true,
                object_bytes_max: 1 << 20,
                part_checksum: None,
                sessions: Sessions::Listed,
                retain: true,
            },
            part_size: 10,
        },
        PointEffect::PutPart { .. } => PointAnswer::PartStored {
            part: Acknowledgement {
                receipt: Receipt(vec![7]),
                verified: false,
            },
        },
        PointEffect::Judge { .. } => PointAnswer::Judged {
            verdict: Verdict {
                pass: true,
                findings: Vec::new(),
            },
        },
        PointEffect::CompleteUpload {
            object,
            size,
            receipts,
            ..
        } => {
            assert_eq!(receipts.len(), 3);
            let stat = ObjectStat {
                object: object.clone(),
                size: *size,
                checksum: None,
                retained_until: None,
            };
            PointAnswer::Completed {
                completion: Completion {
                    stat,
                    verified: false,
                },
            }
        }
        PointEffect::ReadBack { .. } => PointAnswer::ReadBack,
        PointEffect::RetainObject { .. } => PointAnswer::Retained {
            until: UnixTime(1_800_000_000),
        },
        PointEffect::SignManifest => PointAnswer::Signed {
            manifest: "manifest".to_owned(),
            signature: "signature".to_owned(),
        },
        PointEffect::CommitManifest { .. } => PointAnswer::Committed { despite: None },
        PointEffect::AbortUpload { .. } => PointAnswer::Aborted { room_until: None },
        PointEffect::DeleteObject { .. } => PointAnswer::Deleted,
        PointEffect::SweepUploads { .. } => PointAnswer::Swept {
            aborted: 0,
            room_until: None,
        },
        PointEffect::DropSpool => PointAnswer::SpoolDropped,
        PointEffect::Wait { .. } => panic!("a wait is not for the runner"),
    }
}

/// An engine with its runner and journal.
pub struct Bench {
    pub folder: tempfile::TempDir,
    pub runner: Arc<ModelRunner>,
    pub engine: Engine,
}

impl Bench {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runner = Arc::new(ModelRunner::default());
        let engine = engine(folder.path(), &runner);
        Self {
            folder,
            runner,
            engine,
        }
    }

    /// Another process on the same folder.
    pub fn restarted(self) -> Self {
        Self {
            engine: engine(self.folder.path(), &self.runner),
            ..self
        }
    }

    pub async fn start(&self, spec: RunSpec) -> RunHandle {
        self.engine.start(spec, None).await.unwrap()
    }

    /// Runs to the end.
    pub async fn run(&self, spec: RunSpec) -> Outcome {
        finished(self.start(spec).await.wait().await)
    }

    pub async fn resume(&self) -> RunHandle {
        self.engine.resume(&RunId::new(RUN)).await.unwrap()
    }

    /// Goes on to the end.
    pub async fn resumed(&self) -> Outcome {
        finished(self.resume().await.wait().await)
    }

    /// How many effects were performed whose short form begins like this.
    pub fn count(&self, word: &str) -> usize {
        let performed = self.runner.performed();
        performed
            .iter()
            .filter(|done| done.starts_with(word))
            .count()
    }

    pub fn records(&self) -> Vec<Record> {
        let journal = Journal::open_reader(self.folder.path()).unwrap();
        journal.records(&RunId::new(RUN)).unwrap()
    }

    /// How many records have this text.
    pub fn records_with(&self, text: &str) -> usize {
        let records = self.records();
        records.iter().filter(|r| r.body.contains(text)).count()
    }
}

/// Waits until the run is so far.
pub async fn reached(handle: &RunHandle, phase: RunPhase) {
    let mut progress = handle.progress();
    progress.wait_for(|view| view.phase == phase).await.unwrap();
}

pub fn finished(ended: Result<Ended, EngineError>) -> Outcome {
    match ended.unwrap() {
        Ended::Finished(outcome) => outcome,
        Ended::Suspended => panic!("the run was suspended"),
    }
}

/// The fault of a run that failed.
pub fn fault_of(outcome: Outcome) -> Fault {
    match outcome {
        Outcome::Failed { fault } => fault,
        other => panic!("not failed: {other:?}"),
    }
}

fn engine(folder: &Path, runner: &Arc<ModelRunner>) -> Engine {
    let journal = Arc::new(Journal::open(folder).unwrap());
    let runner: Arc<dyn StepRunner> = Arc::clone(runner) as _;
    Engine::new(journal, runner, Arc::new(StoppedClock))
}
