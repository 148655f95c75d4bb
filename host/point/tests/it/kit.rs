//! A recovery point that takes inputs as whoever runs it gives them, and remembers what is in
//! flight; its specification, and short ways to write the inputs.

use drydock_core::store::{
    Acknowledgement, Completion, Layout, ObjectStat, Receipt, Session, Sessions,
};
use drydock_core::{
    ClusterName, ErrorCode, Fault, GrantRecord, Nature, OutputId, PluginDigest, RunId, StepName,
    TargetName, UnixTime, Verdict,
};
use drydock_point::{
    AttemptEnd, Gathered, OutputEvent, Point, PointAnswer, PointEffect, PointSpec, Report, Request,
    RetryPolicy, SealedOutput, StepPin, StorePin, VerifyPin,
};

pub const RUN: &str = "nightly.20260102T030405Z";

/// What a recovery point can be told.
#[derive(Debug, Clone)]
pub enum Input {
    Attempt(StepName),
    Told(StepName, OutputEvent),
    Ended(StepName, AttemptEnd),
    Refused(StepName, Fault),
    Ending(Fault),
    CleanupGivenUp(Fault),
    Resumed,
    /// To the first effect in flight whose short form begins like this.
    Answer(String, PointAnswer),
}

/// A recovery point and what it asked for.
pub struct Run {
    pub point: Point,
    /// By the last input.
    pub asked: Vec<PointEffect>,
    /// By the last input.
    pub requests: Vec<Request>,
    in_flight: Vec<PointEffect>,
}

/// How it ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    Committed { reasons: Vec<String> },
    Superseded { left_behind: Vec<String> },
    Failed { fault: Fault },
}

impl Run {
    /// One whose only contributor runs.
    pub fn new(stores: &[&str]) -> Self {
        let mut run = Self::of(spec(stores, 1));
        run.take(attempt("snapshot"));
        run
    }

    pub fn of(spec: PointSpec) -> Self {
        Self {
            point: Point::new(spec),
            asked: Vec::new(),
            requests: Vec::new(),
            in_flight: Vec::new(),
        }
    }

    /// Takes one input, and gives in short what is asked for. Everything is gathered as soon
    /// as all contributors are whole.
    pub fn take(&mut self, input: Input) -> Vec<String> {
        let advanced = match &input {
            Input::Told(_, OutputEvent::Advanced { output, .. }) => Some(*output),
            _ => None,
        };
        self.apply(input);
        self.requests = self.point.take_requests();
        assert_eq!(self.point.take_requests(), []);
        self.asked = match advanced {
            Some(output) => self.point.parts_of(output),
            None => self.point.effects(),
        };
        if self.asked.is_empty() {
            self.asked.extend(self.point.last_effect());
        }
        for effect in &self.asked {
            self.point.started(effect);
        }
        self.in_flight.extend(self.asked.iter().cloned());
        assert_eq!(self.point.effects(), [], "asked for twice");
        self.asked.iter().map(short).collect()
    }

    pub fn take_all(&mut self, inputs: impl IntoIterator<Item = Input>) -> Vec<String> {
        inputs
            .into_iter()
            .fold(Vec::new(), |_, input| self.take(input))
    }

    fn apply(&mut self, input: Input) {
        let point = &mut self.point;
        match input {
            Input::Attempt(step) => point.attempt_began(&step),
            Input::Told(step, event) => point.emitted(&step, &event),
            Input::Ended(step, end) => {
                point.attempt_ended(&step, &end);
                if point.contributors().iter().all(|c| c.is_whole()) {
                    point.gathered(Gathered::default());
                }
            }
            Input::Refused(step, reason) => point.again_refused(&step, &reason),
            Input::Ending(fault) => point.ending(&fault),
            Input::CleanupGivenUp(fault) => point.cleanup_given_up(&fault),
            Input::Resumed => {
                self.in_flight.clear();
                point.resumed();
            }
            Input::Answer(text, answer) => {
                let effect = self.landed(&text);
                self.point.answered(&effect, &answer);
            }
        }
    }

