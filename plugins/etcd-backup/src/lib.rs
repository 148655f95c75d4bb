//! Takes a snapshot of an etcd cluster from the member that is fittest to give it.
//!
//! The plugin asks every endpoint for its status, decides ([`plan`]), and streams the
//! snapshot of the first member that delivers it into one secret artifact. The bytes
//! never pass through here; a stream that dies midway costs its output, and the next
//! member is asked. One survivor without quorum is enough: the report is then marked
//! degraded and names the members that are missing.
//!
//! Nothing is known here of what a snapshot looks like inside; a verify step judges it.
//!
//! **Invariant:** no member is asked for a snapshot while a reachable one reports a
//! CORRUPT alarm: nobody knows which of them is right.
//! **Invariant:** an output is finished only when its stream has ended as the host
//! says it should.
//!
//! A crash leaves an unfinished output, which the host discards.

mod config;
mod plan;
mod survey;

use drydock_plugin_sdk::{
    Backup, Error, Finding, Output, Report, Sensitivity, configuration, etcd, info, name, plugin,
    progress, warn,
};

use config::Config;
use plan::Plan;
use survey::Survey;

struct EtcdBackup;

impl Backup for EtcdBackup {
    type Config = Config;

    fn check_config(config: &Config) -> Result<Vec<Finding>, Error> {
        name::render_artifact(&config.name, 0)?;
        Ok(Vec::new())
    }

    fn run(config: Config) -> Result<Report, Error> {
        let name = name::render_artifact(&config.name, configuration::due())?;
        let survey = take_survey();
        let plan = plan::plan(&config, &survey)?;
        take_snapshot(&name, plan)
    }
}

plugin! {
    world: backup,
    step: EtcdBackup,
    requests: ["etcd.member-list", "etcd.status", "etcd.snapshot"],
}

/// Asks every endpoint for its status, and the first one that can tell for the members.
fn take_survey() -> Survey {
    let mut survey = Survey::default();
    let endpoints = etcd::endpoints();
    let total = u64::try_from(endpoints.len()).unwrap_or(0);
    for (endpoint, asked) in endpoints.into_iter().zip(1..) {
        survey.add(&endpoint, etcd::status(&endpoint));
        progress::report(asked, total, "endpoints");
    }
    for view in &survey.views {
        match etcd::member_list(&view.endpoint) {
            Ok(members) => {
                survey.members = Some(members);
                break;
            }
            Err(error) => survey.members_error = Some(error),
        }
    }
    survey
}

/// Tries the candidates in their order until one delivers.
fn take_snapshot(name: &str, plan: Plan) -> Result<Report, Error> {
    let mut findings = plan.findings;
    let mut failures = Vec::new();
    for endpoint in plan.candidates {
        if progress::cancelled() {
            return Err(Error::cancelled());
        }
        // Where no output can be made, no member is to blame.
        let output = Output::create(name, Sensitivity::Secret)?;
        match stream(name, &endpoint, output) {
            Ok(()) => {
                findings.extend(failures.iter().map(plan::gone_on));
                return Ok(Report {
                    degraded: plan.degraded,
                    findings,
                });
            }
            Err(error) if plan::is_final(&error) => return Err(error),
            Err(error) => {
                warn!("no snapshot from {endpoint}: {}", error.message);
                failures.push((endpoint, error));
            }
        }
    }
    Err(plan::nobody_delivered(&failures))
}

/// Streams one member's snapshot into an output of its own. An early return drops the
/// output, which discards it.
fn stream(name: &str, endpoint: &str, output: Output) -> Result<(), Error> {
    let snapshot = etcd::snapshot(endpoint, &output)?;
    output.finish()?;
    info!(
        "{name}: {} bytes from member {:x} at {endpoint}",
        snapshot.size, snapshot.member_id
    );
    Ok(())
}
