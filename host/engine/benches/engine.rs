//! What the engine itself costs, without the work of any step: `cargo xtask bench engine`.
//!
//! - A run with one recovery point, over a real journal on this disk: its records, their
//!   bytes, the synced transactions, and the time from start to end when every step answers
//!   at once.
//! - A step that does nothing, over a real journal: the time that a chain of them takes, by
//!   step.
//! - A graph of 1,000 nodes, as a chain and side by side, in the pure machine alone.
//! - The memory of a run's state, counted at the allocator.
#![expect(
    clippy::print_stdout,
    reason = "a program to watch, not the product: its figures are its output"
)]

use std::alloc::{GlobalAlloc, Layout as Memory, System};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use drydock_core::store::{
    Acknowledgement, Completion, Layout, ObjectStat, Receipt, Session, Sessions,
};
use drydock_core::{
    Clock, ClusterName, CrashPoint, GrantRecord, Nature, OutputId, PluginDigest, RunId, RunKind,
    ScheduleName, StepName, TargetName, UnixTime, Verdict,
};
use drydock_engine::decide::decide;
use drydock_engine::model::{
    Answer, Done, Effect, Emission, Event, Need, NodeSpec, Origin, Policy, RunSpec,
};
use drydock_engine::state::RunState;
use drydock_engine::{Emissions, Engine, Job, StepRunner};
use drydock_journal::{Journal, RecordKind};
use drydock_point::model::{
    OutputEvent, PointAnswer, PointEffect, PointSpec, RetryPolicy, SealedOutput, StepPin, StorePin,
    VerifyPin,
};

/// Bytes of the one output, and of its parts: three parts.
const SEALED_BYTES: u64 = 25;
const PART_BYTES: u64 = 10;

const RUNS: usize = 60;
const CHAIN_STEPS: usize = 50;
const GRAPH_NODES: usize = 1_000;
const GRAPH_ROUNDS: usize = 5;

/// Counts the bytes that are allocated.
struct Counting;

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[expect(
    unsafe_code,
    reason = "an allocator is unsafe by its trait; this one only counts and hands on"
)]
// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, memory: Memory) -> *mut u8 {
        ALLOCATED.fetch_add(memory.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is handed on.
        unsafe { System.alloc(memory) }
    }

    unsafe fn dealloc(&self, at: *mut u8, memory: Memory) {
        ALLOCATED.fetch_sub(memory.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is handed on.
        unsafe { System.dealloc(at, memory) }
    }
}

struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> UnixTime {
        UnixTime(1_767_323_050)
    }
}

/// Counts synced transactions.
#[derive(Default)]
struct Transactions(AtomicU64);