    fn landed(&mut self, text: &str) -> PointEffect {
        let mut in_flight = self.in_flight.iter();
        let found = in_flight.position(|effect| short(effect).starts_with(text));
        let found = found.unwrap_or_else(|| panic!("no {text} in {:?}", self.in_flight));
        self.in_flight.remove(found)
    }

    /// The effect of the last answer with this word.
    pub fn asked(&self, word: &str) -> PointEffect {
        let found = self.asked.iter().find(|effect| effect.word() == word);
        found
            .unwrap_or_else(|| panic!("no {word} in {:?}", self.asked))
            .clone()
    }

    /// The code and the sentence of why it ends.
    pub fn ending(&self) -> (&str, &str) {
        let fault = self.point.why_ending().expect("it ends");
        (fault.code.as_str(), fault.message.as_str())
    }

    /// The spool is dropped, and nothing is left to do.
    pub fn end(&mut self) -> End {
        let asked = self.take(answer("drop-spool", PointAnswer::SpoolDropped));
        assert_eq!(asked, [""; 0]);
        assert!(self.point.is_over());
        self.how_it_ended()
    }

    pub fn how_it_ended(&self) -> End {
        if let Some(fault) = self.point.failure() {
            return End::Failed { fault };
        }
        if self.point.is_superseded() {
            let left_behind = self.point.left_behind();
            return End::Superseded { left_behind };
        }
        let reasons = self.point.reasons();
        End::Committed { reasons }
    }

    /// The fault that it failed with.
    pub fn failure(&mut self) -> Fault {
        match self.end() {
            End::Failed { fault } => fault,
            other => panic!("not failed: {other:?}"),
        }
    }
}

/// An effect in one line.
pub fn short(effect: &PointEffect) -> String {
    let place = match (effect.store(), effect.output()) {
        (Some(store), Some(output)) => format!(" {store}/{output}"),
        (Some(store), None) => format!(" {store}"),
        (None, _) => String::new(),
    };
    let more = match effect {
        PointEffect::Judge { step, output, .. } => format!(" {step}/{output}"),
        PointEffect::PutPart {
            number,
            offset,
            length,
            ..
        } => format!(" #{number} {offset}+{length}"),
        PointEffect::Wait { milliseconds, .. } => format!(" {milliseconds}"),
        _ => String::new(),
    };
    format!("{}{place}{more}", effect.word())
}

