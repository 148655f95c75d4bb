//! The scenario of `cargo xtask bench`: Drydock beside the tools that people use today,
//! on the same machine and the same data, in one run.
//!
//! For each data set it starts a real etcd with TLS on loopback out of the cached
//! snapshot file, writes keys and documents beside it, and measures one comparison after
//! the other. A comparison has two or more sides: programs that do the same job. Each
//! side runs once to warm up and then in turn, A B A B, so that whatever disturbs the
//! machine disturbs all of them alike. What a side leaves behind is removed before the
//! next one runs.
//!
//! What is counted of a side: wall time from its start to its end, the CPU time of all its
//! processes, the largest resident memory that one of them reached, and the CPU time that
//! etcd spent for it meanwhile.
//!
//! It touches nothing but a scratch folder, which goes when it ends, and the data sets,
//! which stay. If it dies halfway, the testkit's guard stops the servers and what was
//! being measured, and removes the scratch folder.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program to watch, not the product: its figures are its output"
)]

mod arguments;
mod backup;
mod data;
mod drill;
mod fetch;
mod inside;
mod look;
mod machine;
mod measure;
mod memory;
mod phases;
mod report;
mod restore;
mod stage;
mod stores;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use arguments::Arguments;
use data::{DataSet, Kind};
use report::Report;
use stage::Stage;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match (&arguments.make, &arguments.carry) {
        (Some(words), _) => Box::pin(data::make(words, arguments.mebibytes)).await,
        (None, Some(words)) => Box::pin(stores::ours::carry(words)).await,
        (None, None) => Box::pin(bench(&arguments)).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn bench(arguments: &Arguments) -> Result<()> {
    arguments.check()?;
    let mut report = Report::begin(machine::look(&arguments.drydock)?, arguments);
    for kind in Kind::ALL {
        let data = data::provide(arguments, kind, arguments.mebibytes)?;
        on_data_set(arguments, &data, &mut report).await?;
    }
    if arguments.wants("memory") {
        report.add_memory(memory::measure(arguments).await?);
    }
    if let Some(file) = &arguments.json {
        std::fs::write(file, report.json()?)
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

async fn on_data_set(arguments: &Arguments, data: &DataSet, report: &mut Report) -> Result<()> {
    if ["backup", "fetch", "drill"]
        .iter()
        .any(|name| arguments.wants(name))
    {
        let stage = Box::pin(Stage::set(arguments, data)).await?;
        let mut point = None;
        if arguments.wants("backup") {
            let (compared, last) = backup::compare(&stage, arguments.runs)?;
            report.add(compared);
            point = Some(last);
        }
        let point = point.map_or_else(|| stage.run_once(), Ok)?;
        if arguments.wants("fetch") {
            report.add(fetch::compare(&stage, &point, arguments.runs)?);
        }
        if arguments.wants("drill") {
            report.add(drill::compare(&stage, &point, arguments.runs)?);
        }
    }
    if arguments.wants("stores") {
        Box::pin(stores::compare(arguments, data, report)).await?;
    }
    if arguments.wants("status") {
        report.add(look::status(arguments, data)?);
    }
    if arguments.wants("hashkv") {
        report.add(look::hash_kv(arguments, data)?);
    }
    if arguments.wants("restore") {
        report.add(restore::one(arguments, data)?);
        report.add(restore::three(arguments, data)?);
    }
    if arguments.wants("ls") {
        let stage = Box::pin(Stage::set(arguments, data)).await?;
        report.add(inside::ls(arguments, data, &stage)?);
    }
    if arguments.wants("diff") {
        report.add(inside::diff(arguments, data)?);
    }
    Ok(())
}
