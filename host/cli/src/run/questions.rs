//! Questions of runs, in lines for whoever is to answer them.

use drydock_api_types::run::{QuestionChoice, RunQuestion};
use drydock_core::RunId;

/// A question that is open: what is asked, then a line an answer: the command that gives it,
/// and what it means.
pub fn open(program: &str, run: &RunId, question: &RunQuestion) -> Vec<String> {
    let RunQuestion {
        question: id,
        about,
        text,
        ..
    } = question;
    let asked = format!("run {run} asks question {id}, about step {about}: {text}");
    let commands = question.choices.iter().map(|choice| {
        let command = format!("{program} run decide {run} {id} {}", choice.word);
        (command, meaning(choice))
    });
    let commands: Vec<_> = commands.collect();
    let width = commands.iter().map(|(command, _)| command.len()).max();
    let width = width.unwrap_or_default();
    let answers = commands
        .iter()
        .map(|(command, means)| format!("  {command:width$}  {means}"));
    std::iter::once(asked).chain(answers).collect()
}

/// A question that was answered, in a line.
pub fn answered(question: &RunQuestion) -> Option<String> {
    let answer = question.answer.as_ref()?;
    Some(format!(
        "question {}, about step {}, answered {} by {} at {}: {}",
        question.question, question.about, answer.choice, answer.by, answer.at, question.text
    ))
}

fn meaning(choice: &QuestionChoice) -> String {
    if choice.ends {
        format!("{}; the run ends as Failed", choice.means)
    } else {
        choice.means.clone()
    }
}

#[cfg(test)]
mod tests {
    use drydock_api_types::run::QuestionAnswer;
    use drydock_core::{QuestionId, StepName, UnixTime};

    use super::*;

    fn question(answer: Option<QuestionAnswer>) -> RunQuestion {
        let choice = |word: &str, means: &str, ends| QuestionChoice {
            word: word.to_owned(),
            means: means.to_owned(),
            ends,
        };
        RunQuestion {
            question: QuestionId(1),
            about: StepName::new("look"),
            text: "Does the cluster serve?".to_owned(),
            choices: vec![
                choice("go-on", "the controllers are started", false),
                choice("stop", "everything is taken back", true),
            ],
            asked: UnixTime(0).into(),
            answer,
        }
    }

    #[test]
    fn an_open_question_has_a_command_for_each_answer() {
        let lines = open("drydock", &RunId::new("r.1"), &question(None));
        assert_eq!(
            lines,
            [
                "run r.1 asks question 1, about step look: Does the cluster serve?",
                "  drydock run decide r.1 1 go-on  the controllers are started",
                "  drydock run decide r.1 1 stop   everything is taken back; the run ends as Failed",
            ]
        );
        assert_eq!(answered(&question(None)), None);
    }

    #[test]
    fn an_answer_says_who_gave_it_and_when() {
        let answer = QuestionAnswer {
            choice: "stop".to_owned(),
            by: "uid 0".to_owned(),
            at: UnixTime(0).into(),
        };
        assert_eq!(
            answered(&question(Some(answer))).as_deref(),
            Some(
                "question 1, about step look, answered stop by uid 0 at 1970-01-01T00:00:00Z: Does the cluster serve?"
            )
        );
    }
}
