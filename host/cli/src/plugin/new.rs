//! `drydock plugin new`: the folder of a new plugin, which builds as it stands. The files are
//! those of `templates/`, with the words in double braces filled in; the contract and the SDK
//! are those that this program was built with.

mod files;

use std::fs;
use std::path::{Path, PathBuf};

use drydock_core::{Name, reason};
use drydock_sandbox::{CONTRACT, World};
use drydock_terminal::print;
use serde_json::{Value, json};

use crate::args::{Language, NewArgs};
use crate::{Exit, Failure, Outcome};

/// Writes the folder, which must not be there, and says what comes next.
pub fn new(args: &NewArgs) -> Outcome {
    let NewArgs {
        name,
        world,
        lang,
        out,
    } = args;
    let is_numbered = name.as_str().starts_with(|c: char| c.is_ascii_digit());
    if is_numbered && *lang == Language::Rust {
        return Err(Failure::usage(format!(
            "{name} begins with a digit, and Cargo takes no such name: begin it with a letter"
        )));
    }
    let folder = out.clone().unwrap_or_else(|| PathBuf::from(name.as_str()));
    let folder = std::path::absolute(&folder)?;
    // Its configuration names folders in it, and is JSON.
    let Some(place) = folder.to_str() else {
        return Err(Failure::usage(format!(
            "{} is no UTF-8, and a plugin's configuration could not name it: choose another folder",
            folder.display()
        )));
    };
    let plugin = NewPlugin {
        name,
        world: *world,
        language: *lang,
        folder: place,
    };
    fs::create_dir(&folder).map_err(|error| unwritten(&folder, &error))?;
    for (path, text) in plugin.files() {
        write(&folder.join(path), &text)?;
    }
    print::line(&folder.display().to_string());
    print::note("its README.md has the commands that build, check and try it");
    Ok(Exit::Done)
}

/// What is wanted.
struct NewPlugin<'a> {
    name: &'a Name,
    world: World,
    language: Language,
    /// Absolute.
    folder: &'a str,
}

/// What a template differs by from world to world.
struct Needs {
    /// What it asks for.
    requests: &'static [&'static str],
    /// What its own world includes beside that of its role.
    includes: &'static [&'static str],
    config: Value,
    /// What it is granted to be tried.
    grants: Value,
}

