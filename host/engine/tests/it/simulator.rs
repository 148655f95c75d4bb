//! Whole runs in a model world, driven by a seed: effects end in any order, processes
//! end at any transaction and between any effect and its record.

use std::collections::{BTreeSet, VecDeque};

use drydock_core::{ErrorClass, ErrorCode, Fault, OutputId, RunId, StepName, UnixTime};
use drydock_engine::decide::decide;
use drydock_engine::model::{Effect, Event, Outcome, RunSpec};
use drydock_engine::replay::{effect_record, event_record, replay};
use drydock_engine::state::RunState;
use drydock_journal::{NewRecord, Record};

use crate::kit;
use crate::laws;
use crate::random::Random;
use crate::world::{Broken, Chaos, World};

/// Steps of one simulated run. The longest of the seeds in use take a few hundred; a
/// run that goes on for so long does not end.
const STEPS_MAX: u32 = 20_000;

/// Crashes of one simulated run.
const CRASHES_MAX: u32 = 12;

/// Where a process is to end, counted over all processes of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kill {
    BeforeRecord(u32),
    AfterRecord(u32),
}

pub struct Simulation {
    pub world: World,
    pub state: RunState,
    pub records: Vec<Record>,
    pub transactions: u32,
    pub kill: Option<Kill>,
    pub crashes: u32,
    in_flight: Vec<Effect>,
    /// What the running backup will say.
    script: VecDeque<Event>,
    log: Vec<Happened>,
}

/// One line of the story that a broken law is told with.
enum Happened {
    Event(Event, Vec<Effect>),
    Crash,
}

/// A run that ended.
pub struct End {
    pub simulation: Simulation,
    pub outcome: Outcome,
}

/// Runs one seed to its end and checks every law. The error tells how to run it again.
pub fn simulate(seed: u64, chaos: Chaos, kill: Option<Kill>) -> Result<End, String> {
    let mut random = Random::new(seed);
    let stores: &[&str] = random.pick(&[&["s1"] as &[&str], &["s1", "s2"]]);
    let limit = random.pick(&[0, 1, 3]);
    let spec = spec(&mut random, stores, limit);
    let world = World::new(random, chaos, stores);
    let mut simulation = Simulation::new(world, spec, kill);
    let ended = simulation.go().and_then(|outcome| {
        laws::at_the_end(&simulation, &outcome)?;
        Ok(outcome)
    });
    match ended {
        Ok(outcome) => Ok(End {
            simulation,
            outcome,
        }),
        Err(broken) => Err(format!(
            "{broken}\nto run it again: simulate({seed}, {chaos:?}, {kill:?})\n{}",
            simulation.story()
        )),
    }
}

/// One to three backup steps, and one verify step for all or one more for the last.
fn spec(random: &mut Random, stores: &[&str], limit: u32) -> RunSpec {
    let backups: &[&str] = random.pick(&[&["b1"] as &[&str], &["b1", "b2"], &["b1", "b2", "b3"]]);
    let mut spec = kit::spec_of(backups, stores, limit);
    let (last, others) = backups.split_last().unwrap();
    match random.below(3) {
        0 if !others.is_empty() => {
            spec.verify = vec![kit::verify("v1", others), kit::verify("v2", &[last])];
        }
        1 => spec.verify.push(kit::verify("v2", &[last])),
        _ => {}
    }
    spec
}

impl Simulation {
    fn new(world: World, spec: RunSpec, kill: Option<Kill>) -> Self {
        Self {
            world,
            state: RunState::new(spec, UnixTime(0)),
            records: Vec::new(),
            transactions: 0,
            kill,
            crashes: 0,
            in_flight: Vec::new(),
            script: VecDeque::new(),
            log: Vec::new(),
        }
    }

    fn go(&mut self) -> Result<Outcome, Broken> {
        let spec = Box::new(self.state.spec.clone());
        let at = UnixTime(0);
        self.take(Event::RunCreated { spec, at })?;
        for _ in 0..STEPS_MAX {
            if let Some(finished) = &self.state.finished {
                return Ok(finished.outcome.clone());
            }
            self.step()?;
        }
        Err("the run does not end".to_owned())
    }

