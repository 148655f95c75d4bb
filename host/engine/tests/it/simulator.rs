//! Whole runs in a model world, driven by a seed: effects end in any order, timers fire in
//! any order, an operator answers sooner or later, processes end at any transaction and
//! between any effect and its record.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::{fmt, fs, io};

use drydock_core::{RunId, UnixTime};
use drydock_engine::check::check;
use drydock_engine::decide::decide_and_start;
use drydock_engine::model::{Answer, Effect, EffectId, Event, Outcome, RunSpec};
use drydock_engine::replay::{EffectRecord, effect_record, event_record, replay, write_log};
use drydock_engine::state::{Purpose, RunState};
use drydock_journal::{NewRecord, Record};
use drydock_point::model::{PointAnswer, PointEffect};

use crate::actions::{Said, stopped};
use crate::chaos::Chaos;
use crate::graph::{self, RUN, Shape};
use crate::laws::{self, Laws};
use crate::operator;
use crate::random::Random;
use crate::world::{Broken, World};

/// Steps of one simulated run. The longest of the seeds in use take some hundreds; a run
/// that goes on for so long does not end.
const STEPS_MAX: u32 = 20_000;

/// Crashes of one simulated run.
const CRASHES_MAX: u32 = 12;

/// Where a process is to end, counted over all processes of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kill {
    BeforeRecord(u32),
    AfterRecord(u32),
}

/// One simulated run.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    pub seed: u64,
    pub shape: Shape,
    pub chaos: Chaos,
    pub kill: Option<Kill>,
}

pub struct Simulation {
    pub world: World,
    pub state: RunState,
    pub records: Vec<Record>,
    pub laws: Laws,
    pub transactions: u32,
    kill: Option<Kill>,
    crashes: u32,
    now: UnixTime,
    in_flight: BTreeMap<EffectId, Effect>,
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

/// A run that broke a law.
pub struct Failure {
    pub broken: Broken,
    pub story: String,
    pub records: Vec<Record>,
}

impl Case {
    pub fn new(seed: u64, shape: Shape, chaos: Chaos) -> Self {
        Self {
            seed,
            shape,
            chaos,
            kill: None,
        }
    }

    /// The same with a process that is killed there.
    pub fn killed(self, kill: Kill) -> Self {
        Self {
            kill: Some(kill),
            ..self
        }
    }
}

/// Runs one seed to its end and checks every law.
pub fn simulate(case: &Case) -> Result<End, Box<Failure>> {
    let mut random = Random::new(case.seed);
    let mut spec = graph::spec(&mut random, case.shape, &case.chaos);
    if matches!(case.shape, Shape::Graph) {
        graph::demand_targets(&mut spec, case.seed);
    }
    let stores = spec.point.iter().flat_map(|point| &point.stores);
    let stores: Vec<_> = stores.map(|store| store.pin.step.clone()).collect();
    let world = World::new(random, case.chaos, &stores);
    let checked = check(&spec).map_err(|problem| format!("{problem}: {:?}", spec.nodes));
    let mut simulation = Simulation::new(world, spec, case.kill);
    let went = catch_unwind(AssertUnwindSafe(|| simulation.go()));
    let went = went.unwrap_or_else(|_| Err("it panicked".to_owned()));
    let ended = checked.and(went);
    let ended = ended.and_then(|outcome| {
        laws::at_the_end(&simulation, &outcome)?;
        Ok(outcome)
    });
    match ended {
        Ok(outcome) => Ok(End {
            simulation,
            outcome,
        }),
        Err(broken) => Err(Box::new(Failure {
            broken: format!("{broken}\nin {case:?}"),
            story: simulation.story(),
            records: simulation.records,
        })),
    }
}

impl Failure {
    /// Keeps the records in a file of that name, for `drydock run replay`.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        fs::write(path, write_log(&self.records))
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.broken, self.story)
    }
}

impl Simulation {
    fn new(world: World, spec: RunSpec, kill: Option<Kill>) -> Self {
        Self {
            world,
            state: RunState::new(spec, UnixTime(0)),
            records: Vec::new(),
            laws: Laws::default(),
            transactions: 0,
            kill,
            crashes: 0,
            now: UnixTime(0),
            in_flight: BTreeMap::new(),
            log: Vec::new(),
        }
    }

    fn go(&mut self) -> Result<Outcome, Broken> {
        let spec = Box::new(self.state.spec.clone());
        let at = self.now;
        self.take(Event::Created { spec, at })?;
        for _ in 0..STEPS_MAX {
            if let Some(finished) = &self.state.finished {
                return Ok(finished.outcome.clone());
            }
            self.step()?;
        }
        Err("the run does not end".to_owned())
    }

