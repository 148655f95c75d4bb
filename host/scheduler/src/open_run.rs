//! What of an open run others must know: what it asks of an operator, what it holds, and what
//! it keeps from other runs. Pure.

use drydock_core::{HoldPhase, QuestionId, RunId, RunPhase, StepName, UnixTime};
use drydock_engine::{
    RunView,
    view::{HoldView, QuestionView},
};
use drydock_journal::{HoldRow, QuestionRow, RunRow};
use drydock_runs::cause;

/// An open run as it stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenRun {
    /// An undo waits for an operator.
    pub is_stuck: bool,
    /// Others may work on its subjects while it waits at a gate.
    pub frees_subjects: bool,
    /// Those that wait for an answer.
    pub questions: Vec<OpenQuestion>,
    /// Those that were answered.
    pub answers: Vec<AnsweredQuestion>,
    /// Those that have not surely been let go.
    pub holds: Vec<OpenHold>,
}

/// A question that waits for an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenQuestion {
    pub question: QuestionId,
    pub text: String,
    /// The words that answer it.
    pub words: Vec<String>,
}

/// A question that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnsweredQuestion {
    pub question: QuestionId,
    pub choice: String,
    pub by: String,
    pub at: UnixTime,
}

/// A hold that may still be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenHold {
    pub step: StepName,
    pub deadline: UnixTime,
}

impl OpenRun {
    /// As whoever carries the run out sees it.
    pub fn of(view: &RunView) -> Self {
        let holds = view.holds.iter();
        Self {
            is_stuck: view.phase == RunPhase::Stuck,
            frees_subjects: view.frees_subjects,
            questions: view.open_questions().map(question_of_view).collect(),
            answers: view.questions.iter().filter_map(answer).collect(),
            holds: holds.filter_map(hold_of_view).collect(),
        }
    }

    /// As the journal has it, before anybody went on with it.
    pub fn of_row(row: &RunRow) -> Self {
        let progress = &row.progress;
        Self {
            is_stuck: progress.phase == RunPhase::Stuck,
            frees_subjects: progress.frees_subjects,
            questions: progress.questions.iter().map(question_of_row).collect(),
            // The journal's row has those that are open.
            answers: Vec::new(),
            holds: progress.holds.iter().map(hold_of_row).collect(),
        }
    }

    /// The questions that were not open before.
    pub fn newly_asked<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = &'a OpenQuestion> {
        let questions = self.questions.iter();
        questions.filter(|question| !before.questions.contains(question))
    }

    /// The answers to what was open before.
    pub fn newly_answered<'a>(
        &'a self,
        before: &'a Self,
    ) -> impl Iterator<Item = &'a AnsweredQuestion> {
        let was_open = |answer: &&AnsweredQuestion| {
            let mut open = before.questions.iter();
            open.any(|open| open.question == answer.question)
        };
        self.answers.iter().filter(was_open)
    }

    /// What is added to why it cannot go on, where it may hold something meanwhile.
    pub fn may_hold(&self) -> Option<String> {
        let holds = self.holds.iter();
        let holds = holds.map(|OpenHold { step, deadline }| {
            format!("what step {step} took, to be let go by {deadline}")
        });
        let holds: Vec<_> = holds.collect();
        (!holds.is_empty()).then(|| {
            format!(
                "; it may still hold {}: look, and let it go by hand where it stands",
                holds.join(" and ")
            )
        })
    }

    /// For how many seconds the oldest hold has been there that should have been let go.
    pub fn overdue_seconds(&self, now: UnixTime) -> Option<i64> {
        let overdue = self.holds.iter().map(|hold| now.0 - hold.deadline.0);
        overdue.filter(|seconds| *seconds > 0).max()
    }
}

impl OpenQuestion {
    /// What is asked and how it is answered, as half a sentence.
    pub fn told(&self, run: &RunId) -> String {
        let words = self.words.iter().map(String::as_str);
        format!(
            "{}; {}",
            self.text.replace('\n', " "),
            cause::answer_with(run, self.question, words)
        )
    }
}

fn question_of_view(view: &QuestionView) -> OpenQuestion {
    let choices = view.choices.iter();
    OpenQuestion {
        question: view.question,
        text: view.text.clone(),
        words: choices.map(|choice| choice.word.clone()).collect(),
    }
}

fn question_of_row(row: &QuestionRow) -> OpenQuestion {
    let choices = row.choices.iter();
    OpenQuestion {
        question: row.question,
        text: row.text.clone(),
        words: choices.map(|choice| choice.word.clone()).collect(),
    }
}

fn answer(view: &QuestionView) -> Option<AnsweredQuestion> {
    let answer = view.answer.as_ref()?;
    Some(AnsweredQuestion {
        question: view.question,
        choice: answer.choice.clone(),
        by: answer.by.clone(),
        at: answer.at,
    })
}

fn hold_of_view(view: &HoldView) -> Option<OpenHold> {
    (view.phase != HoldPhase::Released).then(|| OpenHold {
        step: view.step.clone(),
        deadline: view.deadline,
    })
}

fn hold_of_row(row: &HoldRow) -> OpenHold {
    OpenHold {
        step: row.step.clone(),
        deadline: row.deadline,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(id: u32) -> OpenQuestion {
        OpenQuestion {
            question: QuestionId(id),
            text: "Does the\ncluster serve?".to_owned(),
            words: vec!["yes".to_owned(), "no".to_owned()],
        }
    }

    fn answered(id: u32) -> AnsweredQuestion {
        AnsweredQuestion {
            question: QuestionId(id),
            choice: "yes".to_owned(),
            by: "uid 0".to_owned(),
            at: UnixTime(1),
        }
    }

    #[test]
    fn a_question_is_told_with_the_command_that_answers_it() {
        assert_eq!(
            question(1).told(&RunId::new("r.1")),
            "Does the cluster serve?; answer with `drydock run decide r.1 1 yes|no`"
        );
    }

    #[test]
    fn what_was_known_before_is_no_news() {
        let before = OpenRun {
            questions: vec![question(1), question(2)],
            answers: vec![answered(9)],
            ..OpenRun::default()
        };
        let after = OpenRun {
            questions: vec![question(2), question(3)],
            answers: vec![answered(9), answered(1)],
            ..OpenRun::default()
        };
        let asked: Vec<_> = after.newly_asked(&before).collect();
        assert_eq!(asked, [&question(3)]);
        let told: Vec<_> = after.newly_answered(&before).collect();
        assert_eq!(told, [&answered(1)]);
        assert_eq!(before.newly_asked(&before).count(), 0);
    }

    #[test]
    fn a_hold_is_overdue_after_its_deadline_and_the_oldest_counts() {
        let hold = |deadline| OpenHold {
            step: StepName::new("lock"),
            deadline: UnixTime(deadline),
        };
        let run = OpenRun {
            holds: vec![hold(100), hold(40), hold(70)],
            ..OpenRun::default()
        };
        assert_eq!(run.overdue_seconds(UnixTime(40)), None);
        assert_eq!(run.overdue_seconds(UnixTime(41)), Some(1));
        assert_eq!(run.overdue_seconds(UnixTime(110)), Some(70));
        assert_eq!(OpenRun::default().overdue_seconds(UnixTime(110)), None);
    }
}