    fn story(&self) -> String {
        let line = |happened: &Happened| match happened {
            Happened::Event(event, effects) => format!("{event:?}\n    -> {effects:?}"),
            Happened::Crash => "--- crash".to_owned(),
        };
        self.log.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    fn step(&mut self) -> Result<(), Broken> {
        if self.world.random.chance(self.world.chaos.cancel) {
            let reason = "because".to_owned();
            return self.take(Event::CancelRequested { reason });
        }
        if self.in_flight.is_empty() {
            return Err("nothing is in flight and the run has not ended".to_owned());
        }
        let count = self.in_flight.len() as u64;
        let index = usize::try_from(self.world.random.below(count)).unwrap();
        match &self.in_flight[index] {
            Effect::StartBackup { step, attempt, .. } => {
                let stopped = kit::failed_by(step.as_str(), *attempt, stopped());
                self.backup_goes_on(stopped, index)
            }
            _ => {
                let effect = self.in_flight.swap_remove(index);
                let event = self.answer(&effect)?;
                self.take(event)
            }
        }
    }

    fn answer(&mut self, effect: &Effect) -> Result<Event, Broken> {
        match effect {
            Effect::Wait { timer, .. } => Ok(Event::WaitOver { timer: *timer }),
            Effect::Finish { outcome } => Ok(Event::RunFinished {
                outcome: outcome.clone(),
                at: UnixTime(9),
            }),
            _ => self.world.perform(&self.state, effect),
        }
    }

    fn backup_goes_on(&mut self, stopped: Event, index: usize) -> Result<(), Broken> {
        if self.state.is_ending() {
            self.script = VecDeque::from([stopped]);
        }
        let event = self.script.pop_front().ok_or("the backup says no more")?;
        match &event {
            Event::SealedAdvanced {
                output,
                sealed_bytes,
            } => {
                self.world.spool.insert(*output, *sealed_bytes);
            }
            Event::OutputSealed { sealed } => {
                self.world.spool.insert(sealed.output, sealed.sealed_size);
            }
            Event::BackupFinished { .. } | Event::BackupFailed { .. } => {
                self.in_flight.swap_remove(index);
            }
            _ => {}
        }
        self.take(event)
    }

    /// What the driver does, with a process that may end before and after the record.
    fn take(&mut self, event: Event) -> Result<(), Broken> {
        let mut next = self.state.clone();
        next.apply(&event);
        let effects = decide(&next, &event);
        let happened = Happened::Event(event.clone(), effects.clone());
        self.log.push(happened);
        let recorded = event.is_recorded() || !effects.is_empty();
        if recorded {
            self.transactions += 1;
            if self.dies(Kill::BeforeRecord(self.transactions)) && !self.records.is_empty() {
                return self.crash();
            }
            self.record(&event, &effects);
        }
        for effect in &effects {
            next.started(effect);
        }
        self.state = next;
        laws::after_a_decision(&self.state, &event, &effects)?;
        if recorded && self.dies(Kill::AfterRecord(self.transactions)) {
            return self.crash();
        }
        self.launch(effects)
    }

    fn dies(&mut self, here: Kill) -> bool {
        if self.state.finished.is_some() {
            return false;
        }
        let chance = self.world.chaos.crash / 2;
        self.kill == Some(here) || (self.crashes < CRASHES_MAX && self.world.random.chance(chance))
    }

    fn record(&mut self, event: &Event, effects: &[Effect]) {
        if event.is_recorded() {
            self.keep(event_record(event, UnixTime(1)));
        }
        for effect in effects {
            self.keep(effect_record(effect, UnixTime(1)));
        }
        if let Event::BackupFinished { step, .. } = event {
            self.world.finished.insert(step.clone());
        }
        if let Event::PartStored {
            store,
            output,
            number,
            ..
        } = event
        {
            let part = (store.clone(), *output, *number);
            self.world.parts_recorded.insert(part);
        }
    }

    fn keep(&mut self, new: NewRecord) {
        self.records.push(Record {
            sequence: self.records.len() as u64 + 1,
            kind: new.kind,
            body: new.body,
            at: new.at,
        });
    }

    fn launch(&mut self, effects: Vec<Effect>) -> Result<(), Broken> {
        for effect in effects {
            if let Effect::StartBackup {
                step,
                attempt,
                first_output,
            } = &effect
            {
                self.script = self.world.backup(step, *attempt, *first_output)?;
                // What is not live any more makes room.
                let live: BTreeSet<_> = self.state.live_outputs().map(|o| o.id).collect();
                self.world.spool.retain(|output, _| live.contains(output));
            }
            self.in_flight.push(effect);
        }
        laws::in_flight(&self.in_flight, &self.world)
    }

    /// The process ends: of what was in flight, some took place and nobody heard of it.
    /// The next process knows only the records.
    fn crash(&mut self) -> Result<(), Broken> {
        self.crashes += 1;
        self.log.push(Happened::Crash);
        for effect in std::mem::take(&mut self.in_flight) {
            let by_driver = matches!(
                effect,
                Effect::StartBackup { .. } | Effect::Wait { .. } | Effect::Finish { .. }
            );
            if !by_driver && self.world.random.chance(500) {
                let _ = self.world.perform(&self.state, &effect)?;
            }
        }
        self.script.clear();
        self.world.lose_spool();
        self.state = replay_of(&self.records)?;
        self.take(Event::RunResumed { at: UnixTime(2) })
    }
}

impl World {
    /// What one attempt of a backup step says: one or two outputs, some of them given up on
    /// the way, and an end. A step that finished is not asked again unless the spool was
    /// hit.
    fn backup(
        &mut self,
        step: &StepName,
        attempt: u32,
        first: OutputId,
    ) -> Result<VecDeque<Event>, Broken> {
        if self.finished.remove(step) && !self.spool_was_hit {
            return Err(format!("{step} runs again though it had finished"));
        }
        self.first_output.insert(step.clone(), first);
        let mut script = VecDeque::new();
        let mut next = first.0;
        for number in 0..1 + self.random.below(2) {
            let name = format!("{step}-{number}");
            self.output(&mut script, &mut next, step, &name);
        }
        let failed = |fault| kit::failed_by(step.as_str(), attempt, fault);
        let end = if !self.random.chance(self.chaos.backup_fails) {
            kit::finished_by(step.as_str(), attempt)
        } else if self.random.chance(200) {
            failed(Fault::permanent(ErrorCode::of("no"), "no"))
        } else {
            failed(Fault::transient(ErrorCode::StreamBroken, "broken"))
        };
        if matches!(end, Event::BackupFailed { .. }) {
            let length = script.len() as u64;
            script.truncate(usize::try_from(self.random.below(length + 1)).unwrap());
        }
        script.push_back(end);
        Ok(script)
    }

