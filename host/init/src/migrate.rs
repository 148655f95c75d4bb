//! `drydock migrate cronjob`: the manifest of a CronJob that backs up etcd, as documents.
//!
//! The whole story: read the file's YAML; take the job's policies, its containers' variables,
//! mounts and commands; read the commands as a shell would, without carrying anything out; find
//! how etcd is reached and what keeps the snapshots; write the documents, and say what of the
//! manifest is not in them, what nobody could tell, and which variables the daemon needs.
//!
//! **Invariant:** what is not certain becomes a question that stands in the document in a form
//! that `schedule check` refuses.
//!
//! **Invariant:** no value of a Secret, and none that is used as a secret, is written or shown:
//! the document names a variable.
//!
//! If we die midway, a folder with some of the files may stay; a second try refuses it.

mod found;
mod manifest;
mod render;
mod shell;
mod stores;

use std::io::Read as _;
use std::path::Path;

use drydock_api_types::init::{LeftOut, MigratedCronJob, NeededVariable};
use drydock_cli::args::{CronJobArgs, Global, MigrateVerb};
use drydock_cli::{Context as _, Exit, Failure, Outcome};
use drydock_core::Name;
use drydock_documents::{DocumentSet, FILE_BYTES_MAX};
use drydock_node::CAPABILITIES;
use drydock_terminal::print::{self, Output};

use super::documents::File;
use super::place::{self, Staging};
use render::Documents;

/// What stands for the file in sentences where it is standard input.
const STDIN: &str = "stdin";

pub fn dispatch(global: &Global, verb: &MigrateVerb) -> Outcome {
    let MigrateVerb::Cronjob(args) = verb;
    let (file, text) = read(&args.file)?;
    let cluster =
        Name::parse(&args.cluster).map_err(|rule| Failure::usage(format!("--cluster {rule}")))?;
    if let Some(out) = &args.out {
        place::refuse_used(out, "migrate", "--out")?;
    }
    let (migrated, files) = migrate(&file, &text, cluster.as_str())?;
    if let Some(out) = &args.out {
        write(out, &files)?;
    }
    show(global.output, args, &file, &migrated, &files)?;
    Ok(if migrated.questions.is_empty() {
        Exit::Done
    } else {
        Exit::Degraded
    })
}

/// Pure: a manifest goes in, documents and what is to be said of them come out.
fn migrate(file: &str, text: &str, cluster: &str) -> Result<(MigratedCronJob, Vec<File>), Failure> {
    let mut manifest = manifest::read(file, text)?;
    let found = found::read(&mut manifest);
    let Documents { files, questions } = render::documents(&manifest, &found, cluster);
    let mut questions: Vec<String> = found.questions().into_iter().chain(questions).collect();
    // Whoever has no question is promised documents that a node takes.
    if questions.is_empty()
        && let Err(error) = check(&files)
    {
        questions.push(format!(
            "`drydock schedule check` refuses what the manifest says: {error}. What is meant there?"
        ));
    }
    // Those of one script stay in its order.
    manifest.left.sort_by_key(|left| left.line);
    let left = manifest.left.into_iter().map(|left| LeftOut {
        line: left.line,
        what: left.what,
        why: left.why,
    });
    let needs = found.needs.clone().into_iter();
    let migrated = MigratedCronJob {
        files: files
            .iter()
            .map(|file| (file.name.clone(), file.text.clone()))
            .collect(),
        questions,
        variables: needs
            .map(|(name, from)| NeededVariable { name, from })
            .collect(),
        left_out: left.collect(),
    };
    Ok((migrated, files))
}

/// Judges the documents as `schedule check` does.
fn check(files: &[File]) -> Result<(), String> {
    let mut all = Vec::new();
    for file in files {
        let parsed = drydock_documents::parse(&file.name, &file.text, &CAPABILITIES);
        all.extend(parsed.map_err(|error| error.to_string())?);
    }
    match DocumentSet::build(all) {
        Ok(_) => Ok(()),
        Err(errors) => Err(errors.first().map(ToString::to_string).unwrap_or_default()),
    }
}

fn read(path: &Path) -> Result<(String, String), Failure> {
    let is_stdin = path == Path::new("-");
    let name = if is_stdin {
        STDIN.to_owned()
    } else {
        path.display().to_string()
    };
    let told = || format!("{name} cannot be read: name the file with the CronJob, or - for stdin");
    let mut bytes = Vec::new();
    // One byte more shows that there are too many.
    let most = FILE_BYTES_MAX as u64 + 1;
    if is_stdin {
        std::io::stdin()
            .lock()
            .take(most)
            .read_to_end(&mut bytes)
            .with_context(told)?;
    } else {
        std::fs::File::open(path)
            .and_then(|file| file.take(most).read_to_end(&mut bytes))
            .with_context(told)?;
    }
    let text = String::from_utf8(bytes).map_err(|_| {
        Failure::usage(format!(
            "{name} is not UTF-8 text: name the file with the CronJob"
        ))
    })?;
    Ok((name, text))
}

/// Puts the files into a folder that was not there, all or none.
fn write(out: &Path, files: &[File]) -> Result<(), Failure> {
    let staging = Staging::beside(out)?;
    for file in files {
        staging.put(&file.name, &file.text)?;
    }
    staging.place()
}

fn show(
    output: Output,
    args: &CronJobArgs,
    file: &str,
    migrated: &MigratedCronJob,
    files: &[File],
) -> Result<(), Failure> {
    match (&args.out, output) {
        (_, Output::Json) => print::line(&serde_json::to_string_pretty(migrated)?),
        (Some(out), Output::Table) => {
            let rows = files.iter().map(|file| {
                let path = out.join(&file.name);
                vec![path.display().to_string(), file.what.to_owned()]
            });
            print::rows(output, migrated, &["FILE", "WHAT IT IS"], rows)?;
        }
        (None, Output::Table) => {
            let texts = files
                .iter()
                .map(|file| format!("# {}\n{}", file.name, file.text));
            print::line(texts.collect::<Vec<_>>().join("---\n").trim_end());
        }
    }
    sentences(file, migrated)
        .iter()
        .for_each(|sentence| print::note(sentence));
    Ok(())
}

/// What is to be done with the documents beside those of `drydock init`.
const CLOSING: &str = "Put the files into the folders of a node that `drydock init` prepared: recipients.txt, the signing key and the ceiling, which has to allow what the grants give, come from there. Remove its schedules/cluster.yaml, schedules/target.yaml and schedules/backup.yaml first, which these documents stand for; files under grants/ of the same name are overwritten.";

/// What is to be known of the documents, a sentence each.
fn sentences(file: &str, migrated: &MigratedCronJob) -> Vec<String> {
    let mut sentences = Vec::new();
    for left in &migrated.left_out {
        sentences.push(format!(
            "Not carried over: {file}:{}: {}: {}",
            left.line, left.what, left.why
        ));
    }
    for needed in &migrated.variables {
        sentences.push(format!(
            "Set {} for the daemon: its value is in {}.",
            needed.name, needed.from
        ));
    }
    for question in &migrated.questions {
        sentences.push(format!("Question: {question}"));
    }
    if !migrated.questions.is_empty() {
        sentences.push("Answer each question in the documents, in the place where it stands; until then `drydock schedule check` refuses them.".to_owned());
    }
    sentences.push(CLOSING.to_owned());
    sentences
}

#[cfg(test)]
mod tests;
