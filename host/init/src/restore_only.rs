//! `drydock init --restore-only`: the configuration of a machine that brings clusters back
//! and never backs one up. It names the target's folder, whom to trust and what opens the
//! recovery points, so that the other verbs need no flags for it.
//!
//! Nothing is made that such a machine has no use for: no key, no schedule, no access to
//! etcd; and the folder is granted for reading only.

use std::path::{Path, PathBuf};

use drydock_api_types::init::RescueMade;
use drydock_cli::{
    Exit, Failure, Outcome,
    args::{At, Global, InitArgs},
    block_on,
    catalog::{Catalog, Strangers, identities, line_of},
};
use drydock_core::{chain, reason};
use drydock_node::Need;
use drydock_repository::{Repository, recovery_point::Standing};
use drydock_terminal::print;

use super::answers::{absolute, name};
use super::documents::{CONFIGURATION, File, TARGET, line, path, scalar};
use super::place::{self, Folder, Staging};
use super::survey::Survey;
use super::{at, program, show};

/// The node's name where the machine tells none.
const NODE: &str = "rescue";

/// Recovery points that are looked at: those that a rescue is about.
const LOOKED_AT_MAX: usize = 500;

/// Everything that the documents say.
struct Answers {
    dir: PathBuf,
    node: String,
    state: PathBuf,
    target_folder: PathBuf,
    signers: Vec<String>,
    identity: Option<PathBuf>,
}

pub fn dispatch(global: &Global, args: &InitArgs) -> Outcome {
    place::refuse_used(&args.dir, "init", "--dir")?;
    let answers = answers(args)?;
    let files = documents(&answers);
    if args.dry_run {
        return show(global.output, &answers.dir, &files);
    }
    let staging = Staging::beside(&answers.dir)?;
    for file in &files {
        staging.put(&file.name, &file.text)?;
    }
    drydock_cli::load(&at(global, staging.path()), &Need::ALL)?;
    let state = Folder::ensure(&answers.state)?;
    staging.place()?;
    state.keep();
    report(global, &answers, &files)?;
    if args.offline {
        return Ok(Exit::Done);
    }
    block_on(look(&at(global, &answers.dir)))
}

fn answers(args: &InitArgs) -> Result<Answers, Failure> {
    let given = args.target_folder.as_deref().unwrap_or(Path::new(""));
    let told = |error: &std::io::Error| {
        Failure::usage(format!(
            "--target-folder {} cannot be read: {}; mount it, or name the folder that holds the recovery points",
            given.display(),
            reason(error)
        ))
    };
    let folder = std::fs::canonicalize(given).map_err(|error| told(&error))?;
    std::fs::read_dir(&folder).map_err(|error| told(&error))?;
    let signers = args.signers.iter().map(|signer| line_of(signer));
    if let Some(file) = &args.identity {
        identities(file)?;
    }
    let found = Survey::of(&args.root).node.map(|found| found.value);
    let node = args.node.clone().or(found).unwrap_or(NODE.to_owned());
    let node = name(&node).map_err(|rule| Failure::usage(format!("--node {rule}")))?;
    Ok(Answers {
        dir: absolute(&args.dir)?,
        node,
        state: absolute(&args.state)?,
        target_folder: absolute(&folder)?,
        signers: signers.collect::<Result<_, _>>()?,
        identity: args.identity.as_deref().map(absolute).transpose()?,
    })
}

fn documents(answers: &Answers) -> Vec<File> {
    let file = |name: &str, what, text| File {
        name: name.to_owned(),
        what,
        text,
    };
    vec![
        file(CONFIGURATION, "this machine's configuration", node(answers)),
        file(
            "schedules/target.yaml",
            "where recovery points are read",
            target(answers),
        ),
        file(
            "grants/store-file.yaml",
            "what reading them may do",
            store_file(answers),
        ),
    ]
}

