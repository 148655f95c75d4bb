//! Questions to an operator, and what the answers mean.

use drydock_core::{ErrorClass, ErrorCode, Fault, QuestionId, Repeat, StepName, UnixTime, Value};
use drydock_point::Point;

use super::{NodePhase, Purpose, RunState, UndoPhase, UnitEnd};
use crate::model::{Choice, Done};

/// What a gate gives to later steps: the word that was chosen.
pub const GATE_OUTPUT: &str = "choice";

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    pub about: About,
    pub text: String,
    pub choices: Vec<Choice>,
    /// None until its Ask is recorded.
    pub asked: Option<UnixTime>,
    pub answer: Option<Decision>,
}

/// What is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// A gate's own question.
    Gate(StepName),
    /// Whether a step that may not be repeated was done.
    Step(StepName),
    /// An undo that goes on failing.
    Undo { step: StepName, why: String },
    /// A failure past this step, which is a point of no return.
    NoReturn(StepName),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    pub choice: String,
    pub by: String,
    pub at: UnixTime,
}

impl About {
    /// The step that it is about.
    #[must_use]
    pub fn step(&self) -> &StepName {
        match self {
            Self::Gate(step)
            | Self::Step(step)
            | Self::Undo { step, .. }
            | Self::NoReturn(step) => step,
        }
    }
}

impl Question {
    /// Whether an operator can answer it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.asked.is_some() && self.answer.is_none()
    }
}

impl RunState {
    /// The questions that wait for an answer.
    pub fn open_questions(&self) -> impl Iterator<Item = (QuestionId, &Question)> {
        let open = self.questions.iter();
        let open = open.filter(|(_, question)| question.is_open());
        open.map(|(id, question)| (*id, question))
    }

    pub(super) fn want_question(&mut self, about: About) {
        let (text, choices) = self.words_of(&about);
        self.questions_made += 1;
        let id = QuestionId(self.questions_made);
        let question = Question {
            about,
            text,
            choices,
            asked: None,
            answer: None,
        };
        self.questions.insert(id, question);
    }

    fn words_of(&self, about: &About) -> (String, Vec<Choice>) {
        let fault =
            |fault: &Option<Fault>| fault.as_ref().map_or_else(String::new, ToString::to_string);
        match about {
            About::Gate(step) => {
                let gate = self.node_spec(step).and_then(|spec| spec.gate.clone());
                gate.map_or_else(Default::default, |gate| (gate.question, gate.choices))
            }
            About::Step(step) => (
                format!(
                    "nobody knows whether step {step} was done, and it may not be done twice: look whether it was"
                ),
                vec![
                    choice("done", "it was done, and the run goes on"),
                    choice("not-done", "it was not done, and is tried again"),
                ],
            ),
            About::Undo { step, why } => (
                format!("taking step {step} back fails again and again: {why}"),
                vec![
                    choice("retry", "it is tried again"),
                    choice(
                        "mended-by-hand",
                        "you took it back yourself, and the run goes on as if it had been",
                    ),
                ],
            ),
            About::NoReturn(step) => {
                let mut choices = vec![
                    choice("undo", "what the run did is taken back all the same"),
                    choice("leave", "the run ends, and what it did stays as it is"),
                ];
                if self.may_retry() {
                    choices.insert(0, choice("retry", "the step that failed is tried again"));
                }
                let text = format!(
                    "the run failed after step {step}, from which there is no way back by itself: {}",
                    fault(&self.failing)
                );
                (text, choices)
            }
        }
    }

    pub(super) fn asked(&mut self, question: QuestionId) {
        let now = self.now;
        if let Some(question) = self.questions.get_mut(&question) {
            question.asked = Some(now);
        }
    }

    /// A question that nobody has to answer any more.
    pub(super) fn withdraw_questions(&mut self, index: usize) {
        let step = &self.spec.nodes[index].step;
        self.questions.retain(|_, question| {
            let own = match &question.about {
                About::Gate(of) | About::Step(of) => of == step,
                About::Undo { .. } | About::NoReturn(_) => false,
            };
            !own || question.answer.is_some()
        });
    }

    /// Takes an operator's answer in; one that does not fit changes nothing.
    pub(super) fn decided(&mut self, id: QuestionId, choice: &str, by: &str) {
        let at = self.now;
        let Some(question) = self.questions.get_mut(&id).filter(|open| open.is_open()) else {
            return;
        };
        let Some(chosen) = question.choices.iter().find(|known| known.word == choice) else {
            return;
        };
        let chosen = chosen.clone();
        question.answer = Some(Decision {
            choice: choice.to_owned(),
            by: by.to_owned(),
            at,
        });
        let about = question.about.clone();
        let index = self.index_of(about.step());
        let Some(index) = index else { return };
        match about {
            About::Gate(_) => self.gate_decided(index, &chosen, by),
            About::Step(_) => self.step_decided(index, choice),
            About::Undo { .. } => {
                if choice == "retry" {
                    self.nodes[index].undo.phase = UndoPhase::Wanted;
                } else {
                    self.undone(index, UndoPhase::ByHand);
                }
            }
            About::NoReturn(_) => self.no_return_decided(choice),
        }
    }