impl NewPlugin<'_> {
    fn files(&self) -> Vec<(&'static str, String)> {
        let mut files: Vec<files::File> =
            vec![files::source(self.world, self.language), files::GRANT];
        files.extend(files::of_language(self.language));
        files.extend(match self.language {
            Language::Rust => files::SDK,
            Language::Python | Language::Js => &[files::MINE],
        });
        let mut texts: Vec<_> = files
            .into_iter()
            .map(|(path, text)| (path, self.fill(text)))
            .collect();
        texts.extend(
            files::WIT
                .iter()
                .map(|(path, text)| (*path, (*text).to_owned())),
        );
        texts.push(("try/config.json", pretty(&self.needs().config)));
        if self.language != Language::Rust {
            texts.push(("plugin.json", pretty(&self.manifest())));
        }
        texts
    }

    /// The template with its words filled in.
    fn fill(&self, template: &str) -> String {
        let needs = self.needs();
        let includes = needs.includes.iter();
        let includes: String = includes
            .map(|one| format!("\n    include {one};"))
            .collect();
        // The part that tries the plugin has words of its own.
        let text = template.replace("{{try}}\n", files::trial(self.world));
        let article = if self.world == World::Action {
            "An"
        } else {
            "A"
        };
        [
            ("{{name}}", self.name.as_str()),
            ("{{name_}}", &self.name.as_str().replace('-', "_")),
            ("{{world}}", self.world.word()),
            ("{{a_world}}", &format!("{article} {}", self.world)),
            ("{{release}}", drydock_core::VERSION),
            ("{{include}}", &includes),
            ("{{grants}}", &needs.grants.to_string()),
        ]
        .iter()
        .fold(text, |text, (word, value)| text.replace(word, value))
    }

    fn manifest(&self) -> Value {
        let mut manifest = json!({
            "name": self.name.as_str(),
            "version": "0.1.0",
            "world": self.world.word(),
            "contract": CONTRACT,
            "requests": self.needs().requests,
        });
        if self.world == World::Action {
            manifest["action"] =
                json!({"repeat": "idempotent", "undo": true, "outputs": {"file": "text"}});
        }
        manifest
    }

    fn needs(&self) -> Needs {
        let folder = format!("{}/try/folder", self.folder);
        let writes = || json!({"files": [{"directory": folder, "access": "write"}]});
        let nothing = |config| Needs {
            requests: &[],
            includes: &[],
            config,
            grants: json!({}),
        };
        match (self.world, self.language) {
            (World::Backup, _) => nothing(json!({"text": "Hello, Drydock"})),
            (World::Verify, _) => nothing(json!({"maxBytes": 1_048_576})),
            (World::Store, Language::Python) => Needs {
                requests: &["files.read", "files.write"],
                includes: &["folders"],
                config: json!({"folder": folder}),
                grants: writes(),
            },
            (World::Store, _) => nothing(json!({"partMebibytes": 8})),
            (World::Action, _) => Needs {
                requests: &["files.write"],
                includes: &["folders"],
                config: json!({"folder": folder, "text": "Hello, Drydock"}),
                grants: writes(),
            },
        }
    }
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, text))
        .map_err(|error| unwritten(path, &error))
}

fn unwritten(path: &Path, error: &std::io::Error) -> Failure {
    Failure::failed(format!(
        "{} cannot be made: {}",
        path.display(),
        reason(error)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written for a world in a language: names and contents.
    type Written = (World, Language, Vec<(&'static str, String)>);

    fn all() -> Vec<Written> {
        let name = Name::parse("a-plugin").unwrap();
        let languages = [Language::Rust, Language::Python, Language::Js];
        let pairs = World::ALL
            .into_iter()
            .flat_map(|world| languages.map(|language| (world, language)));
        let files = |world, language| {
            NewPlugin {
                name: &name,
                world,
                language,
                folder: "/new/a-plugin",
            }
            .files()
        };
        pairs
            .map(|(world, language)| (world, language, files(world, language)))
            .collect()
    }

    #[test]
    fn every_word_of_a_template_is_filled_in() {
        for (world, language, files) in all() {
            for (path, text) in files {
                // Rust and Python write braces twice where they mean one.
                let ours = text.contains("{{") && !path.starts_with("vendor/");
                assert!(!ours, "{world} {language:?} {path}: {text}");
            }
        }
    }

    #[test]
    fn the_contract_and_the_sdk_are_there_as_a_whole() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for (of, under) in [
            ("wit", "wit"),
            ("wit/deps", "wit/deps"),
            ("plugins/sdk/src", "vendor/sdk/src"),
        ] {
            for entry in fs::read_dir(root.join(of)).unwrap() {
                let entry = entry.unwrap();
                if entry.path().is_file() {
                    let path = format!("{under}/{}", entry.file_name().display());
                    let mut embedded = files::WIT.iter().chain(files::SDK);
                    assert!(
                        embedded.any(|(file, _)| *file == path),
                        "{path} is not embedded"
                    );
                }
            }
        }
    }

    #[test]
    fn the_copy_of_the_sdk_is_built_from_what_the_sdk_is_built_from() {
        let plugins = include_str!("../../../../plugins/Cargo.toml");
        let copy = include_str!("../../templates/rust/sdk.toml");
        let dependencies = copy.split_once("[dependencies]\n").unwrap().1;
        for line in dependencies.lines() {
            assert!(plugins.contains(line), "{line}");
        }
    }
}
