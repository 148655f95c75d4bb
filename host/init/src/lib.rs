//! `drydock init`: keys, configuration and a first schedule for a node; and `drydock migrate`,
//! which makes documents of what backs a cluster up today.
//!
//! The whole story: look at the node for certificates and addresses; settle every answer
//! from flags, findings and questions; refuse whatever exists; make the state folder and
//! the target's folder if they are missing; build everything in a hidden folder; check it
//! there with the code of `schedule check` and admit the plugins; put the private sealing
//! key where it was asked for; rename the folder into place; try the cluster and the
//! target; say what to do next.
//!
//! **Invariant:** nothing that exists is overwritten, and the folder is there as a whole or
//! not at all.
//!
//! **Invariant:** a private sealing key is made only where a flag or an answer says where
//! it goes, and it never lies in the folder, the state folder or the target.
//!
//! If we die midway, empty folders may stay, a hidden folder that nobody reads, and the
//! sealing key's file, which is whole and opens nothing yet.

mod answers;
mod ask;
mod attempt;
mod documents;
mod migrate;
mod place;
mod restore_only;
mod survey;

use std::path::Path;

use drydock_api_types::init::{NodeMade, PlannedFiles, Tried};
use drydock_capability_files::is_own_mount;
use drydock_cli::{
    Exit, Failure, Outcome, Preparation,
    args::{Global, InitArgs},
    block_on,
};
use drydock_core::{UnixTime, without_os_number};
use drydock_node::{Need, PluginRegistry, judged_config};
use drydock_repository::keys::{NewSealingKey, NewSigningKey};
use drydock_terminal::print::{self, Output};

use answers::{Answers, Destination, Mode, Sealing, ServiceTarget};
use documents::{CONFIGURATION, ENVIRONMENT, File, SCHEDULE, SIGNING_KEY, documents};
use place::{Folder, KeyFile, Staging};
use survey::{Survey, Topic};

/// Stands for a key that a dry run does not make.
const NO_KEY_YET: &str = "age1-of-the-key-that-init-would-make";

/// The columns of what the members answered.
const HEADER: [&str; 7] = [
    "ENDPOINT", "STATE", "VERSION", "MEMBER", "LEADER", "DB SIZE", "LEARNER",
];

pub fn dispatch(global: &Global, preparation: &Preparation) -> Outcome {
    match preparation {
        Preparation::Init(args) => init(global, args),
        Preparation::Migrate(verb) => migrate::dispatch(global, verb),
    }
}

fn init(global: &Global, args: &InitArgs) -> Outcome {
    if args.restore_only {
        return restore_only::dispatch(global, args);
    }
    let mode = match (args.yes, ask::is_possible()) {
        (true, _) => Mode::Take,
        (false, true) => Mode::Ask,
        (false, false) => Mode::Strict,
    };
    place::refuse_used(&args.dir, "init", "--dir")?;
    let parent_is_there = args.dir.parent().is_some_and(Path::is_dir);
    if mode == Mode::Ask && parent_is_there && !args.dry_run {
        // Whoever may not write there should know before the first question.
        Staging::beside(&args.dir)?;
    }
    let survey = Survey::of(&args.root);
    let mut doubts = doubts(args, &survey);
    warn(&doubts);
    let mut answers = answers::gather(args, &survey, mode, &*global.deps.env)?;
    let more = survey::files::doubtful(&args.root, &answers.node, &answers.files);
    warn(&more);
    doubts.extend(more);
    if let Destination::Folder { path, is_mounted } = &mut answers.destination {
        *is_mounted = self::is_mounted(path, &answers.state)?;
    }
    refuse_clashes(&answers)?;
    if args.dry_run {
        return dry_run(global, &answers);
    }
    if mode == Mode::Ask && !agreed(&answers)? {
        print::note("Nothing was written.");
        return Ok(Exit::Failed);
    }
    let global = global.clone();
    let offline = args.offline;
    let exit = block_on(async move { write_and_try(&global, &answers, offline).await })?;
    Ok(match exit {
        Exit::Done if !doubts.is_empty() => Exit::Degraded,
        exit => exit,
    })
}

