//! The arguments of `drydock plugin`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, builder::PossibleValuesParser, builder::TypedValueParser as _};
use drydock_core::Name;
use drydock_sandbox::World;

#[derive(Debug, Args)]
pub struct NewArgs {
    /// The plugin's name: lower-case letters, digits and `-`.
    #[arg(value_name = "NAME", value_parser = Name::parse)]
    pub name: Name,
    /// What it is to be.
    #[arg(long, value_name = "WORLD", value_parser = world())]
    pub world: World,
    /// What it is to be written in.
    #[arg(long, value_name = "LANGUAGE")]
    pub lang: Language,
    /// The folder to write; a new one called NAME otherwise.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
pub struct RunPluginArgs {
    /// The component, e.g. `store_x.wasm`.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The step's or target's `config:` as JSON, or the file that holds it.
    #[arg(long, value_name = "JSON|@FILE", default_value = "{}")]
    pub plugin_config: String,
    /// The call to make. Otherwise `run` of a backup step or an action, `judge` of a verify
    /// step, `check` of a store.
    #[arg(long, value_name = "CALL")]
    pub export: Option<String>,
    /// A file with the plugin's PluginGrant, whose grants and limits it has; nothing is
    /// granted otherwise. The digest in it need not be this component's. Targets that it
    /// speaks of stand in the same file.
    #[arg(long, value_name = "FILE")]
    pub grant: Option<PathBuf>,
    /// An input of the step, or an argument of a store's call by its name in the contract:
    /// JSON, or @FILE for its bytes; text otherwise. May be given more than once.
    #[arg(long = "input", value_name = "NAME=VALUE")]
    pub inputs: Vec<String>,
    /// A file with the Cluster document that the step works on; none otherwise.
    #[arg(long, value_name = "FILE")]
    pub cluster: Option<PathBuf>,
    /// Where a secret that was granted is read. May be given more than once.
    #[arg(long = "secret", value_name = "NAME=FILE")]
    pub secrets: Vec<String>,
    /// Where the artifacts of a backup step go, and the bytes that a store reads: a folder,
    /// made if it is not there. They are counted and dropped otherwise.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// The artifact that a verify step judges, or the bytes of a store's put-object.
    #[arg(long, value_name = "FILE")]
    pub artifact: Option<PathBuf>,
    /// A fact of the artifact beside its name, size and digest: JSON, or text. May be given
    /// more than once.
    #[arg(long = "fact", value_name = "NAME=VALUE")]
    pub facts: Vec<String>,
    /// Write down everything that crosses the plugin's border, as lines of JSON, into a new
    /// file that only you can read: each call of the host with its arguments and its answer,
    /// without the values of secrets.
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Answer the plugin's calls out of such a file, in its order, instead of making them: no
    /// cluster, server or folder is reached.
    #[arg(long, value_name = "FILE", conflicts_with_all = [
        "record", "plugin_config", "grant", "inputs", "cluster", "secrets", "out", "artifact", "facts",
    ])]
    pub replay: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
pub struct TestPluginArgs {
    /// The component, e.g. `store_x.wasm`.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The target's `config:` as JSON, or the file that holds it; that of the Target in the
    /// file of --grant otherwise.
    #[arg(long, value_name = "JSON|@FILE")]
    pub plugin_config: Option<String>,
    /// A file with the plugin's PluginGrant, whose grants and limits it has, and with the
    /// Target that it is tried at: `endpoints:`, `identity:` and `config:`.
    #[arg(long, value_name = "FILE")]
    pub grant: Option<PathBuf>,
    /// Where a secret that was granted is read. May be given more than once.
    #[arg(long = "secret", value_name = "NAME=FILE")]
    pub secrets: Vec<String>,
}

/// A language that there are templates for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Language {
    Rust,
    Python,
    Js,
}

/// Takes the words of the contract.
fn world() -> impl clap::builder::TypedValueParser<Value = World> {
    let words = World::ALL.map(World::word);
    PossibleValuesParser::new(words).map(|word| {
        let world = World::ALL.into_iter().find(|world| world.word() == word);
        world.expect("clap takes these words alone")
    })
}
