//! Questions of runs that wait for an operator's answer.

use drydock_core::{QuestionId, RunId, StepName, UnixTime};
use rusqlite::{Connection, Row, Transaction, params};

use crate::Journal;
use crate::error::JournalError;
use crate::rows::{collect, unreadable};

/// A question that nobody has answered yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuestionRow {
    pub question: QuestionId,
    /// The step that it is about.
    pub about: StepName,
    pub text: String,
    /// One of these is the answer.
    pub choices: Vec<QuestionChoice>,
    pub asked: UnixTime,
}

/// One of the answers to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuestionChoice {
    /// What an operator types.
    pub word: String,
    /// What comes of it, as a sentence.
    pub means: String,
}

impl Journal {
    /// The open questions of all runs, the oldest first.
    ///
    /// # Errors
    /// The database fails.
    pub fn open_questions(&self) -> Result<Vec<(RunId, QuestionRow)>, JournalError> {
        self.read("look for questions", |connection| {
            let sql = format!("{SELECT} ORDER BY asked, run, question");
            collect(connection, &sql, &[], |row| {
                Ok((RunId::new(row.get::<_, String>("run")?), question_row(row)?))
            })
        })
    }
}

const SELECT: &str = "SELECT run, question, about, text, choices, asked FROM questions";

/// The open questions of one run, in the order of their numbers.
pub(crate) fn of_run(connection: &Connection, run: &RunId) -> rusqlite::Result<Vec<QuestionRow>> {
    let sql = format!("{SELECT} WHERE run = ?1 ORDER BY question");
    collect(connection, &sql, params![run.as_str()], question_row)
}

/// Makes these the open questions of the run.
pub(crate) fn replace(
    transaction: &Transaction<'_>,
    run: &RunId,
    questions: &[QuestionRow],
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("DELETE FROM questions WHERE run = ?1")?
        .execute([run.as_str()])?;
    let mut insert = transaction.prepare_cached(
        "INSERT INTO questions (run, question, about, text, choices, asked)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for question in questions {
        insert.execute(params![
            run.as_str(),
            question.question.0,
            question.about.as_str(),
            question.text,
            choices_json(&question.choices),
            question.asked.0
        ])?;
    }
    Ok(())
}

fn question_row(row: &Row<'_>) -> rusqlite::Result<QuestionRow> {
    Ok(QuestionRow {
        question: QuestionId(row.get("question")?),
        about: StepName::new(row.get::<_, String>("about")?),
        text: row.get("text")?,
        choices: choices(&row.get::<_, String>("choices")?)?,
        asked: UnixTime(row.get("asked")?),
    })
}

/// Pairs of a word and what it means.
fn choices_json(choices: &[QuestionChoice]) -> String {
    let pairs: Vec<_> = choices.iter().map(|c| (&c.word, &c.means)).collect();
    serde_json::to_string(&pairs).expect("pairs of text are plain data")
}

fn choices(json: &str) -> rusqlite::Result<Vec<QuestionChoice>> {
    let pairs: Vec<(String, String)> = serde_json::from_str(json)
        .map_err(|error| unreadable(format!("the choices of a question: {error}")))?;
    let choices = pairs.into_iter();
    Ok(choices
        .map(|(word, means)| QuestionChoice { word, means })
        .collect())
}
