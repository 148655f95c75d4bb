//! Verbs that steer a run: `decide`, `cancel`, `resume` and `retry`. Each looks first whether
//! what was said fits the run, without the state folder's lock; then takes the lock, goes on
//! with the run, does it, and follows the run to its end or to its next question.

use drydock_core::{OutcomeCode, QuestionId, RunId};
use drydock_engine::{DecideError, RunHandle, RunView};
use drydock_journal::RunRow;
use drydock_node::{Configuration, Need};

use super::attend::{self, Attended, attend};
use super::look_up::{look_up, view};
use super::report::report;
use super::{How, open};
use crate::args::{DecideArgs, Global, RetryArgs, SteerArgs};
use crate::runtime::block_on_uninterrupted;
use crate::{Exit, Failure, Outcome};

/// The word of the answer that tries again what failed, wherever a question has it.
const RETRY: &str = "retry";

/// What an open run is told once it goes on.
enum Order {
    GoOn,
    Cancel(String),
    /// Answers, each to a question that is open and has it.
    Decide(Vec<(QuestionId, String)>),
}

/// An open run that is to be steered.
struct Steered<'a> {
    verb: &'static str,
    run: RunId,
    args: &'a SteerArgs,
}

pub fn decide(global: &Global, args: &DecideArgs) -> Outcome {
    let (row, view) = find(global, &args.steer.run)?;
    require_open(&row)?;
    let question = QuestionId(args.question);
    check(&view, question, &args.choice)?;
    let order = Order::Decide(vec![(question, args.choice.clone())]);
    steer(global, &steered("decide", row, &args.steer), order)
}

pub fn cancel(global: &Global, args: &SteerArgs, reason: String) -> Outcome {
    let (row, _) = find(global, &args.run)?;
    require_open(&row)?;
    let order = Order::Cancel(reason);
    steer(global, &steered("cancel", row, args), order)
}

pub fn resume(global: &Global, args: &SteerArgs) -> Outcome {
    let (row, _) = find(global, &args.run)?;
    require_open(&row)?;
    steer(global, &steered("resume", row, args), Order::GoOn)
}

pub fn retry(global: &Global, args: RetryArgs) -> Outcome {
    let RetryArgs { steer: of, despite } = args;
    let (row, view) = find(global, &of.run)?;
    if row.progress.end.is_some() {
        let how = How {
            despite: despite.map(RunId::new),
            accept_clock: of.clock.accept_clock,
        };
        return super::run(global, row.schedule, how);
    }
    if despite.is_some() {
        return Err(Failure::usage(format!(
            "run {} is open and goes on by itself: --despite is for a run that has ended",
            row.run
        )));
    }
    let order = Order::Decide(retries(&view));
    steer(global, &steered("retry", row, &of), order)
}

/// The open questions that can be answered by trying again.
fn retries(view: &RunView) -> Vec<(QuestionId, String)> {
    let open = view.open_questions();
    let again = open.filter(|open| open.choices.iter().any(|choice| choice.word == RETRY));
    let again = again.map(|open| (open.question, RETRY.to_owned()));
    again.collect()
}

/// The run that is meant, as the journal has it.
fn find(global: &Global, run: &str) -> Result<(RunRow, RunView), Failure> {
    let node = Configuration::load(&global.config, &Need::JOURNAL, global.deps.clone())?;
    let (journal, row) = look_up(&node, &RunId::new(run), Exit::Usage)?;
    let view = view(&journal, &row.run)?;
    Ok((row, view))
}

fn require_open(row: &RunRow) -> Result<(), Failure> {
    let Some(end) = &row.progress.end else {
        return Ok(());
    };
    let word = OutcomeCode::word(end.outcome);
    let (run, finished) = (&row.run, end.finished);
    Err(Failure::failed(format!(
        "run {run} has ended {word} at {finished}: `drydock run retry {run}` runs its schedule again"
    )))
}

/// Whether the question is open and has that choice, as the run itself will look again.
fn check(view: &RunView, question: QuestionId, choice: &str) -> Result<(), DecideError> {
    let run = || view.run.clone();
    let mut questions = view.questions.iter();
    let Some(asked) = questions.find(|asked| asked.question == question) else {
        return Err(DecideError::NoQuestion {
            run: run(),
            question,
            open: view.open_questions().map(|open| open.question).collect(),
        });
    };
    if let Some(answer) = &asked.answer {
        return Err(DecideError::Answered {
            run: run(),
            question,
            choice: answer.choice.clone(),
            by: answer.by.clone(),
        });
    }
    let words = asked.choices.iter().map(|known| known.word.clone());
    let words: Vec<_> = words.collect();
    if words.iter().any(|word| word == choice) {
        return Ok(());
    }
    Err(DecideError::NoChoice {
        run: run(),
        question,
        choice: choice.to_owned(),
        choices: words,
    })
}

fn steered<'a>(verb: &'static str, row: RunRow, args: &'a SteerArgs) -> Steered<'a> {
    Steered {
        verb,
        run: row.run,
        args,
    }
}

fn steer(global: &Global, of: &Steered<'_>, order: Order) -> Outcome {
    let node = crate::runtime::load(global, &Need::OPEN_RUN)?;
    block_on_uninterrupted(go_on(global, node, of, order))
}

async fn go_on(global: &Global, node: Configuration, of: &Steered<'_>, order: Order) -> Outcome {
    let Steered { verb, run, args } = of;
    let service = open(node, &format!("run {verb} {run}"))?;
    service.check_clock(args.clock.accept_clock)?;
    let handle = match &order {
        Order::Cancel(_) => service.resume_to_end(run).await?,
        Order::GoOn | Order::Decide(_) => service.resume(run).await?,
    };
    give(&handle, order).await?;
    let Attended { exit, run } = attend(handle).await?;
    service.sweep_pins().await?;
    report(global, &service.registry.node, vec![run])?;
    Ok(exit)
}

async fn give(handle: &RunHandle, order: Order) -> Result<(), Failure> {
    match order {
        Order::GoOn => {}
        Order::Cancel(reason) => attend::cancel(handle, reason).await,
        Order::Decide(answers) => {
            for (question, choice) in answers {
                handle.decide(question, choice, by()).await?;
            }
        }
    }
    Ok(())
}

/// Who decides: on a node that is what the kernel knows of whoever types.
fn by() -> String {
    format!("uid {}", rustix::process::getuid().as_raw())
}
