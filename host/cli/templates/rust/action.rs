//! {{name}}: an action, which changes the world and takes that back. Replace what its calls
//! do; the rest stays.

use drydock_plugin_sdk::{Action, Error, Folder, Value, configuration, outcome, plugin};
use serde::Deserialize;

/// The step's `config:`. An unknown key is refused by name.
#[derive(Deserialize)]
struct Config {
    folder: String,
    text: String,
}

struct Step;

impl Action for Step {
    type Config = Config;

    fn plan(config: Config) -> Result<Vec<String>, Error> {
        Ok(vec![format!("would write {} in {}", file(), config.folder)])
    }

    /// May come again with the same key, so it ends the same way when it does.
    fn run(config: Config) -> Result<(), Error> {
        let folder = Folder::open(&config.folder, false)?;
        folder.write_bytes_at(&file(), 0, config.text.as_bytes())?;
        folder.sync(&file())?;
        outcome::output("file", &Value::Text(file()))
    }

    fn undo(config: Config) -> Result<(), Error> {
        Folder::open(&config.folder, false)?.remove(&file())
    }
}

/// Named by the key, which is the same in all attempts of the step, and in its undo.
fn file() -> String {
    format!("{{name}}-{}.txt", configuration::key())
}

// What it may reach is asked for here, and granted by an operator.
plugin! {
    world: action,
    step: Step,
    requests: ["files.write"],
    action: {repeat: "idempotent", undo: true, outputs: {"file": "text"}},
}
