//! `drydock run` and its verbs.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What `run cancel` says where the operator gives no reason.
const CANCELLED: &str = "an operator cancelled it";

#[derive(Debug, Args)]
pub struct RunArgs {
    /// Run this schedule once, now. Runs of it that a crash left unfinished are resumed
    /// first; those that wait for an answer are told, and go on waiting.
    #[arg(value_name = "SCHEDULE", required = true)]
    pub schedule: Option<String>,
    /// Begin although this open run keeps from others what the new one works on. Look at it
    /// first: `drydock run show RUN`.
    #[arg(long, value_name = "RUN")]
    pub despite: Option<String>,
    #[command(flatten)]
    pub clock: ClockArgs,
    #[command(subcommand)]
    pub verb: Option<RunVerb>,
}

#[derive(Debug, Clone, Copy, Args)]
pub struct ClockArgs {
    /// Take the clock for right although the journal holds later instants: the clock was
    /// ahead when they were written.
    #[arg(long)]
    pub accept_clock: bool,
}

#[derive(Debug, Subcommand)]
pub enum RunVerb {
    /// List the runs that this node keeps records of, newest first.
    List(RunListArgs),
    /// Show one run: steps, holds, questions, attempts, parts, findings and logs.
    ///
    /// With each open question stand the command lines that answer it, and what each answer
    /// means.
    Show {
        /// The run's id.
        #[arg(value_name = "RUN")]
        run: String,
        /// Write the run's records, a line of JSON each, for `drydock run replay`. What a
        /// store hands out to go on with an upload is left out.
        #[arg(long)]
        records: bool,
    },
    /// Answer a question of a run, and follow the run to its end or its next question.
    ///
    /// Looks first whether the run has that question and that choice, and begins nothing
    /// otherwise. Needs the state folder: beside a daemon it ends with 75 and says what to
    /// stop. Exit codes: as `drydock run SCHEDULE`, and 64 for a run, question or choice that
    /// is not there.
    Decide(DecideArgs),
    /// Stop an open run: take back what it did, and follow that to its end.
    ///
    /// A run that has a recovery point committed already ends Degraded, any other Failed.
    /// Where it passed a point of no return it asks what to do instead. Exit codes: as
    /// `drydock run decide`.
    Cancel {
        #[command(flatten)]
        steer: SteerArgs,
        /// Say why, for the run's records.
        #[arg(long, value_name = "TEXT", default_value = CANCELLED)]
        reason: String,
    },
    /// Go on with an open run that a crash or an interrupt left, and follow it to its end or
    /// its next question.
    ///
    /// It goes on with the plugins and documents that it began with. Exit codes: as
    /// `drydock run decide`.
    Resume(SteerArgs),
    /// Try again what failed of a run.
    ///
    /// Of an open run, answers `retry` to each open question that has that choice, and goes
    /// on. Of a run that has ended, runs its schedule again, as `drydock run SCHEDULE` does.
    /// Exit codes: as `drydock run decide`.
    Retry(RetryArgs),
    /// Tell from a file of records what happened in a run, and how it stands at their end.
    ///
    /// Reads what `drydock run show RUN --records` wrote. Needs no configuration, and
    /// changes nothing.
    Replay {
        /// The file: a line of JSON for each record.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

impl RunVerb {
    /// Whether all that the verb does is to tell something.
    pub fn only_tells(&self) -> bool {
        match self {
            Self::List(_) | Self::Show { .. } | Self::Replay { .. } => true,
            Self::Decide(_) | Self::Cancel { .. } | Self::Resume(_) | Self::Retry(_) => false,
        }
    }
}

#[derive(Debug, Args)]
pub struct RunListArgs {
    /// Only runs of this schedule.
    #[arg(long, value_name = "SCHEDULE")]
    pub schedule: Option<String>,
    /// At most so many runs.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
    /// Only runs that are older than this one, e.g. the last one of the page before.
    #[arg(long, value_name = "RUN")]
    pub before: Option<String>,
}

/// The open run that is steered.
#[derive(Debug, Args)]
pub struct SteerArgs {
    /// The run's id.
    #[arg(value_name = "RUN")]
    pub run: String,
    #[command(flatten)]
    pub clock: ClockArgs,
}

#[derive(Debug, Args)]
pub struct DecideArgs {
    #[command(flatten)]
    pub steer: SteerArgs,
    /// The question's number, as `drydock run show RUN` tells it.
    #[arg(value_name = "QUESTION")]
    pub question: u32,
    /// One of the words that the question offers.
    #[arg(value_name = "CHOICE")]
    pub choice: String,
}

#[derive(Debug, Args)]
pub struct RetryArgs {
    #[command(flatten)]
    pub steer: SteerArgs,
    /// Of a run that has ended: begin although this open run keeps from others what the new
    /// one works on.
    #[arg(long, value_name = "RUN")]
    pub despite: Option<String>,
}