impl CrashPoint for Transactions {
    fn after_record(&self, _: u64) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Answers everything at once.
struct Instantly;

#[async_trait]
impl StepRunner for Instantly {
    async fn perform(&self, job: Job, emissions: Emissions) -> Answer {
        let Effect::Point { point } = &job.effect else {
            return attempt(&job, &emissions).await;
        };
        Answer::Point {
            point: answer(point),
        }
    }
}

async fn attempt(job: &Job, emissions: &Emissions) -> Answer {
    if job.state.point.is_some() {
        for event in output() {
            let told = emissions.send(Emission::Output(event)).await;
            told.expect("the run goes on");
        }
    }
    Answer::Done {
        done: Box::new(Done::default()),
    }
}

fn output() -> [OutputEvent; 3] {
    let output = OutputId(1);
    [
        OutputEvent::Opened {
            output,
            name: "db".to_owned(),
            secret: true,
            object_suffix: format!("{:016x}", 1),
            extension: "zst.age".to_owned(),
        },
        OutputEvent::Advanced {
            output,
            sealed_bytes: 10,
        },
        OutputEvent::Sealed {
            sealed: Box::new(SealedOutput {
                output,
                name: "db".to_owned(),
                secret: true,
                plain_size: 2 * SEALED_BYTES,
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

fn answer(effect: &PointEffect) -> PointAnswer {
    match effect {
        PointEffect::BeginUpload { .. } => PointAnswer::Began {
            session: Session(b"session".to_vec()),
            layout: Layout {
                part_bytes_min: 1,
                part_bytes_max: PART_BYTES,
                parts_max: u32::MAX,
                parallel_max: 2,
                equal_parts: true,
                object_bytes_max: 1 << 20,
                part_checksum: None,
                sessions: Sessions::Listed,
                retain: true,
            },
            part_size: PART_BYTES,
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
        PointEffect::CompleteUpload { object, size, .. } => PointAnswer::Completed {
            completion: Completion {
                stat: ObjectStat {
                    object: object.clone(),
                    size: *size,
                    checksum: None,
                    retained_until: None,
                },
                verified: false,
            },
        },
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
        PointEffect::Wait { .. } => PointAnswer::WaitOver,
    }
}

fn pin(step: &str) -> StepPin {
    StepPin {
        step: StepName::new(step),
        plugin: format!("plugin-of-{step}"),
        version: "1.0.0".to_owned(),
        digest: PluginDigest::of(step.as_bytes()),
        config: "{}".to_owned(),
        grants: GrantRecord::default(),
    }
}

fn spec(run: &str, nodes: Vec<NodeSpec>, point: Option<PointSpec>) -> RunSpec {
    RunSpec {
        run: RunId::new(run),
        schedule: ScheduleName::new("nightly"),
        cluster: ClusterName::new("c1"),
        due: UnixTime(1_767_323_045),
        origin: Origin::Schedule,
        kind: RunKind::Actions,
        subjects: Vec::new(),
        pins: Vec::new(),
        nodes,
        point,
        policy: Policy {
            backoff_limit: 1,
            backoff_ms: 100,
            backoff_ms_max: 1000,
            active_deadline_seconds: None,
            steps_max: 4,
        },
        workflow_digest: "sha256:00".to_owned(),
    }
}

fn backup(run: &str) -> RunSpec {
    let node = NodeSpec {
        contributes: true,
        pin: Some(pin("snapshot")),
        ..NodeSpec::new(StepName::new("snapshot"), "backup")
    };
    let point = PointSpec {
        run: RunId::new(run),
        cluster: ClusterName::new("c1"),
        contributors: vec![StepName::new("snapshot")],
        verify: vec![VerifyPin {
            pin: pin("verify"),
            judges: Vec::new(),
        }],
        stores: vec![StorePin {
            pin: pin("s1"),
            target: TargetName::new("t-s1"),
            required: false,
            identity: None,
            retain_days: None,
        }],
        minimum_targets: 1,
        retry: RetryPolicy {
            backoff_limit: 1,
            backoff_ms: 100,
            backoff_ms_max: 1000,
        },
    };
    spec(run, vec![node], Some(point))
}

/// Nodes of which each needs the one before, or none needs any.
fn graph(count: usize, is_chain: bool) -> Vec<NodeSpec> {
    let step = |number: usize| StepName::new(format!("step-{number}"));
    (0..count)
        .map(|number| NodeSpec {
            needs: number
                .checked_sub(1)
                .filter(|_| is_chain)
                .map(|before| Need {
                    step: step(before),
                    is_order: false,
                })
                .into_iter()
                .collect(),
            ..NodeSpec::new(step(number), "nothing")
        })
        .collect()
}

async fn measured(engine: &Engine, spec: RunSpec) -> Duration {
    let begin = Instant::now();
    let handle = engine.start(spec, None).await.expect("the run starts");
    handle.wait().await.expect("the run ends");
    begin.elapsed()
}

fn engine(folder: &Path, transactions: &Arc<Transactions>) -> Engine {
    let journal = Arc::new(Journal::open(folder).expect("the journal opens"));
    Engine::new(journal, Arc::new(Instantly), Arc::new(StoppedClock))
        .with_crash_point(Arc::clone(transactions) as _)
}

fn minimum_and_median(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let micros = |time: Duration| time.as_micros();
    format!(
        "minimum {} us, median {} us",
        micros(times[0]),
        micros(times[times.len() / 2])
    )
}

async fn runs(folder: &Path) {
    let transactions = Arc::new(Transactions::default());
    let engine = engine(folder, &transactions);
    let mut times = Vec::new();
    for number in 0..RUNS {
        times.push(measured(&engine, backup(&format!("r.{number}"))).await);
    }
    let journal = Journal::open_reader(folder).expect("the journal is there");
    let records = journal.records(&RunId::new("r.0")).expect("it has the run");
    let effects = records.iter().filter(|r| r.kind == RecordKind::Effect);
    let bytes: usize = records.iter().map(|record| record.body.len()).sum();
    println!(
        "a run with one recovery point: {} records ({} effects), {bytes} bytes, {} synced transactions; {}",
        records.len(),
        effects.count(),
        transactions.0.load(Ordering::Relaxed) / RUNS as u64,
        minimum_and_median(times)
    );
}

async fn chain(folder: &Path) {
    let engine = engine(folder, &Arc::default());
    let mut times = Vec::new();
    for number in 0..10 {
        let chain = spec(&format!("c.{number}"), graph(CHAIN_STEPS, true), None);
        let steps = u32::try_from(CHAIN_STEPS).expect("a few");
        times.push(measured(&engine, chain).await / steps);
    }
    println!(
        "a step without its work, over the journal: {}",
        minimum_and_median(times)
    );
}

/// Plays a graph in the pure machine: every effect is answered at once.
fn play(spec: RunSpec) -> RunState {
    let at = UnixTime(0);
    let mut state = RunState::new(spec.clone(), at);
    let mut events = vec![Event::Created {
        spec: Box::new(spec),
        at,
    }];
    while let Some(event) = events.pop() {
        state.apply(&event, at);
        for effect in decide(&state, &event) {
            let id = state.next_effect();
            state.started(id, &effect, at);
            events.push(match effect {
                Effect::Finish { outcome } => Event::Finished { outcome, at },
                _ => Event::Answered {
                    effect: id,
                    answer: Answer::Done {
                        done: Box::new(Done::default()),
                    },
                },
            });
        }
    }
    assert!(state.finished.is_some(), "the graph comes to its end");
    state
}

fn graphs() {
    for (name, is_chain) in [("a chain", true), ("side by side", false)] {
        let times = (0..GRAPH_ROUNDS).map(|_| {
            let spec = spec("g.1", graph(GRAPH_NODES, is_chain), None);
            let begin = Instant::now();
            play(spec);
            begin.elapsed()
        });
        println!(
            "a graph of {GRAPH_NODES} nodes, {name}, without a journal: {}",
            minimum_and_median(times.collect())
        );
    }
}

fn memory() {
    let bytes = |make: &dyn Fn() -> RunState| {
        let before = ALLOCATED.load(Ordering::Relaxed);
        let state = make();
        let after = ALLOCATED.load(Ordering::Relaxed);
        drop(state);
        after.saturating_sub(before)
    };
    let one = bytes(&|| RunState::new(backup("m.1"), UnixTime(0)));
    let many = bytes(&|| play(spec("m.2", graph(GRAPH_NODES, true), None)));
    println!(
        "a run's state in memory: {one} bytes when a backup begins, {many} bytes of a graph of {GRAPH_NODES} nodes at its end"
    );
}

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    runs(&folder.path().join("runs")).await;
    chain(&folder.path().join("chain")).await;
    graphs();
    memory();
}