    /// A crash of the machine may take some of the spool with it.
    fn lose_spool(&mut self) {
        if !self.random.chance(self.chaos.spool_lost) {
            return;
        }
        let random = &mut self.random;
        let before = self.spool.len();
        self.spool.retain(|_, _| random.chance(300));
        self.spool_was_hit |= self.spool.len() < before;
    }

    fn output(
        &mut self,
        script: &mut VecDeque<Event>,
        next: &mut u32,
        step: &StepName,
        name: &str,
    ) {
        loop {
            let output = *next;
            *next += 1;
            script.push_back(kit::opened_by(step.as_str(), output, name));
            let size = self.random.below(60);
            for bytes in (0..size).step_by(7) {
                script.push_back(kit::advanced(output, bytes));
            }
            if self.random.chance(self.chaos.output_discarded) {
                script.push_back(kit::discarded(output));
            } else {
                return script.push_back(kit::sealed(output, size));
            }
        }
    }
}

fn stopped() -> Fault {
    Fault::new(ErrorClass::Cancelled, ErrorCode::Cancelled, "stopped")
}

/// The state that the records of a simulated run lead to.
pub fn replay_of(records: &[Record]) -> Result<RunState, Broken> {
    replay(&RunId::new(kit::RUN), records).map_err(|error| error.to_string())
}
