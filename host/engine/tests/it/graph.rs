//! Specifications of simulated runs: random graphs, and graphs shaped like the schedules
//! that are shipped.

use std::collections::BTreeMap;

use drydock_core::{
    ClusterName, GrantRecord, HoldKind, Nature, OutputId, PluginDigest, Repeat, RunId, RunKind,
    ScheduleName, StepName, TargetName, UnixTime, ValueType,
};
use drydock_engine::model::{
    Choice, Gate, HoldSpec, Need, NodeSpec, Origin, OutputRef, Policy, RunSpec, When,
};
use drydock_engine::state::GATE_OUTPUT;
use drydock_point::model::{PointSpec, RetryPolicy, SealedOutput, StepPin, StorePin, VerifyPin};
use serde_json::json;

use crate::chaos::Chaos;
use crate::random::Random;

pub const RUN: &str = "nightly.20260102T030405Z";

/// The value that a step of a random graph gives to others.
pub const VALUE: &str = "value";

/// The lock that several holds of a graph may be about.
const SHARED_LOCK: &str = "shared";

/// What a simulated run looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Backup steps and one recovery point.
    Point,
    /// Any graph, most of them with a recovery point.
    Graph,
    /// The schedule of the quickstart.
    Quickstart,
    /// The weekly drill: a run of one step.
    Drill,
    /// A nightly backup that proves its own recovery point and tells when it failed.
    Nightly,
}

pub fn step(name: impl AsRef<str>) -> StepName {
    StepName::new(name.as_ref())
}

pub fn node(name: &str, kind: &str) -> NodeSpec {
    NodeSpec::new(step(name), kind)
}

pub fn need(step: &StepName) -> Need {
    Need {
        step: step.clone(),
        is_order: false,
    }
}

pub fn pin(name: &str) -> StepPin {
    StepPin {
        step: step(name),
        plugin: format!("plugin-of-{name}"),
        version: "1.0.0".to_owned(),
        digest: PluginDigest::of(name.as_bytes()),
        config: "{}".to_owned(),
        grants: GrantRecord::default(),
    }
}

/// A verify step that judges these backup steps, or all where there are none.
pub fn verify(name: &str, judges: &[&str]) -> VerifyPin {
    VerifyPin {
        pin: pin(name),
        judges: judges.iter().map(step).collect(),
    }
}

/// The store that locks what it keeps.
pub const LOCKING: &str = "away";

pub fn store(name: &str) -> StorePin {
    StorePin {
        pin: pin(name),
        target: TargetName::new(format!("t-{name}")),
        required: false,
        identity: None,
        retain_days: (name == LOCKING).then_some(30),
    }
}

fn stores(random: &mut Random) -> &'static [&'static str] {
    random.pick(&[&["s1"] as &[&str], &["s1", "s2"], &["s1", LOCKING]])
}

/// Where the recovery point has to be. By numbers of its own, so that a seed's run stays the same
/// but for how it ends.
pub fn demand_targets(spec: &mut RunSpec, seed: u64) {
    let Some(point) = &mut spec.point else {
        return;
    };
    let mut random = Random::new(!seed);
    for store in &mut point.stores {
        store.required = random.chance(150);
    }
    if random.chance(250) {
        point.minimum_targets = u32::try_from(point.stores.len()).unwrap();
    }
}

/// The lock that a session hold is about.
pub fn lock_of(spec: &NodeSpec) -> String {
    let named = spec.body["lock"].as_str();
    named.unwrap_or(spec.step.as_str()).to_owned()
}

