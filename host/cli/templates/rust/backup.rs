//! {{name}}: a backup step, which makes artifacts. Replace what `run` does; the rest stays.

use drydock_plugin_sdk::{Backup, Error, Output, Report, Sensitivity, plugin};
use serde::Deserialize;

/// The step's `config:`. An unknown key is refused by name.
#[derive(Deserialize)]
struct Config {
    text: String,
}

struct Step;

impl Backup for Step {
    type Config = Config;

    fn run(config: Config) -> Result<Report, Error> {
        let output = Output::create("{{name}}.txt", Sensitivity::Public)?;
        // At most 1 MiB in one call.
        output.write(config.text.as_bytes())?;
        output.finish()?;
        Ok(Report::clean())
    }
}

// What it may reach beyond its own bytes is asked for here, and granted by an operator.
plugin! { world: backup, step: Step, requests: [] }
