//! `drydock plugin run`: one call of a plugin, for its author. The sandbox, the grants and the
//! limits are those of a node; the node, the schedule and the journal are left out.

mod calls;
mod outputs;
mod recording;
mod replaying;
mod report;
pub mod store;
pub mod surroundings;
mod values;

use drydock_api_types::plugin::PluginCall;
use drydock_terminal::print;

use crate::args::{Global, RunPluginArgs};
use crate::runtime::block_on;
use crate::{Failure, Outcome};

use surroundings::Surroundings;

/// Makes the call and prints what came of it: the log on stderr, the rest on stdout.
pub fn run(global: &Global, args: &RunPluginArgs) -> Outcome {
    let (global, args) = (global.clone(), args.clone());
    block_on(async move {
        if let Some(file) = &args.replay {
            return replaying::replay(&global, &args, file).await;
        }
        let call = match &args.record {
            Some(file) => recording::record(&global, &args, file).await?,
            None => calls::make(&Surroundings::new(&global, &args)?, &args).await?,
        };
        told(&global, &call)
    })
}

fn told(global: &Global, call: &PluginCall) -> Outcome {
    for line in &call.log {
        print::note(line);
    }
    report::print(global.output, call)
}

/// The halves of `NAME=VALUE`.
fn pair<'a>(flag: &str, text: &'a str) -> Result<(&'a str, &'a str), Failure> {
    text.split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .ok_or_else(|| Failure::usage(format!("{flag} {text} must be NAME=VALUE")))
}