/// A run of these nodes, whose recovery point comes of those that are backups.
pub fn spec_of(
    nodes: Vec<NodeSpec>,
    verify: Vec<VerifyPin>,
    stores: &[&str],
    limit: u32,
) -> RunSpec {
    let run = RunId::new(RUN);
    let cluster = ClusterName::new("c1");
    let backups = nodes.iter().filter(|node| node.kind == "backup");
    let contributors: Vec<_> = backups.map(|node| node.step.clone()).collect();
    let point = (!contributors.is_empty()).then(|| PointSpec {
        run: run.clone(),
        cluster: cluster.clone(),
        contributors,
        verify,
        stores: stores.iter().map(|name| store(name)).collect(),
        minimum_targets: 1,
        retry: RetryPolicy {
            backoff_limit: limit,
            backoff_ms: 100,
            backoff_ms_max: 1000,
        },
    });
    RunSpec {
        run,
        schedule: ScheduleName::new("nightly"),
        cluster,
        due: UnixTime(1_767_323_045),
        origin: Origin::Schedule,
        kind: RunKind::Backup,
        subjects: Vec::new(),
        pins: Vec::new(),
        nodes,
        point,
        policy: Policy {
            backoff_limit: limit,
            backoff_ms: 100,
            backoff_ms_max: 1000,
            active_deadline_seconds: None,
            steps_max: 1,
        },
        workflow_digest: "sha256:00".to_owned(),
    }
}

/// A backup step of the recovery point.
pub fn backup(name: &str) -> NodeSpec {
    NodeSpec {
        contributes: true,
        ..node(name, "backup")
    }
}

/// A hold that lasts an hour at most.
pub fn hold(name: &str, kind: HoldKind) -> NodeSpec {
    NodeSpec {
        hold: Some(HoldSpec {
            kind,
            seconds_max: 3600,
            acquire_seconds: 60,
        }),
        undo: kind == HoldKind::State,
        ..node(name, "hold")
    }
}

/// A gate with one choice that goes on, one that ends the run, and two of them at least.
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
        ..node(name, "gate")
    }
}

/// A sealed output of that size.
pub fn sealed_output(output: OutputId, sealed_size: u64) -> SealedOutput {
    SealedOutput {
        output,
        name: "db".to_owned(),
        secret: true,
        plain_size: sealed_size * 2,
        plain_sha256: "11".repeat(32),
        sealed_size,
        sealed_sha256: format!("{:02x}", output.0).repeat(32),
        opened: UnixTime(0),
        closed: UnixTime(0),
        nature: Nature::Bytes,
        findings: Vec::new(),
    }
}

/// A specification of that shape.
pub fn spec(random: &mut Random, shape: Shape, chaos: &Chaos) -> RunSpec {
    let limit = random.pick(&[0, 1, 3]);
    let mut spec = match shape {
        Shape::Point => point(random, limit),
        Shape::Graph => Builder::new(random, chaos).graph(limit),
        Shape::Quickstart => quickstart(limit),
        Shape::Drill => spec_of(vec![node("drill", "drill")], Vec::new(), &[], limit),
        Shape::Nightly => nightly(limit),
    };
    spec.policy.steps_max = u32::try_from(1 + random.below(4)).unwrap();
    spec
}

/// A schedule's steps: each with the key of its kind, and what it needs.
fn shaped(
    steps: &[(&str, &str, &[&str])],
    verify: Vec<VerifyPin>,
    stores: &[&str],
    limit: u32,
) -> RunSpec {
    let nodes = steps.iter().map(|(name, kind, needs)| {
        let made = match *kind {
            "backup" => backup(name),
            "gate" => gate(name),
            kind => node(name, kind),
        };
        NodeSpec {
            needs: needs.iter().map(|name| need(&step(name))).collect(),
            proves: *kind == "drill",
            ..made
        }
    });
    spec_of(nodes.collect(), verify, stores, limit)
}

fn quickstart(limit: u32) -> RunSpec {
    let steps: [(&str, &str, &[&str]); 2] = [("snapshot", "backup", &[]), ("pki", "backup", &[])];
    let judges = vec![
        verify("verify", &["snapshot"]),
        verify("verify-pki", &["pki"]),
    ];
    shaped(&steps, judges, &["store"], limit)
}

fn nightly(limit: u32) -> RunSpec {
    let steps: [(&str, &str, &[&str]); 4] = [
        ("snapshot", "backup", &[]),
        ("pki", "backup", &[]),
        ("drill", "drill", &["store"]),
        ("tell", "action", &["store", "drill"]),
    ];
    let mut spec = shaped(
        &steps,
        vec![verify("verify", &[])],
        &["store", LOCKING],
        limit,
    );
    spec.nodes[3].when = When::Failure;
    spec
}