    fn gate_decided(&mut self, index: usize, chosen: &Choice, by: &str) {
        if chosen.ends {
            let step = &self.spec.nodes[index].step;
            let message = format!("{by} answered {} at gate {step}", chosen.word);
            let fault = Fault::new(ErrorClass::Cancelled, ErrorCode::GateEnded, message);
            return self.fail(index, fault.not_done());
        }
        let mut done = Done::default();
        let word = Value::Text(chosen.word.clone());
        done.outputs.insert(GATE_OUTPUT.to_owned(), word);
        self.attempt_done(index, done);
    }

    fn step_decided(&mut self, index: usize, choice: &str) {
        if choice == "done" {
            self.attempt_done(index, Done::default());
        } else {
            self.nodes[index].in_doubt = false;
            self.nodes[index].phase = NodePhase::Pending;
        }
    }

    fn no_return_decided(&mut self, choice: &str) {
        let Some(fault) = self.failing.take() else {
            return;
        };
        match choice {
            "retry" => {
                self.retry_failed();
                // It may have failed since the question was asked, and nothing mends that.
                if let Some(fault) = self.point_failed() {
                    self.end(fault);
                }
            }
            "leave" => {
                self.left = true;
                self.end_now(fault);
            }
            _ => self.end_now(fault),
        }
    }

    /// What failed, and what was skipped for it, begins anew; a unit that was given up does so
    /// as a whole.
    fn retry_failed(&mut self) {
        for unit in 0..self.units.len() {
            if self.was_skipped(unit) {
                self.units[unit].end = None;
            }
            if let Some(UnitEnd::GivenUp(fault)) = self.units[unit].end.clone()
                && !self.is_signed_for(unit)
            {
                // Steps that went on without their holds may be at work: the unit begins anew
                // once they are over.
                let class = ErrorClass::Transient;
                self.units[unit].end = None;
                self.lose_pass(unit, Fault { class, ..fault });
                self.units[unit].failures = 0;
                self.units[unit].interrupted = 0;
                for part in self.units[unit].parts() {
                    self.grant_time(part);
                }
            }
        }
        for index in 0..self.nodes.len() {
            let unit = self.nodes[index].unit;
            let is_anew = unit.is_some_and(|unit| {
                self.units[unit].lost.is_some() || self.units[unit].end.is_some()
            });
            let node = &mut self.nodes[index];
            if is_anew || !matches!(node.phase, NodePhase::Failed(_) | NodePhase::Skipped(_)) {
                continue;
            }
            node.phase = NodePhase::Pending;
            node.failures = 0;
            node.probe_failures = 0;
            self.grant_time(index);
            let node = &mut self.nodes[index];
            if node.in_doubt && self.spec.nodes[index].repeat == Repeat::AtMostOnce {
                node.phase = NodePhase::Asking;
                self.want_question(About::Step(self.spec.nodes[index].step.clone()));
            }
        }
    }

    /// The time that all attempts of a node may take begins anew.
    fn grant_time(&mut self, index: usize) {
        self.nodes[index].overdue = None;
        self.forget_wait(Purpose::StepDeadline(index));
    }

    /// Whether no hold of a unit was ever asked for, since its steps were skipped.
    fn was_skipped(&self, unit: usize) -> bool {
        let is_whole = self.units[unit].end == Some(UnitEnd::Whole);
        let mut holds = self.units[unit].holds.iter();
        is_whole && holds.any(|hold| matches!(self.nodes[*hold].phase, NodePhase::Skipped(_)))
    }

    /// Whether the recovery point has what the steps of a unit gave, so that none of it may be
    /// taken back.
    fn is_signed_for(&self, unit: usize) -> bool {
        let gives = |part: usize| self.spec.nodes[part].contributes;
        let point = self.point.as_ref();
        self.units[unit].parts().any(gives) && point.is_some_and(Point::is_gathered)
    }

    /// Whether trying again can help: a step failed, and not the recovery point.
    fn may_retry(&self) -> bool {
        self.nodes.iter().any(|node| node.fault().is_some()) && self.point_failed().is_none()
    }

    /// Why the recovery point cannot come about any more.
    fn point_failed(&self) -> Option<Fault> {
        let point = self.point.as_ref();
        point.and_then(|point| point.why_ending().cloned())
    }
}

fn choice(word: &str, means: &str) -> Choice {
    Choice {
        word: word.to_owned(),
        means: means.to_owned(),
        ends: false,
    }
}
