//! `cargo xtask`: the chores of this workspace as one small program.
//!
//! It fetches and builds the tools that builds and tests need, builds the guest
//! plugins, guards the dependency rules, and runs the tests and the quickstart. It is
//! kept light on purpose (no async runtime, no etcd client, no Wasm engine), because
//! everybody waits for it before anything else is built.
//!
//! It refuses to know the product: no Drydock crate is among its dependencies, and it
//! talks to the others through `cargo` and through programs only.
//!
//! Data passes through it one way: the committed recipes under `host/xtask/tools` and
//! the sources under `plugins/` go in, finished programs in the cache folder and
//! components in `plugins/dist` come out.
//!
//! **Invariant:** a finished file is never seen half written: every output is made
//! beside its place and renamed into it.
//! **Invariant:** two runs at once do not disturb each other: every folder that is
//! built in place is locked first.
//!
//! A crash leaves scratch folders in the cache (their names begin with a dot), which the
//! next run of the same recipe removes.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a tool for developers, not the product: it prints and reads the environment"
)]

mod bench;
mod cache;
mod deps;
mod plugins;
mod program;
mod programs;
mod quickstart;
mod test;
mod tools;
mod torture;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// The chores of the Drydock workspace.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Build the named tools into the cache folder and print where they are.
    Tools {
        /// Names such as `protoc` or `etcd-3.5.35`; without any, the default set.
        names: Vec<String>,
    },
    /// Build the guest plugins into `plugins/dist`.
    Plugins,
    /// Build `drydock` and the other programs, and print where `drydock` is.
    Build,
    /// Check that the crates depend on each other only the way the design allows, that none
    /// is too large, and that inside of one not too many files use each other in a circle.
    CheckDeps,
    /// Prepare tools and plugins, then run the tests of the whole workspace.
    Test {
        /// Passed on to the test programs; only tests that contain one of them run.
        filters: Vec<String>,
    },
    /// Back up a scratch etcd, fetch the recovery point and restore it, in a minute.
    Quickstart {
        /// Keep recovery points in a folder, or in a bucket of an S3 server of its own.
        #[arg(long, value_name = "KIND", default_value = "folder")]
        target: quickstart::Target,
        /// Leave everything running until Ctrl-C.
        #[arg(long)]
        keep: bool,
        /// Work in this folder, which must be empty or absent, and leave it in place.
        #[arg(long, value_name = "DIR")]
        scratch: Option<std::path::PathBuf>,
    },
    /// Measure Drydock beside etcdctl, etcdutl, zstd and age, side by side.
    Bench {
        /// Only these comparisons: engine, sandbox, backup, fetch, drill, stores, status,
        /// hashkv, restore, ls, diff, memory.
        names: Vec<String>,
        /// The size of each data set; 500 otherwise.
        #[arg(long, value_name = "NUMBER")]
        mebibytes: Option<u64>,
        /// How often each side is measured; 5 times otherwise.
        #[arg(long, value_name = "NUMBER")]
        runs: Option<usize>,
        /// The members of the etcd that is backed up; 1 otherwise.
        #[arg(long, value_name = "NUMBER")]
        members: Option<usize>,
        /// Keep the figures in this file as well.
        #[arg(long, value_name = "FILE")]
        json: Option<std::path::PathBuf>,
    },
    /// Simulate whole runs, whose laws have to hold whatever goes wrong; throw hostile guests
    /// together at random beside a real backup, which must come to no harm; restore snapshots
    /// of every version of etcd on servers of every other, and let every reader of snapshots
    /// loose on mutants; let each fault happen at each call of each store of a service.
    Torture {
        /// Only these tortures: engine, plugins, restore, stores.
        names: Vec<String>,
        /// How many random sequences, mutants or runs; 10,000, 200,000 and 100,000 otherwise.
        #[arg(long, value_name = "NUMBER")]
        sequences: Option<u64>,
        /// The same seed makes the same sequences; without `--sequences` it is the one run of
        /// the engine that is simulated, and its story is told.
        #[arg(long, value_name = "NUMBER")]
        seed: Option<u64>,
        /// Start no sequence after so many minutes; 120 otherwise.
        #[arg(long, value_name = "NUMBER")]
        minutes: Option<u64>,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().chore) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(chore: Chore) -> Result<()> {
    let workspace = workspace::Workspace::find()?;
    match chore {
        Chore::Tools { names } => tools::run(&workspace, &names),
        Chore::Plugins => plugins::run(&workspace),
        Chore::Build => programs::run(&workspace),
        Chore::CheckDeps => deps::run(&workspace),
        Chore::Test { filters } => test::run(&workspace, &filters),
        Chore::Quickstart {
            target,
            keep,
            scratch,
        } => quickstart::run(
            &workspace,
            &quickstart::Wanted {
                target,
                keep,
                scratch: scratch.as_deref(),
            },
        ),
        Chore::Torture {
            names,
            sequences,
            seed,
            minutes,
        } => torture::run(
            &workspace,
            &torture::Wanted {
                names: &names,
                sequences,
                seed,
                minutes,
            },
        ),
        Chore::Bench {
            names,
            mebibytes,
            runs,
            members,
            json,
        } => bench::run(
            &workspace,
            &bench::Wanted {
                names: &names,
                mebibytes,
                runs,
                members,
                json: json.as_deref(),
            },
        ),
    }
}