/// One to three backup steps, and one verify step for all or one more for the last. They run
/// one after the other, or as they come.
fn point(random: &mut Random, limit: u32) -> RunSpec {
    let stores = stores(random);
    let backups: &[&str] = random.pick(&[&["b1"] as &[&str], &["b1", "b2"], &["b1", "b2", "b3"]]);
    let ordered = random.chance(500);
    let mut nodes: Vec<NodeSpec> = Vec::new();
    for name in backups {
        let last = nodes.last().filter(|_| ordered);
        let needs = last.map(|last| Need {
            step: last.step.clone(),
            is_order: true,
        });
        nodes.push(NodeSpec {
            needs: needs.into_iter().collect(),
            ..backup(name)
        });
    }
    spec_of(nodes, judges(random, backups), stores, limit)
}

fn judges(random: &mut Random, backups: &[&str]) -> Vec<VerifyPin> {
    let (last, others) = backups.split_last().unwrap();
    match random.below(3) {
        0 if !others.is_empty() => vec![verify("v1", others), verify("v2", &[last])],
        1 => vec![verify("verify", &[]), verify("v2", &[last])],
        _ => vec![verify("verify", &[])],
    }
}

/// Makes a random graph, node by node: each may need those before it.
struct Builder<'a> {
    random: &'a mut Random,
    /// Whether two holds of one unit may wait for each other.
    tangled: bool,
    has_point: bool,
    nodes: Vec<NodeSpec>,
}

impl<'a> Builder<'a> {
    fn new(random: &'a mut Random, chaos: &Chaos) -> Self {
        let has_point = random.chance(700);
        Self {
            random,
            tangled: chaos.hold_blocked > 0,
            has_point,
            nodes: Vec::new(),
        }
    }

    fn graph(mut self, limit: u32) -> RunSpec {
        let groups = 1 + self.random.below(4) + self.random.below(2) * self.random.below(4);
        for _ in 0..groups {
            if self.random.chance(300) {
                self.unit();
            } else {
                self.single();
            }
        }
        let stores = stores(self.random);
        if self.has_point {
            self.needs_backup();
            self.after_the_point(stores);
        }
        self.followers();
        let backups = self.nodes.iter().filter(|node| node.kind == "backup");
        let backups: Vec<_> = backups.map(|node| node.step.to_string()).collect();
        let names: Vec<_> = backups.iter().map(String::as_str).collect();
        let verify = if names.is_empty() {
            Vec::new()
        } else {
            judges(self.random, &names)
        };
        spec_of(self.nodes, verify, stores, limit)
    }

    fn name(&self) -> String {
        format!("n{}", self.nodes.len())
    }

    /// Some of the nodes so far, all of which end before the recovery point does.
    fn needs(&mut self, of: usize, per_mille: u64) -> Vec<Need> {
        let mut needs = Vec::new();
        for index in 0..of {
            if self.random.chance(per_mille) {
                needs.push(Need {
                    step: self.nodes[index].step.clone(),
                    is_order: self.random.chance(250),
                });
            }
        }
        needs
    }

    fn single(&mut self) {
        let count = self.nodes.len();
        let needs = self.needs(count, 300);
        let name = self.name();
        let mut node = match self.random.below(10) {
            0 => gate(&name),
            1..=3 if self.has_point => backup(&name),
            4 if self.has_point => keeper(&name),
            _ => self.action(&name),
        };
        node.needs = needs;
        self.spice(&mut node);
        self.take_value(&mut node);
        self.nodes.push(node);
    }

    fn action(&mut self, name: &str) -> NodeSpec {
        let repeat = [Repeat::Idempotent, Repeat::Keyed, Repeat::AtMostOnce];
        let gives = self.random.chance(400);
        let gives = gives.then(|| (VALUE.to_owned(), ValueType::Integer));
        NodeSpec {
            repeat: self.random.pick(&repeat),
            undo: self.random.chance(500),
            no_return: self.random.chance(40),
            outputs: gives.into_iter().collect(),
            ..node(name, "action")
        }
    }

