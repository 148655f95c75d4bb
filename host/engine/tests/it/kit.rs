//! A run for tables: it takes events as the driver does, remembers what is in flight, and
//! tells what it asks for in short.

use std::collections::BTreeMap;

use drydock_core::{ErrorCode, Fault, HoldEnd, Probed, UnixTime};
use drydock_engine::decide::decide_and_start;
use drydock_engine::model::{
    Answer, Done, Effect, EffectId, Emission, Event, NodeSpec, Outcome, RunSpec,
};
use drydock_engine::state::{RunState, UndoPhase};
use drydock_point::model::PointAnswer;

use crate::actions::done;
use crate::graph::{need, node, spec_of, step};

pub struct Run {
    pub state: RunState,
    pub in_flight: BTreeMap<EffectId, Effect>,
    pub now: UnixTime,
}

/// A step that needs these, and is told of as `action`.
pub fn action(name: &str, needs: &[&str]) -> NodeSpec {
    NodeSpec {
        needs: needs.iter().map(|name| need(&step(name))).collect(),
        ..node(name, "action")
    }
}

/// A step that can be taken back.
pub fn undoable(name: &str, needs: &[&str]) -> NodeSpec {
    NodeSpec {
        undo: true,
        ..action(name, needs)
    }
}

/// A graph without a recovery point, whose steps may all run at once and are retried once.
pub fn graph(nodes: Vec<NodeSpec>) -> RunSpec {
    let mut spec = spec_of(nodes, Vec::new(), &[], 1);
    spec.policy.steps_max = 8;
    spec
}

pub fn busy() -> Fault {
    Fault::transient(ErrorCode::of("busy"), "the thing is busy")
}

pub fn denied() -> Fault {
    Fault::permanent(ErrorCode::of("denied-here"), "the thing is not granted")
}

/// Nobody knows whether it took place.
pub fn lost() -> Fault {
    Fault::transient(ErrorCode::of("lost"), "the answer got lost")
}

impl Run {
    /// A run that was just created, and what it asks for first.
    pub fn of(spec: RunSpec) -> (Self, Vec<String>) {
        let mut run = Self {
            state: RunState::new(spec.clone(), UnixTime(0)),
            in_flight: BTreeMap::new(),
            now: UnixTime(0),
        };
        let at = UnixTime(0);
        let spec = Box::new(spec);
        let asked = run.take(Event::Created { spec, at });
        (run, asked)
    }

    /// Takes one event and gives what it causes, in short.
    pub fn take(&mut self, event: Event) -> Vec<String> {
        self.state.apply(&event, self.now);
        let asked = decide_and_start(&mut self.state, &event, self.now);
        let told = asked
            .iter()
            .map(|asked| self.short(&asked.effect))
            .collect();
        let asked = asked.into_iter().map(|asked| (asked.id, asked.effect));
        self.in_flight.extend(asked);
        told
    }

    /// What is in flight that is told of like this.
    fn id_of(&self, told: &str) -> EffectId {
        let found = self
            .in_flight
            .iter()
            .find(|(_, effect)| self.short(effect) == told);
        let all: Vec<_> = self
            .in_flight
            .values()
            .map(|effect| self.short(effect))
            .collect();
        *found.unwrap_or_else(|| panic!("no {told} in {all:?}")).0
    }

    /// Answers what is told of like this.
    pub fn answer(&mut self, told: &str, answer: Answer) -> Vec<String> {
        let effect = self.id_of(told);
        self.in_flight.remove(&effect);
        self.take(Event::Answered { effect, answer })
    }

    pub fn done(&mut self, told: &str) -> Vec<String> {
        self.answer(told, done(Done::default()))
    }

    pub fn fail(&mut self, told: &str, fault: Fault) -> Vec<String> {
        self.answer(told, Answer::failed(fault))
    }

    pub fn undone(&mut self, told: &str) -> Vec<String> {
        self.answer(told, Answer::Undone)
    }

    pub fn probed(&mut self, told: &str, state: Probed) -> Vec<String> {
        self.answer(told, Answer::Probed { state })
    }

