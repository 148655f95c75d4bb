//! An operator's answer to a question of the run. Only what the question offers is taken,
//! and only once; it counts from its record on.

use drydock_core::{QuestionId, RunId};
use tokio::sync::oneshot;

use super::Driver;
use crate::error::EngineError;
use crate::model::Event;
use crate::state::RunState;

/// An operator answers a question.
pub struct DecideRequest {
    pub question: QuestionId,
    /// One of the words of the question's choices.
    pub choice: String,
    /// Who decided.
    pub by: String,
    /// Told once the decision is recorded, or why it is not.
    pub reply: oneshot::Sender<Result<(), DecideError>>,
}

/// A decision was not taken. Nothing of it is kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecideError {
    #[error("run {run} asked no question {question}: {}", open_ones(open))]
    NoQuestion {
        run: RunId,
        question: QuestionId,
        /// Those that are open.
        open: Vec<QuestionId>,
    },
    #[error("question {question} of run {run} was answered before, with {choice} by {by}")]
    Answered {
        run: RunId,
        question: QuestionId,
        choice: String,
        by: String,
    },
    #[error(
        "question {question} of run {run} has no choice {choice:?}: answer with {}",
        choices.join(" or ")
    )]
    NoChoice {
        run: RunId,
        question: QuestionId,
        choice: String,
        /// The words that it has.
        choices: Vec<String>,
    },
    #[error(
        "run {run} has ended or is not worked on here any more, so that nothing was decided: see where it is with `drydock run show {run}`"
    )]
    NotRunning { run: RunId },
}

impl Driver {
    /// Takes in a decision. Whoever asked for it hears of it after its record.
    pub(super) async fn take_decision(
        &mut self,
        request: DecideRequest,
    ) -> Result<(), EngineError> {
        let checked = check(&self.state, request.question, &request.choice);
        if checked.is_ok() {
            self.take(Event::Decided {
                question: request.question,
                choice: request.choice,
                by: request.by,
            })
            .await?;
        }
        // Whoever asked may have gone meanwhile.
        let _ = request.reply.send(checked);
        Ok(())
    }
}

fn check(state: &RunState, question: QuestionId, choice: &str) -> Result<(), DecideError> {
    let run = state.spec.run.clone();
    let Some(known) = state.questions.get(&question) else {
        return Err(DecideError::NoQuestion {
            run,
            question,
            open: state.open_questions().map(|(id, _)| id).collect(),
        });
    };
    if let Some(answer) = &known.answer {
        return Err(DecideError::Answered {
            run,
            question,
            choice: answer.choice.clone(),
            by: answer.by.clone(),
        });
    }
    let words: Vec<_> = known.choices.iter().map(|c| c.word.clone()).collect();
    if words.iter().any(|word| word == choice) {
        return Ok(());
    }
    Err(DecideError::NoChoice {
        run,
        question,
        choice: choice.to_owned(),
        choices: words,
    })
}

fn open_ones(open: &[QuestionId]) -> String {
    match open {
        [] => "it waits for no answer".to_owned(),
        [one] => format!("question {one} is open"),
        several => {
            let several: Vec<_> = several.iter().map(ToString::to_string).collect();
            format!("questions {} are open", several.join(", "))
        }
    }
}