/// What the survey could not look at and no flag says.
fn doubts(args: &InitArgs, survey: &Survey) -> Vec<String> {
    let is_plain = |endpoint: &String| endpoint.starts_with("http:");
    let no_tls = !args.endpoints.is_empty() && args.endpoints.iter().all(is_plain);
    let has_login = args.username.is_some() || (args.cert.is_some() && args.key.is_some());
    let is_open = |topic| match topic {
        Topic::Node => args.node.is_none(),
        Topic::Credentials => !(no_tls || args.ca.is_some() && has_login),
        Topic::Endpoints => args.endpoints.is_empty(),
        Topic::Folders => !args.no_files && args.files.is_empty(),
    };
    let unread = survey.unread.iter();
    let open = unread.filter(|unread| is_open(unread.topic));
    open.map(survey::Unread::sentence).collect()
}

fn warn(doubts: &[String]) {
    for doubt in doubts {
        print::note(&format!("warning: {doubt}"));
    }
}

async fn write_and_try(global: &Global, answers: &Answers, offline: bool) -> Outcome {
    let written = write(global, answers).await?;
    let tried = if offline {
        None
    } else {
        Some(try_out(global, answers).await?)
    };
    let has_warned = tried
        .as_ref()
        .is_some_and(|tried| !tried.warnings.is_empty());
    report(global.output, answers, written, tried)?;
    Ok(if has_warned {
        Exit::Degraded
    } else {
        Exit::Done
    })
}

/// Tries what was written.
async fn try_out(global: &Global, answers: &Answers) -> Result<Tried, Failure> {
    let node = drydock_cli::load(&at(global, &answers.dir), &Need::ALL)?;
    let registry = PluginRegistry::open(node)?;
    let documents = &registry.node.documents;
    Ok(
        match (documents.clusters().next(), documents.targets().next()) {
            (Some(cluster), Some(target)) => attempt::attempt(&registry, cluster, target).await,
            _ => Tried::default(),
        },
    )
}