    pub fn point(&mut self, told: &str, point: PointAnswer) -> Vec<String> {
        self.answer(told, Answer::Point { point })
    }

    /// A session hold ends.
    pub fn hold_ends(&mut self, told: &str, hold: HoldEnd) -> Vec<String> {
        let hold = Some(hold);
        self.answer(
            told,
            done(Done {
                hold,
                ..Done::default()
            }),
        )
    }

    /// So much time passes.
    pub fn wait(&mut self, told: &str) -> Vec<String> {
        if let Effect::Wait { milliseconds, .. } = self.in_flight[&self.id_of(told)] {
            self.now = self.now.plus_seconds(milliseconds / 1000);
        }
        self.answer(told, Answer::WaitOver)
    }

    pub fn emit(&mut self, told: &str, emission: Emission) -> Vec<String> {
        let effect = self.id_of(told);
        self.take(Event::Emitted { effect, emission })
    }

    pub fn held(&mut self, told: &str) -> Vec<String> {
        let evidence = "it stands".to_owned();
        self.emit(told, Emission::Held { evidence })
    }

    pub fn cut(&mut self, told: &str) -> Vec<String> {
        self.emit(told, Emission::Cut)
    }

    pub fn cancel(&mut self) -> Vec<String> {
        let reason = "enough".to_owned();
        self.take(Event::Cancelled { reason })
    }

    /// The process ends, and another one goes on.
    pub fn resume(&mut self) -> Vec<String> {
        self.in_flight.clear();
        self.take(Event::Resumed { at: self.now })
    }

    /// An operator answers the only question.
    pub fn decide(&mut self, choice: &str) -> Vec<String> {
        let (question, _) = self.state.open_questions().next().unwrap();
        self.take(Event::Decided {
            question,
            choice: choice.to_owned(),
            by: "ann".to_owned(),
        })
    }

    /// The words of the only question.
    pub fn choices(&self) -> Vec<String> {
        let (_, question) = self.state.open_questions().next().unwrap();
        question
            .choices
            .iter()
            .map(|choice| choice.word.clone())
            .collect()
    }

    pub fn outcome(&self) -> Outcome {
        let mut effects = self.in_flight.values();
        let found = effects.find_map(|effect| match effect {
            Effect::Finish { outcome } => Some(outcome.clone()),
            _ => None,
        });
        found.unwrap_or_else(|| panic!("not the end: {:?}", self.in_flight))
    }

    /// The code of the failure that the run ends with.
    pub fn failure(&self) -> String {
        match self.outcome() {
            Outcome::Failed { fault } => fault.code.as_str().to_owned(),
            other => panic!("it ends {other:?}"),
        }
    }

    /// How far the undo of a step is.
    pub fn undo_phase(&self, name: &str) -> &UndoPhase {
        &self.state.node(&step(name)).unwrap().undo.phase
    }

    fn short(&self, effect: &Effect) -> String {
        let node_of = |attempt: &EffectId| {
            let effect = self.in_flight.get(attempt);
            effect
                .and_then(Effect::node)
                .map(ToString::to_string)
                .unwrap_or_default()
        };
        match effect {
            Effect::Attempt { node, attempt } => format!("run {node} {attempt}"),
            Effect::Probe { node, attempt } => format!("probe {node} {attempt}"),
            Effect::Undo { node, attempt } => format!("undo {node} {attempt}"),
            Effect::Stop { attempt, .. } => format!("stop {}", node_of(attempt)),
            Effect::LetGo { attempt } => format!("let-go {}", node_of(attempt)),
            Effect::Ask { about, .. } => format!("ask {about}"),
            Effect::Wait { milliseconds, .. } => format!("wait {milliseconds}"),
            Effect::Finish { outcome } => format!("finish {}", outcome.word()),
            Effect::Point { point } => {
                let store = point.store().map(|store| format!(" {store}"));
                let output = point.output().map(|output| format!(" {output}"));
                let place = store.into_iter().chain(output).collect::<String>();
                format!("{}{place}", point.word())
            }
        }
    }
}