    pub fn story(&self) -> String {
        let line = |happened: &Happened| match happened {
            Happened::Event(event, effects) => format!("{event:?}\n    -> {effects:?}"),
            Happened::Crash => "--- crash".to_owned(),
        };
        self.log.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    fn step(&mut self) -> Result<(), Broken> {
        self.now = self.now.plus_seconds(self.world.random.below(3));
        if let Some(event) = self.meddling() {
            return self.take(event);
        }
        if self.world.random.chance(self.world.chaos.hold_lost) {
            self.world.lose_hold();
        }
        let active = self.active();
        let asks = self.state.open_questions().next().is_some();
        let early = self.world.random.chance(self.world.chaos.deadline);
        if asks && (active.is_empty() || self.world.random.chance(200)) {
            let event = operator::answer(&self.state, &mut self.world)?;
            return self.take(event);
        }
        if let Some(id) = self.deadline().filter(|_| early || active.is_empty()) {
            return self.go_on(id);
        }
        if active.is_empty() {
            return Err("nothing is in flight and the run has not ended".to_owned());
        }
        let id = self.world.random.pick(&active);
        self.go_on(id)
    }

    /// What somebody else does to the run.
    fn meddling(&mut self) -> Option<Event> {
        let (random, chaos) = (&mut self.world.random, self.world.chaos);
        if random.chance(chaos.cancel) {
            let reason = "because".to_owned();
            return Some(Event::Cancelled { reason });
        }
        if random.chance(chaos.run_deadline) {
            let under_way = Vec::new();
            return Some(Event::Deadline {
                seconds: 9,
                under_way,
            });
        }
        let gives_up = self.state.is_ending() && random.chance(chaos.cleanup_given_up);
        gives_up.then_some(Event::CleanupGivenUp { seconds: 9 })
    }

    /// What can end now: not the holds that wait, nor deadlines.
    fn active(&self) -> Vec<EffectId> {
        let ready = self.in_flight.iter().filter(|(id, effect)| match effect {
            Effect::Attempt { .. } => {
                self.stops_by_itself(effect) || self.world.actions.is_active(**id)
            }
            Effect::Wait { timer, .. } => !self.is_deadline(*timer),
            _ => true,
        });
        ready.map(|(id, _)| *id).collect()
    }

    /// A run that is ending drops what nobody wants any more.
    fn stops_by_itself(&self, effect: &Effect) -> bool {
        self.state.is_ending() && self.state.is_forward(effect)
    }

    /// One of the deadlines, whichever is due next or not.
    fn deadline(&mut self) -> Option<EffectId> {
        let waits = self.in_flight.iter().filter(|(_, effect)| match effect {
            Effect::Wait { timer, .. } => self.is_deadline(*timer),
            _ => false,
        });
        let waits: Vec<_> = waits.map(|(id, _)| *id).collect();
        (!waits.is_empty()).then(|| self.world.random.pick(&waits))
    }

    /// One whose timer is gone is nobody's.
    fn is_deadline(&self, timer: u64) -> bool {
        let purpose = self.state.timers.get(&timer).map(|timer| timer.purpose);
        matches!(
            purpose,
            Some(Purpose::StepDeadline(_) | Purpose::HoldDeadline(_) | Purpose::Acquire(_))
        )
    }

    fn go_on(&mut self, id: EffectId) -> Result<(), Broken> {
        let effect = self
            .in_flight
            .get(&id)
            .cloned()
            .ok_or("it is not in flight")?;
        if matches!(effect, Effect::Attempt { .. }) {
            return self.attempt_goes_on(id, &effect);
        }
        self.in_flight.remove(&id);
        let event = self.answer(id, &effect)?;
        self.take(event)
    }

    fn attempt_goes_on(&mut self, id: EffectId, effect: &Effect) -> Result<(), Broken> {
        if self.stops_by_itself(effect)
            && let Some(act) = self.world.actions.acts.get_mut(&id)
        {
            act.stop.get_or_insert_with(stopped);
        }
        match self.world.act(&self.state, id)? {
            Said::Nothing => Ok(()),
            Said::Emission(emission) => self.take(Event::Emitted {
                effect: id,
                emission,
            }),
            Said::Answer(answer) => {
                self.in_flight.remove(&id);
                self.take(Event::Answered { effect: id, answer })
            }
        }
    }

    fn answer(&mut self, id: EffectId, effect: &Effect) -> Result<Event, Broken> {
        let answer = match effect {
            Effect::Finish { outcome } => {
                return Ok(Event::Finished {
                    outcome: outcome.clone(),
                    at: self.now,
                });
            }
            Effect::Wait { timer, .. } => {
                let due = self.state.timers.get(timer).map(|timer| timer.due);
                self.now = self.now.max(due.unwrap_or(self.now));
                Answer::WaitOver
            }
            Effect::Point {
                point: PointEffect::Wait { .. },
            } => Answer::Point {
                point: PointAnswer::WaitOver,
            },
            _ => self.perform(effect)?,
        };
        Ok(Event::Answered { effect: id, answer })
    }

    /// What is done to the world in one go.
    fn perform(&mut self, effect: &Effect) -> Result<Answer, Broken> {
        match effect {
            Effect::Probe { node, .. } => self.world.probe(&self.state, node),
            Effect::Undo { node, .. } => self.world.undo(node),
            Effect::Point { point } => {
                let machine = self.state.point.as_ref().ok_or("there is no point")?;
                let point = self.world.perform(machine, point)?;
                Ok(Answer::Point { point })
            }
            other => Err(format!("{} is nothing for a runner", other.word())),
        }
    }

    /// What the driver does, with a process that may end before and after the record.
    fn take(&mut self, event: Event) -> Result<(), Broken> {
        let at = self.now;
        let mut next = self.state.clone();
        next.apply(&event, at);
        let started = decide_and_start(&mut next, &event, at);
        let numbered: Vec<_> = started.into_iter().map(|e| (e.id, e.effect)).collect();
        let effects = numbered.iter().map(|(_, effect)| effect.clone());
        let happened = Happened::Event(event.clone(), effects.collect());
        self.log.push(happened);
        let recorded = event.is_recorded() || !numbered.is_empty();
        if recorded {
            self.transactions += 1;
            if self.dies(Kill::BeforeRecord(self.transactions)) && !self.records.is_empty() {
                return self.crash();
            }
            self.record(&event, &numbered);
        }
        self.laws.of_what_started(&next, &event, &numbered)?;
        self.state = next;
        laws::after_a_decision(&self.state, &event, &numbered)?;
        if recorded {
            laws::holds_are_known(&self.state, &self.world)?;
            if self.dies(Kill::AfterRecord(self.transactions)) {
                return self.crash();
            }
        }
        self.launch(numbered)
    }

    fn dies(&mut self, here: Kill) -> bool {
        if self.state.finished.is_some() {
            return false;
        }
        let chance = self.world.chaos.crash / 2;
        self.kill == Some(here) || (self.crashes < CRASHES_MAX && self.world.random.chance(chance))
    }

    /// Keeps the records, and what the world counts by them. The state is still the one
    /// before the event.
    fn record(&mut self, event: &Event, effects: &[(EffectId, Effect)]) {
        if event.is_recorded() {
            self.keep(event_record(event, self.now));
            operator::recorded(&self.state, &mut self.world, event);
        }
        for (id, effect) in effects {
            let (id, effect) = (*id, effect.clone());
            let record = EffectRecord { id, effect };
            self.keep(effect_record(&record, self.now));
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

    fn launch(&mut self, effects: Vec<(EffectId, Effect)>) -> Result<(), Broken> {
        for (id, effect) in effects {
            match &effect {
                Effect::Attempt { node, .. } => {
                    let spec = self
                        .state
                        .node_spec(node)
                        .ok_or(format!("no step {node}"))?;
                    laws::values_are_there(&self.state, &self.world, spec)?;
                    self.world.begin(&self.state, id, &spec.clone())?;
                }
                Effect::Stop { attempt, reason } => {
                    if let Some(act) = self.world.actions.acts.get_mut(attempt) {
                        act.stop.get_or_insert_with(|| reason.clone());
                    }
                }
                Effect::LetGo { attempt } => {
                    if let Some(act) = self.world.actions.acts.get_mut(attempt) {
                        act.let_go = true;
                    }
                }
                Effect::Point { point } => laws::may_count(&self.state, point)?,
                Effect::Ask { question, .. } => laws::is_answerable(&self.state, *question)?,
                _ => {}
            }
            if effect.is_answered() || matches!(effect, Effect::Finish { .. }) {
                self.in_flight.insert(id, effect);
            }
        }
        laws::in_flight(&self.in_flight, &self.world)
    }

    /// The process ends: of what was in flight, some took place and nobody heard of it.
    /// The next process knows only the records.
    fn crash(&mut self) -> Result<(), Broken> {
        self.crashes += 1;
        self.log.push(Happened::Crash);
        for (id, effect) in std::mem::take(&mut self.in_flight) {
            match &effect {
                Effect::Attempt { .. } => self.world.act_unheard(&self.state, id)?,
                Effect::Wait { .. } | Effect::Finish { .. } => {}
                Effect::Point {
                    point: PointEffect::Wait { .. },
                } => {}
                _ if self.world.random.chance(500) => {
                    let _ = self.perform(&effect)?;
                }
                _ => {}
            }
        }
        self.world.actions.crash();
        self.world.lose_spool();
        let at = self.now;
        self.state = laws::same_after_replay(&self.state, &self.records, at)?;
        self.take(Event::Resumed { at })
    }
}

/// The state that the records of a simulated run lead to.
pub fn replay_of(records: &[Record]) -> Result<RunState, Broken> {
    replay(&RunId::new(RUN), records).map_err(|error| error.to_string())
}