fn node(answers: &Answers) -> String {
    let mut text = format!(
        "\
# A machine that restores and never backs up: it has no signing key and no schedule.
#   drydock recovery-point list   shows what can be restored
apiVersion: drydock.dev/v1
kind: NodeConfig
metadata:
  name: {name}
spec:
  # Compiled plugins, and recovery points while they are opened. It needs room for one
  # snapshot, and for four more where `drydock drill` is used.
  state: {state}
  schedules: [schedules]
  grants: [grants]
  # Whose recovery points are believed: the last line of the signing.key.pub of each node
  # that backs up.
",
        name = scalar(&answers.node),
        state = scalar(path(&answers.state)),
    );
    if answers.signers.is_empty() {
        line(&mut text, format_args!("  trustedSigners: []"));
    } else {
        line(&mut text, format_args!("  trustedSigners:"));
    }
    for signer in &answers.signers {
        line(&mut text, format_args!("    - {signer}"));
    }
    text.push_str("  # The most that any grant can give here: nothing is written at the target.\n");
    line(
        &mut text,
        format_args!(
            "  ceiling:\n    files:\n      - {{directory: {}, access: read}}",
            scalar(path(&answers.target_folder))
        ),
    );
    match &answers.identity {
        Some(file) => {
            text.push_str("  # What opens the recovery points, where no --identity is given.\n");
            line(
                &mut text,
                format_args!(
                    "  drill:\n    identity: {{valueFrom: {{file: {}}}}}",
                    scalar(path(file))
                ),
            );
        }
        None => text.push_str(
            "  # What opens the recovery points, so that --identity need not be given:\n  # drill: {identity: {valueFrom: {file: /root/sealing.key}}}\n",
        ),
    }
    text
}

fn target(answers: &Answers) -> String {
    format!(
        "\
# Where recovery points are read.
apiVersion: drydock.dev/v1
kind: Target
metadata:
  name: {TARGET}
spec:
  plugin: store-file
  config:
    folder: {}
",
        scalar(path(&answers.target_folder)),
    )
}

fn store_file(answers: &Answers) -> String {
    format!(
        "\
# Reads the target's folder, and nothing else.
apiVersion: drydock.dev/v1
kind: PluginGrant
metadata:
  name: store-file
spec:
  builtin: store-file
  grants:
    files:
      - {{directory: {}, access: read}}
",
        scalar(path(&answers.target_folder)),
    )
}

fn report(global: &Global, answers: &Answers, files: &[File]) -> Result<(), Failure> {
    let made = RescueMade {
        folder: answers.dir.display().to_string(),
        files: files.iter().map(|file| file.name.clone()).collect(),
        signers: answers.signers.clone(),
        next: next(answers).into(),
    };
    let rows = files.iter().map(|file| {
        let path = answers.dir.join(&file.name);
        vec![path.display().to_string(), file.what.to_owned()]
    });
    print::rows(global.output, &made, &["FILE", "WHAT IT IS"], rows)?;
    print::note("Next:");
    made.next
        .iter()
        .for_each(|line| print::note(&format!("  {line}")));
    Ok(())
}

/// The commands of a rescue, in their order.
fn next(answers: &Answers) -> [String; 3] {
    let drydock = program(&answers.dir);
    let identity = match answers.identity {
        Some(_) => "",
        None => " --identity FILE",
    };
    [
        format!("{drydock} recovery-point list"),
        format!("{drydock} recovery-point verify latest{identity}"),
        format!(
            "{drydock} snapshot restore latest{identity} --data-dir DIR --initial-cluster NAME=URL,..."
        ),
    ]
}

/// What is there, and whether it can be believed.
async fn look(global: &Global) -> Outcome {
    let catalog = Catalog::open(global, &At::default())?;
    let (mut count, mut sound) = (0, 0);
    let mut newest = None;
    let mut strangers = Strangers::default();
    for document in catalog.documents() {
        let target = catalog.target(document)?;
        let repository = Repository::new(&target, &catalog.signers);
        let listed = repository.list(None, LOOKED_AT_MAX).await?;
        for why in &listed.unread {
            print::note(&format!("warning: {why}"));
        }
        for entry in listed.points {
            count += 1;
            newest = newest.or_else(|| Some(entry.folder.name().to_string()));
            match &entry.standing {
                Standing::Signed(_) => sound += 1,
                Standing::Refused(error) if strangers.count(error) => {}
                Standing::Refused(error) | Standing::Unread(error) => {
                    print::note(&format!("warning: {}", chain(error)));
                }
            }
        }
    }
    let Some(newest) = newest else {
        print::note(
            "warning: there is no recovery point in the folder: is it the one that holds a folder for each cluster?",
        );
        return Ok(Exit::Degraded);
    };
    print::note(&format!(
        "Recovery points there: {count}, believed: {sound}; the newest is {newest}."
    ));
    strangers
        .sentences()
        .for_each(|told| print::note(&format!("warning: {told}")));
    Ok(if sound == count {
        Exit::Done
    } else {
        Exit::Degraded
    })
}