    /// One or two holds, and one to three steps that stand during them.
    fn unit(&mut self) {
        let before = self.nodes.len();
        let holds: Vec<_> = (0..1 + self.random.below(2)).collect();
        let mut during = Vec::new();
        for _ in &holds {
            let kind = self.random.pick(&[HoldKind::Session, HoldKind::State]);
            let mut node = hold(&self.name(), kind);
            node.needs = self.needs(before, 150);
            let shares = holds.len() == 1 || (self.tangled && self.random.chance(150));
            if shares && self.random.chance(500) {
                node.body = json!({ "lock": SHARED_LOCK });
            }
            during.push(node.step.clone());
            self.nodes.push(node);
        }
        let first = self.nodes.len();
        for _ in 0..1 + self.random.below(3) {
            self.member(before, first, &during);
        }
    }

    fn member(&mut self, before: usize, first: usize, during: &[StepName]) {
        let name = self.name();
        let mut node = match self.random.below(20) {
            0 => gate(&name),
            1..=6 if self.has_point => backup(&name),
            7..=12 if self.has_point => keeper(&name),
            _ => self.action(&name),
        };
        node.needs = self.needs(before, 200);
        for other in first..self.nodes.len() {
            if self.random.chance(200) {
                node.needs.push(need(&self.nodes[other].step));
            }
        }
        node.during = during.to_vec();
        node.or_without = self.random.chance(250);
        // What is done in a pass that is lost is taken back, or may be done again.
        node.undo |= node.repeat == Repeat::AtMostOnce;
        self.spice(&mut node);
        self.nodes.push(node);
    }

    fn spice(&mut self, node: &mut NodeSpec) {
        if self.random.chance(120) {
            node.deadline_seconds = Some(60);
        }
        if self.random.chance(150) {
            node.backoff_limit = Some(2);
        }
    }

    /// A value of a step that it needs.
    fn take_value(&mut self, node: &mut NodeSpec) {
        let givers = node.needs.iter().filter(|need| !need.is_order);
        let mut givers = givers.filter_map(|need| self.nodes.iter().find(|n| n.step == need.step));
        let giver = givers.rfind(|giver| giver.outputs.contains_key(VALUE));
        if let Some(giver) = giver {
            let from = OutputRef {
                step: giver.step.clone(),
                output: VALUE.to_owned(),
            };
            node.inputs.insert("input".to_owned(), from);
        }
    }

    fn needs_backup(&mut self) {
        if !self.nodes.iter().any(|node| node.kind == "backup") {
            let node = backup(&self.name());
            self.nodes.push(node);
        }
    }

    /// A drill, or another step, that needs a target or a verdict.
    fn after_the_point(&mut self, stores: &[&str]) {
        for _ in 0..self.random.below(3) {
            let name = self.name();
            let proves = self.random.chance(400);
            let mut after = if proves {
                node(&name, "drill")
            } else {
                self.action(&name)
            };
            after.proves = proves;
            let count = self.nodes.len();
            after.needs = self.needs(count, 100);
            let part = self.random.pick(&[stores[0], stores[stores.len() - 1]]);
            after.needs.push(need(&step(part)));
            self.nodes.push(after);
        }
    }

    /// Steps that run when something failed, or always.
    fn followers(&mut self) {
        let count = self.nodes.len();
        for _ in 0..self.random.below(2) {
            let mut node = self.action(&self.name());
            node.needs = self.needs(count, 500);
            if node.needs.is_empty() {
                node.needs.push(need(&self.nodes[0].step));
            }
            node.when = self.random.pick(&[When::Failure, When::Always]);
            node.no_return = false;
            self.nodes.push(node);
        }
    }
}

/// A step that leaves a thing elsewhere which belongs to the recovery point.
fn keeper(name: &str) -> NodeSpec {
    NodeSpec {
        contributes: true,
        undo: true,
        ..node(name, "keeper")
    }
}
