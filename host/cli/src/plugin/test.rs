//! `drydock plugin test`: a store plugin, held to the contract that every store keeps.

use std::sync::{Arc, Mutex, PoisonError};

use drydock_api_types::plugin::{PluginCheck, PluginCheckEnd, PluginTest};
use drydock_core::UnixTime;
use drydock_repository::contract::{self, CheckEnd, Checked, Report, Terms};
use drydock_sandbox::{AttemptLog, World};
use drydock_terminal::print;

use super::run::store;
use super::run::surroundings::{Surroundings, documents, target_of};
use crate::args::{Global, RunPluginArgs, TestPluginArgs};
use crate::runtime::block_on;
use crate::{Exit, Failure, Outcome};

/// Where it works, in a folder of its own: two at once do not meet.
const FOLDER: &str = "drydock-contract";

/// Random bytes that keep two folders apart.
const NONCE_BYTES: usize = 8;

/// For how long it locks two objects, where the target locks: longer than it takes, and no longer
/// than somebody can wait for.
const LOCKED_SECONDS: i64 = 2 * 3600;

pub fn run(global: &Global, args: &TestPluginArgs) -> Outcome {
    let (global, args) = (global.clone(), args.clone());
    block_on(async move {
        let around = Surroundings::new(&global, &as_call(&global, &args)?)?;
        let manifest = around.plugin.manifest();
        if manifest.world != World::Store {
            return Err(Failure::usage(format!(
                "{} is of the world {}, and the suite is for those of the world store: try its calls with `drydock plugin run`",
                manifest.name, manifest.world
            )));
        }
        let log = Arc::new(Mutex::new(AttemptLog::default()));
        let target = store::target(&around, &log);
        let nonce = drydock_node::random_hex::<NONCE_BYTES>()?;
        let terms = Terms {
            prefix: format!("{FOLDER}/{nonce}/"),
            lock_until: UnixTime(global.deps.clock.now().0 + LOCKED_SECONDS),
        };
        let report = contract::examine(&target, &terms).await;
        let log = log.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let tested = PluginTest {
            plugin: manifest.name.clone(),
            version: manifest.version.clone(),
            log: log.lines.iter().map(ToString::to_string).collect(),
            ..told(report)
        };
        printed(&global, &tested)
    })
}

/// What the suite has around it is what a call by hand has.
fn as_call(global: &Global, args: &TestPluginArgs) -> Result<RunPluginArgs, Failure> {
    let mut call = RunPluginArgs {
        file: args.file.clone(),
        plugin_config: "{}".to_owned(),
        export: None,
        grant: args.grant.clone(),
        inputs: Vec::new(),
        cluster: None,
        secrets: args.secrets.clone(),
        out: None,
        artifact: None,
        facts: Vec::new(),
        record: None,
        replay: None,
    };
    if let Some(config) = &args.plugin_config {
        call.plugin_config.clone_from(config);
    } else if let Some(target) = target_of(&documents(global, &call)?)? {
        call.plugin_config = target.value.spec.config.json();
    }
    Ok(call)
}

fn told(report: Report) -> PluginTest {
    PluginTest {
        plugin: String::new(),
        version: String::new(),
        passed: report.is_kept(),
        checks: report.checks.into_iter().map(check).collect(),
        left: report.left,
        log: Vec::new(),
    }
}

fn check(checked: Checked) -> PluginCheck {
    let (end, why) = match checked.end {
        CheckEnd::Passed => (PluginCheckEnd::Passed, None),
        CheckEnd::Failed(why) => (PluginCheckEnd::Failed, Some(why)),
        CheckEnd::NotApplicable(why) => (PluginCheckEnd::NotApplicable, Some(why)),
    };
    PluginCheck {
        name: checked.name.to_owned(),
        end,
        why,
        seconds: checked.took.as_secs_f64(),
    }
}

fn printed(global: &Global, tested: &PluginTest) -> Outcome {
    for line in &tested.log {
        print::note(line);
    }
    let rows = tested.checks.iter().map(|check| {
        vec![
            check.name.clone(),
            check.end.word().to_owned(),
            format!("{:.1}", check.seconds),
            check.why.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    });
    print::rows(
        global.output,
        tested,
        &["EXPECTED", "END", "SECONDS", "WHY"],
        rows,
    )?;
    for left in &tested.left {
        print::note(left);
    }
    Ok(if tested.passed {
        Exit::Done
    } else {
        Exit::Failed
    })
}