pub fn step(name: &str) -> StepName {
    StepName::new(name)
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

/// A verify step that judges these contributors, or all where there are none.
pub fn verify(name: &str, judges: &[&str]) -> VerifyPin {
    VerifyPin {
        pin: pin(name),
        judges: judges.iter().copied().map(step).collect(),
    }
}

/// One contributor, one verify step named `verify`, and these store steps.
pub fn spec(stores: &[&str], backoff_limit: u32) -> PointSpec {
    spec_of(&["snapshot"], stores, backoff_limit)
}

/// As [`spec`], with these contributors.
pub fn spec_of(contributors: &[&str], stores: &[&str], backoff_limit: u32) -> PointSpec {
    let store = |name: &&str| StorePin {
        pin: pin(name),
        target: TargetName::new(format!("t-{name}")),
        required: false,
        identity: None,
        retain_days: None,
    };
    PointSpec {
        run: RunId::new(RUN),
        cluster: ClusterName::new("c1"),
        contributors: contributors.iter().copied().map(step).collect(),
        verify: vec![verify("verify", &[])],
        stores: stores.iter().map(store).collect(),
        minimum_targets: 1,
        retry: RetryPolicy {
            backoff_limit,
            backoff_ms: 100,
            backoff_ms_max: 1000,
        },
    }
}

/// As [`spec`], where everything is locked for some days at these stores.
pub fn locking_spec(stores: &[&str]) -> PointSpec {
    let mut spec = spec(stores, 1);
    for store in &mut spec.stores {
        store.retain_days = Some(30);
    }
    spec
}

/// One at these stores whose contributor is whole and whose two parts are stored: nothing but
/// the verdict is missing.
pub fn staged(stores: &[&str]) -> Run {
    staged_of(spec(stores, 1), stores)
}

/// The same of this specification.
pub fn staged_of(spec: PointSpec, stores: &[&str]) -> Run {
    let mut run = Run::of(spec);
    run.take_all([attempt("snapshot"), opened(1)]);
    run.take_all(stores.iter().map(|store| began(store, 1, 10, 4)));
    run.take_all([sealed(1, 15), whole("snapshot")]);
    for store in stores {
        run.take_all([stored(store, 1, 1), stored(store, 1, 2)]);
    }
    run
}

/// As [`staged`] at one store, and about to commit there.
pub fn committing() -> Run {
    let mut run = staged(&["s1"]);
    run.take_all([judged(1, true), completed("s1", 1, 15, true), signed()]);
    run
}

pub fn transient() -> Fault {
    Fault::transient(ErrorCode::of("busy"), "the target is busy")
}

pub fn permanent() -> Fault {
    Fault::permanent(ErrorCode::NoSpace, "the target is full").not_done()
}

pub fn attempt(contributor: &str) -> Input {
    Input::Attempt(step(contributor))
}

pub fn opened(output: u32) -> Input {
    opened_by("snapshot", output, "db")
}

pub fn opened_by(contributor: &str, output: u32, name: &str) -> Input {
    let event = OutputEvent::Opened {
        output: OutputId(output),
        name: name.to_owned(),
        secret: true,
        object_suffix: format!("{output:016x}"),
        extension: "zst.age".to_owned(),
    };
    Input::Told(step(contributor), event)
}

/// The name of an output's object at every store.
pub fn object(output: u32) -> String {
    format!("c1/{RUN}/db.{output:016x}.zst.age")
}

pub fn advanced(output: u32, sealed_bytes: u64) -> Input {
    let output = OutputId(output);
    let event = OutputEvent::Advanced {
        output,
        sealed_bytes,
    };
    Input::Told(step("snapshot"), event)
}

pub fn sealed(output: u32, sealed_size: u64) -> Input {
    sealed_by("snapshot", output, sealed_size)
}

pub fn sealed_by(contributor: &str, output: u32, sealed_size: u64) -> Input {
    let sealed = SealedOutput {
        output: OutputId(output),
        name: "db".to_owned(),
        secret: true,
        plain_size: sealed_size * 2,
        plain_sha256: "11".repeat(32),
        sealed_size,
        sealed_sha256: format!("{output:02x}").repeat(32),
        opened: UnixTime(0),
        closed: UnixTime(0),
        nature: Nature::Bytes,
        findings: Vec::new(),
    };
    let sealed = Box::new(sealed);
    Input::Told(step(contributor), OutputEvent::Sealed { sealed })
}

pub fn discarded(output: u32) -> Input {
    discarded_by("snapshot", output)
}

pub fn discarded_by(contributor: &str, output: u32) -> Input {
    let event = OutputEvent::Discarded {
        output: OutputId(output),
        reason: Fault::transient(ErrorCode::StreamBroken, "the stream broke"),
    };
    Input::Told(step(contributor), event)
}

pub fn report() -> Report {
    Report {
        degraded: false,
        findings: Vec::new(),
    }
}

pub fn whole(contributor: &str) -> Input {
    Input::Ended(step(contributor), AttemptEnd::Whole(report()))
}

pub fn lost(contributor: &str) -> Input {
    let reason = Fault::transient(ErrorCode::Interrupted, "it was cut off");
    Input::Ended(step(contributor), AttemptEnd::Lost(reason))
}

pub fn cancelled(message: &str) -> Input {
    let class = drydock_core::ErrorClass::Cancelled;
    Input::Ending(Fault::new(class, ErrorCode::Cancelled, message))
}

pub fn answer(text: &str, answer: PointAnswer) -> Input {
    Input::Answer(text.to_owned(), answer)
}

pub fn failed(text: &str, fault: Fault) -> Input {
    answer(text, PointAnswer::Failed { fault })
}

/// The sealed bytes that the effect was to send are gone.
pub fn spool_missing(text: &str) -> Input {
    let fault = Fault::permanent(ErrorCode::SpoolMissing, "the sealed spool is gone");
    answer(text, PointAnswer::SpoolMissing { fault })
}

pub fn wait_over() -> Input {
    answer("wait", PointAnswer::WaitOver)
}

pub fn layout(parallel_max: u32) -> Layout {
    Layout {
        part_bytes_min: 1,
        part_bytes_max: 1000,
        parts_max: 1000,
        parallel_max,
        equal_parts: false,
        object_bytes_max: 1 << 20,
        part_checksum: None,
        sessions: Sessions::Listed,
        retain: true,
    }
}

pub fn began(store: &str, output: u32, part_size: u64, parallel_max: u32) -> Input {
    let place = format!("{store}/{output}");
    let began = PointAnswer::Began {
        session: Session(place.clone().into_bytes()),
        layout: layout(parallel_max),
        part_size,
    };
    answer(&format!("begin-upload {place}"), began)
}

pub fn stored(store: &str, output: u32, number: u32) -> Input {
    taken(store, output, number, false)
}

/// A part that the server took, under its checksum or not.
pub fn taken(store: &str, output: u32, number: u32, verified: bool) -> Input {
    let text = format!("put-part {store}/{output} #{number} ");
    answer(&text, part_stored(verified))
}

pub fn part_stored(verified: bool) -> PointAnswer {
    let receipt = Receipt(vec![1]);
    let part = Acknowledgement { receipt, verified };
    PointAnswer::PartStored { part }
}

pub fn judged(output: u32, pass: bool) -> Input {
    judged_by("verify", output, pass)
}

pub fn judged_by(verify: &str, output: u32, pass: bool) -> Input {
    let findings = Vec::new();
    let verdict = Verdict { pass, findings };
    let text = format!("judge {verify}/{output}");
    answer(&text, PointAnswer::Judged { verdict })
}

pub fn completion(output: u32, size: u64, verified: bool) -> Completion {
    let stat = ObjectStat {
        object: object(output),
        size,
        checksum: None,
        retained_until: None,
    };
    Completion { stat, verified }
}

pub fn completed(store: &str, output: u32, size: u64, verified: bool) -> Input {
    let completion = completion(output, size, verified);
    let text = format!("complete-upload {store}/{output}");
    answer(&text, PointAnswer::Completed { completion })
}

pub fn read_back(store: &str, output: u32) -> Input {
    let text = format!("read-back {store}/{output}");
    answer(&text, PointAnswer::ReadBack)
}

pub fn signed() -> Input {
    let signed = PointAnswer::Signed {
        manifest: "manifest".to_owned(),
        signature: "signature".to_owned(),
    };
    answer("sign-manifest", signed)
}

pub fn committed(store: &str) -> Input {
    let committed = PointAnswer::Committed { despite: None };
    answer(&format!("commit-manifest {store}"), committed)
}

/// Another manifest, which names these objects, is there.
pub fn superseded(store: &str, names: &[String]) -> Input {
    let names = names.to_vec();
    let superseded = PointAnswer::Superseded { names };
    answer(&format!("commit-manifest {store}"), superseded)
}

pub fn aborted(store: &str, output: u32) -> Input {
    let text = format!("abort-upload {store}/{output}");
    answer(&text, PointAnswer::Aborted { room_until: None })
}

/// At a store whose uploads only expire.
pub fn left_to_expire(store: &str, output: u32, until: i64) -> Input {
    let text = format!("abort-upload {store}/{output}");
    let room_until = Some(UnixTime(until));
    answer(&text, PointAnswer::Aborted { room_until })
}

pub fn retained(store: &str, output: u32) -> Input {
    let text = format!("retain-object {store}/{output}");
    let until = UnixTime(1_800_000_000);
    answer(&text, PointAnswer::Retained { until })
}

pub fn deleted(store: &str, output: u32) -> Input {
    let text = format!("delete-object {store}/{output}");
    answer(&text, PointAnswer::Deleted)
}

pub fn swept(store: &str) -> Input {
    let swept = PointAnswer::Swept {
        aborted: 1,
        room_until: None,
    };
    answer(&format!("sweep-uploads {store}"), swept)
}
