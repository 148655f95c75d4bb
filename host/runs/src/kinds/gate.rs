//! `gate: {question, choices}`: a node whose work an operator does, by an answer.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use drydock_core::{RunSubject, ValueType};
use drydock_documents::{self as documents, Step, StepWork, Workflow};
use drydock_engine::model::{self, Choice, NodeSpec};
use drydock_engine::state::GATE_OUTPUT;

use crate::PrepareError;
use crate::kind::{AccessOf, CheckContext, NodePart, Part, PrepareContext, StepKind, StepRef};

pub struct Gate;

#[async_trait]
impl StepKind for Gate {
    fn word(&self) -> &'static str {
        "gate"
    }

    /// The document says all that there is.
    async fn check_config(&self, _: StepRef<'_>, _: CheckContext<'_>) -> Vec<PrepareError> {
        Vec::new()
    }

    fn prepare(&self, at: StepRef<'_>, context: &PrepareContext<'_>) -> Result<Part, PrepareError> {
        let StepWork::Gate(gate) = &at.step.work else {
            return Err(at.misplaced());
        };
        let spec = NodeSpec {
            gate: Some(model::Gate {
                question: gate.question.clone(),
                choices: gate.choices.iter().map(choice).collect(),
                frees_subjects: gate.frees == Some(documents::Frees::Subjects),
            }),
            outputs: BTreeMap::from([(GATE_OUTPUT.to_owned(), ValueType::Text)]),
            ..at.node(context)
        };
        Ok(Part::Node(Box::new(NodePart {
            spec,
            runner: None,
            grace: Duration::ZERO,
        })))
    }

    fn subjects(&self, _: &Step, _: &Workflow<'_>, _: AccessOf<'_>) -> Vec<RunSubject> {
        Vec::new()
    }
}

fn choice(choice: &documents::Choice) -> Choice {
    Choice {
        word: choice.name.to_string(),
        means: choice.means.clone(),
        ends: choice.ends,
    }
}