/// What was written, for the report.
struct Written {
    files: Vec<(String, &'static str)>,
    public_line: String,
    recipients: Vec<String>,
}

/// Builds, checks and places everything.
async fn write(global: &Global, answers: &Answers) -> Result<Written, Failure> {
    let signing = NewSigningKey::generate()?;
    let (recipients, sealing) = recipients(&answers.sealing, global.deps.clock.now());
    let files = documents(answers, &recipients);
    let staging = Staging::beside(&answers.dir)?;
    staging.put(SIGNING_KEY, signing.secret.expose())?;
    staging.put(&format!("{SIGNING_KEY}.pub"), &signing.public)?;
    for file in &files {
        staging.put(&file.name, &file.text)?;
    }
    let state = Folder::ensure(&answers.state)?;
    let target = answers.target_folder().map(Folder::ensure).transpose()?;
    check(global, answers, staging.path()).await?;
    let key_file = match (&answers.sealing, sealing) {
        (Sealing::NewKey(path), Some(key)) => Some(KeyFile::write(path, key.identity.expose())?),
        _ => None,
    };
    staging.place()?;
    // From here on everything is in force, so nothing is taken back.
    key_file.into_iter().for_each(KeyFile::keep);
    state.keep();
    target.into_iter().for_each(Folder::keep);
    Ok(Written {
        files: listed(&files),
        public_line: signing.public_line,
        recipients,
    })
}

fn recipients(sealing: &Sealing, now: UnixTime) -> (Vec<String>, Option<NewSealingKey>) {
    match sealing {
        Sealing::For(recipients) => (recipients.clone(), None),
        Sealing::NewKey(_) => {
            let key = NewSealingKey::generate(now);
            (vec![key.recipient.clone()], Some(key))
        }
    }
}

fn listed(files: &[File]) -> Vec<(String, &'static str)> {
    let keys = [
        (SIGNING_KEY.to_owned(), "signs recovery points; private"),
        (
            format!("{SIGNING_KEY}.pub"),
            "tells that they are ours; keep a copy elsewhere",
        ),
    ];
    let documents = files.iter().map(|file| (file.name.clone(), file.what));
    documents.chain(keys).collect()
}

/// The same checks that the other verbs make, on the files where they were built.
async fn check(global: &Global, answers: &Answers, folder: &Path) -> Result<(), Failure> {
    let checked = async {
        let registry = PluginRegistry::open(drydock_cli::load(&at(global, folder), &Need::ALL)?)?;
        let documents = &registry.node.documents;
        registry.signing_key()?;
        for cluster in documents.clusters() {
            for target in documents.targets() {
                let subject = format!("target {}", target.value.name);
                let store = registry.idle_target(target, &cluster.value.name)?;
                let plugin = target.value.spec.plugin.as_str();
                judged_config(&subject, plugin, store.check_config()).await?;
            }
        }
        for schedule in documents.schedules() {
            let workflow = registry.node.workflow(&schedule.value.name)?;
            drydock_runs::admit(&registry, &workflow)?;
        }
        Ok(())
    };
    // The operator knows the wanted folder, not the hidden one.
    checked.await.map_err(|failure: Failure| {
        let told = failure.to_string().replace(
            &folder.display().to_string(),
            &answers.dir.display().to_string(),
        );
        Failure::of(failure.exit, told)
    })
}

fn at(global: &Global, folder: &Path) -> Global {
    Global {
        config: folder.join(CONFIGURATION),
        ..global.clone()
    }
}

/// Refuses a key's file that exists, and a private key that would lie beside what it opens.
fn refuse_clashes(answers: &Answers) -> Result<(), Failure> {
    let Sealing::NewKey(file) = &answers.sealing else {
        return Ok(());
    };
    place::refuse_existing(file)?;
    let kept = [
        (answers.dir.as_path(), "the folder of the configuration"),
        (&answers.state, "the state folder"),
    ];
    let target = answers.target_folder().into_iter();
    let target = target.map(|folder| (folder, "the target, beside what it opens"));
    let backed_up = answers.files.iter();
    let backed_up = backed_up.map(|folder| (folder.as_path(), "a folder that is backed up"));
    for (folder, what) in kept.into_iter().chain(target).chain(backed_up) {
        if file.starts_with(folder) {
            return Err(Failure::usage(format!(
                "--sealing-key-out {} lies in {what}: name a file that you can take off this node",
                file.display()
            )));
        }
    }
    Ok(())
}

fn agreed(answers: &Answers) -> Result<bool, Failure> {
    let key = match &answers.sealing {
        Sealing::For(_) => String::new(),
        Sealing::NewKey(file) => format!(", and a new sealing key to {}", file.display()),
    };
    ask::confirm(&format!(
        "Write keys and documents to {}{key}",
        answers.dir.display()
    ))
}

/// Prints the documents, after the same check as ever, and writes nothing that stays.
fn dry_run(global: &Global, answers: &Answers) -> Outcome {
    let recipients = match &answers.sealing {
        Sealing::For(recipients) => recipients.clone(),
        Sealing::NewKey(_) => vec![NO_KEY_YET.to_owned()],
    };
    let files = documents(answers, &recipients);
    let staging = Staging::elsewhere()?;
    staging.put(SIGNING_KEY, NewSigningKey::generate()?.secret.expose())?;
    for file in &files {
        staging.put(&file.name, &file.text)?;
    }
    drydock_cli::load(&at(global, staging.path()), &Need::ALL)?;
    show(global.output, &answers.dir, &files)
}

/// Prints documents instead of writing them.
fn show(output: Output, dir: &Path, files: &[File]) -> Outcome {
    if output == Output::Json {
        let texts = files
            .iter()
            .map(|file| (file.name.clone(), file.text.clone()));
        let planned = PlannedFiles(texts.collect());
        print::line(&serde_json::to_string_pretty(&planned)?);
    } else {
        for file in files {
            let path = dir.join(&file.name);
            print::line(&format!("# {}\n{}---", path.display(), file.text));
        }
    }
    print::note("This was a dry run: nothing was written, and no key was made.");
    Ok(Exit::Done)
}

fn report(
    output: Output,
    answers: &Answers,
    written: Written,
    tried: Option<Tried>,
) -> Result<(), Failure> {
    let made = NodeMade {
        folder: answers.dir.display().to_string(),
        files: written.files.iter().map(|(name, _)| name.clone()).collect(),
        signer: written.public_line,
        recipients: written.recipients,
        tried,
        next: next(answers).into(),
    };
    let rows = written.files.into_iter().map(|(name, what)| {
        let path = answers.dir.join(name);
        vec![path.display().to_string(), what.to_owned()]
    });
    print::rows(output, &made, &["FILE", "WHAT IT IS"], rows)?;
    let tried = made.tried.unwrap_or_default();
    if output == Output::Table && !tried.endpoints.is_empty() {
        print::line("");
        print::line(&print::table(&HEADER, attempt::rows(&tried)));
    }
    for warning in &tried.warnings {
        print::note(&format!("warning: {warning}"));
    }
    tried.notes.iter().for_each(|note| print::note(note));
    if let Sealing::NewKey(file) = &answers.sealing {
        print::note(&format!(
            "TAKE {} OFF THIS NODE, to two safe places: it alone opens the recovery points, and whoever has it reads every Secret of the cluster.",
            file.display()
        ));
    }
    if !tried.warnings.is_empty() {
        print::note(
            "Everything was written; mend what is warned of, in the documents or on the node, before the first run.",
        );
    }
    if let Some(sentence) = answers
        .service()
        .and_then(|target| environment_note(answers, target))
    {
        print::note(&sentence);
    }
    print::note("Next:");
    made.next
        .iter()
        .for_each(|line| print::note(&format!("  {line}")));
    Ok(())
}

/// What the daemon has to be given that only this process has.
fn environment_note(answers: &Answers, target: &ServiceTarget) -> Option<String> {
    let names: Vec<&str> = target.variables().collect();
    if names.is_empty() {
        return None;
    }
    Some(format!(
        "The daemon needs {} too: write NAME=VALUE, a line each, into {}, readable by root alone; the unit's drop-in names that file.",
        names.join(" and "),
        answers.dir.join(ENVIRONMENT).display()
    ))
}

/// Whether the target lies on a mount of its own.
fn is_mounted(folder: &Path, state: &Path) -> Result<bool, Failure> {
    is_own_mount(folder, &[state.to_owned()]).map_err(|error| {
        let why = if error.kind() == std::io::ErrorKind::NotADirectory {
            "is no folder: name another one".to_owned()
        } else {
            format!(
                "cannot be looked at: {}",
                without_os_number(&error.to_string())
            )
        };
        Failure::failed(format!("{} {why}", folder.display()))
    })
}

/// The program with the configuration of this folder.
fn program(dir: &Path) -> String {
    if dir == Path::new(drydock_cli::args::DIR) {
        return "drydock".to_owned();
    }
    format!("drydock --config {}", dir.join(CONFIGURATION).display())
}

/// The three commands that a newcomer needs now.
fn next(answers: &Answers) -> [String; 3] {
    let usual = answers.dir == Path::new(drydock_cli::args::DIR);
    let drydock = program(&answers.dir);
    let daemon = if usual {
        "systemctl enable --now drydock".to_owned()
    } else {
        format!("{drydock} daemon")
    };
    [
        format!("{drydock} run {SCHEDULE}"),
        format!("{drydock} recovery-point list"),
        daemon,
    ]
}
