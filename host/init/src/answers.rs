//! From flags, findings and questions to answers that leave nothing open.
//!
//! Every value goes the same way: what a flag says is taken; otherwise, on a terminal,
//! the operator is asked, with what was found as the suggestion; otherwise `--yes` takes
//! the suggestion. What is open after that is named, all of it at once.

mod kinds;
mod service;

use std::path::{Path, PathBuf};

use drydock_cli::{Failure, args::InitArgs};
use drydock_core::{Name, error_lines};
use drydock_documents::Lookup;
use drydock_documents::cluster::is_endpoint;
use drydock_repository::Recipient;
use drydock_schedule::{CronExpr, Zone};

use super::ask;
use super::survey::files::{required, to_exclude};
use super::survey::{Found, Survey};

pub use service::{Said, ServiceTarget};

/// Four times a day: a cluster that changes all day loses six hours at most.
const SCHEDULE: &str = "0 */6 * * *";

/// The same everywhere, and without the jumps of summer time.
const TIME_ZONE: &str = "Etc/UTC";

/// Where the file hierarchy standard keeps backups.
const TARGET_FOLDER: &str = "/var/backups/drydock";

/// The answer of whoever wants no folder.
const NO_FOLDERS: &str = "-";

/// Everything that the documents say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answers {
    pub dir: PathBuf,
    pub node: String,
    pub state: PathBuf,
    pub cluster: String,
    pub endpoints: Vec<String>,
    pub ca: Option<PathBuf>,
    /// Certificate and key of the client.
    pub client: Option<(PathBuf, PathBuf)>,
    /// User name, and the file with the password.
    pub login: Option<(String, PathBuf)>,
    /// Folders that are backed up beside etcd; often none.
    pub files: Vec<PathBuf>,
    /// What of them is left out.
    pub exclude: Vec<PathBuf>,
    /// What of them a backup may not be without.
    pub required: Vec<PathBuf>,
    pub destination: Destination,
    pub schedule: String,
    pub time_zone: String,
    pub sealing: Sealing,
}

/// Where recovery points go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    Folder {
        path: PathBuf,
        /// Whether it lies on a mount of its own, apart from `/` and from the state folder.
        is_mounted: bool,
    },
    Service(Box<ServiceTarget>),
}

/// Who can open the recovery points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sealing {
    /// Those who hold the private keys of these.
    For(Vec<String>),
    /// Whoever holds the key that is made now and put into this file.
    NewKey(PathBuf),
}

/// What happens to what no flag says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// There is a terminal with somebody at it.
    Ask,
    /// `--yes`: suggestions are taken.
    Take,
    /// Neither: everything that matters has to be said.
    Strict,
}

/// A value that may be open.
struct Question<'a, T> {
    flag: &'static str,
    prompt: &'a str,
    given: Option<String>,
    suggestion: Option<Found<String>>,
    /// The value, or the rest of a sentence that begins with the text.
    parse: &'a dyn Fn(&str) -> Result<T, String>,
}

/// Collects what is missing and what is wrong.
struct Gatherer<'a> {
    mode: Mode,
    /// For the variables that vendors' tools read.
    env: &'a dyn Lookup,
    /// Flags without a value.
    missing: Vec<&'static str>,
    /// Those of them for which something was found.
    found: Vec<&'static str>,
    wrong: Vec<String>,
}

/// Takes, asks or suggests every value.
///
/// # Errors
/// Usage: everything that is missing in one sentence, everything that is wrong in one
/// sentence each.
pub fn gather(
    args: &InitArgs,
    survey: &Survey,
    mode: Mode,
    env: &dyn Lookup,
) -> Result<Answers, Failure> {
    if mode == Mode::Ask {
        // Nobody should answer ten questions to be told then that a flag is wrong.
        let mut flags = Gatherer::new(Mode::Strict, env);
        flags.settle_all(args, survey)?;
        flags.missing.clear();
        flags.finish()?;
    }
    let mut gatherer = Gatherer::new(mode, env);
    let answers = gatherer.settle_all(args, survey)?;
    gatherer.finish()?;
    Ok(answers.expect("what is open is missing or wrong, and `finish` refused both"))
}

impl Answers {
    /// The folder that is the target, if it is one.
    pub fn target_folder(&self) -> Option<&Path> {
        match &self.destination {
            Destination::Folder { path, .. } => Some(path),
            Destination::Service(_) => None,
        }
    }

    /// The service that is the target, if it is one.
    pub fn service(&self) -> Option<&ServiceTarget> {
        match &self.destination {
            Destination::Folder { .. } => None,
            Destination::Service(service) => Some(service),
        }
    }
}

impl<'a> Gatherer<'a> {
    fn new(mode: Mode, env: &'a dyn Lookup) -> Self {
        Self {
            mode,
            env,
            missing: Vec::new(),
            found: Vec::new(),
            wrong: Vec::new(),
        }
    }

    /// All answers, or none if one is noted as missing or wrong.
    fn settle_all(&mut self, args: &InitArgs, survey: &Survey) -> Result<Option<Answers>, Failure> {
        let node = self.node(args, survey)?;
        let cluster = self.cluster(args)?;
        let endpoints = self.endpoints(args, survey)?;
        let tls = endpoints
            .as_ref()
            .is_none_or(|list| list.iter().any(|endpoint| endpoint.starts_with("https:")));
        let ca = self.ca(args, survey, tls)?;
        let client = self.client(args, survey, tls)?;
        let files = self.files(args, survey)?;
        let destination = self.destination(args)?;
        let schedule = self.schedule(args)?;
        let time_zone = self.time_zone(args)?;
        let sealing = self.sealing(args)?;
        let (dir, state) = (absolute(&args.dir)?, absolute(&args.state)?);
        let login = match (&args.username, &args.password_file) {
            (Some(user), Some(file)) => Some((user.clone(), absolute(file)?)),
            _ => None,
        };
        let whole = || {
            let (node, files) = (node?, files?);
            Some(Answers {
                exclude: to_exclude(&args.root, &files),
                required: required(&args.root, &node, &files),
                dir,
                node,
                state,
                cluster: cluster?,
                endpoints: endpoints?,
                ca,
                client,
                login,
                files,
                destination: destination?,
                schedule: schedule?,
                time_zone: time_zone?,
                sealing: sealing?,
            })
        };
        Ok(whole())
    }

    /// The value, or none if it is noted as missing or wrong.
    fn settle<T>(&mut self, question: Question<'_, T>) -> Result<Option<T>, Failure> {
        let answer = match (question.given, self.mode) {
            (Some(given), _) => given,
            (None, Mode::Ask) => {
                let check = |text: &str| (question.parse)(text).map(|_| ());
                ask::text(question.prompt, question.suggestion.as_ref(), &check)?
            }
            (None, Mode::Take) if question.suggestion.is_some() => question
                .suggestion
                .map(|found| found.value)
                .unwrap_or_default(),
            (None, _) => {
                self.missing.push(question.flag);
                if question.suggestion.is_some() {
                    self.found.push(word(question.flag));
                }
                return Ok(None);
            }
        };
        match (question.parse)(&answer) {
            Ok(value) => Ok(Some(value)),
            Err(rule) => {
                self.wrong.push(format!("{} {rule}", word(question.flag)));
                Ok(None)
            }
        }
    }

    /// The host name stands without anybody's consent, unless somebody is asked anyway.
    fn node(&mut self, args: &InitArgs, survey: &Survey) -> Result<Option<String>, Failure> {
        let found = survey.node.clone();
        let (standing, suggestion) = match self.mode {
            Mode::Ask => (None, found),
            Mode::Take | Mode::Strict => (found.map(|found| found.value), None),
        };
        self.settle(Question {
            flag: "--node NAME",
            prompt: "Name of this node",
            given: args.node.clone().or(standing),
            suggestion,
            parse: &name,
        })
    }

    /// Never suggested: two clusters of one name would share a folder at their target.
    fn cluster(&mut self, args: &InitArgs) -> Result<Option<String>, Failure> {
        self.settle(Question {
            flag: "--cluster NAME",
            prompt: "Name of the cluster",
            given: args.cluster.clone(),
            suggestion: None,
            parse: &name,
        })
    }

    fn endpoints(
        &mut self,
        args: &InitArgs,
        survey: &Survey,
    ) -> Result<Option<Vec<String>>, Failure> {
        self.settle(Question {
            flag: "--endpoint URL",
            prompt: "Client addresses of etcd's members, commas between them",
            given: (!args.endpoints.is_empty()).then(|| args.endpoints.join(",")),
            suggestion: survey.endpoints.as_ref().map(|found| Found {
                value: found.value.join(","),
                from: found.from.clone(),
            }),
            parse: &endpoints,
        })
    }

    /// An authority is needed wherever there is TLS.
    fn ca(
        &mut self,
        args: &InitArgs,
        survey: &Survey,
        tls: bool,
    ) -> Result<Option<PathBuf>, Failure> {
        if !tls {
            return args.ca.as_deref().map(absolute).transpose();
        }
        self.settle(Question {
            flag: "--ca FILE",
            prompt: "Authority that signed the members' certificates",
            given: args.ca.as_ref().map(shown),
            suggestion: survey.file(|found| &found.ca),
            parse: &path,
        })
    }

    /// A client shows a certificate, unless it logs in with a name or nobody asks for TLS.
    fn client(
        &mut self,
        args: &InitArgs,
        survey: &Survey,
        tls: bool,
    ) -> Result<Option<(PathBuf, PathBuf)>, Failure> {
        if args.cert.is_none() && (!tls || args.username.is_some()) {
            return Ok(None);
        }
        let certificate = self.settle(Question {
            flag: "--cert FILE",
            prompt: "Client certificate for etcd",
            given: args.cert.as_ref().map(shown),
            suggestion: survey.file(|found| &found.certificate),
            parse: &path,
        })?;
        let key = self.settle(Question {
            flag: "--key FILE",
            prompt: "Private key of that certificate",
            given: args.key.as_ref().map(shown),
            suggestion: survey.file(|found| &found.key),
            parse: &path,
        })?;
        Ok(certificate.zip(key))
    }

    /// Asked for only where something was found: a node without such folders is no node of
    /// a control plane, and whoever knows better has the flag.
    fn files(&mut self, args: &InitArgs, survey: &Survey) -> Result<Option<Vec<PathBuf>>, Failure> {
        let found = survey.folders.as_ref();
        if args.no_files || (args.files.is_empty() && found.is_none()) {
            return Ok(Some(Vec::new()));
        }
        let given = args.files.iter().map(shown).collect::<Vec<_>>();
        self.settle(Question {
            flag: "--files DIR (or --no-files)",
            prompt: "Folders to back up beside etcd, commas between them (- for none)",
            given: (!given.is_empty()).then(|| given.join(",")),
            suggestion: found.map(|found| Found {
                value: found.value.join(","),
                from: found.from.clone(),
            }),
            parse: &folders,
        })
    }

    fn destination(&mut self, args: &InitArgs) -> Result<Option<Destination>, Failure> {
        if let Some(service) = self.service(args)? {
            let target = self.service_target(service, args)?;
            return Ok(target.map(|target| Destination::Service(Box::new(target))));
        }
        let path = self.target_folder(args)?;
        Ok(path.map(|path| Destination::Folder {
            path,
            is_mounted: false,
        }))
    }

    fn target_folder(&mut self, args: &InitArgs) -> Result<Option<PathBuf>, Failure> {
        self.settle(Question {
            flag: "--target-folder DIR",
            prompt: "Folder for the recovery points (better on another machine's disk)",
            given: args.target_folder.as_ref().map(shown),
            suggestion: Some(usual(TARGET_FOLDER)),
            parse: &path,
        })
    }

    fn schedule(&mut self, args: &InitArgs) -> Result<Option<String>, Failure> {
        self.settle(Question {
            flag: "--schedule CRON",
            prompt: "When to back up (minute, hour, day of month, month, day of week)",
            given: args.schedule.clone(),
            suggestion: Some(usual(SCHEDULE)),
            parse: &cron,
        })
    }

    fn time_zone(&mut self, args: &InitArgs) -> Result<Option<String>, Failure> {
        self.settle(Question {
            flag: "--time-zone ZONE",
            prompt: "Time zone of these times",
            given: args.time_zone.clone().or_else(|| match self.mode {
                Mode::Ask => None,
                Mode::Take | Mode::Strict => Some(TIME_ZONE.to_owned()),
            }),
            suggestion: Some(usual(TIME_ZONE)),
            parse: &zone,
        })
    }

    fn sealing(&mut self, args: &InitArgs) -> Result<Option<Sealing>, Failure> {
        if let Some(file) = &args.sealing_key_out {
            return Ok(Some(Sealing::NewKey(absolute(file)?)));
        }
        if self.mode == Mode::Ask && args.recipients.is_empty() {
            return ask_for_sealing().map(Some);
        }
        if args.recipients.is_empty() {
            self.missing
                .push("--recipient AGE (or --sealing-key-out FILE)");
            return Ok(None);
        }
        for line in &args.recipients {
            if let Err(rule) = recipient(line) {
                self.wrong.push(format!("--recipient {rule}"));
            }
        }
        Ok(Some(Sealing::For(args.recipients.clone())))
    }

    fn finish(self) -> Result<(), Failure> {
        let mut sentences = self.wrong;
        if !self.missing.is_empty() {
            sentences.push(missing(&self.missing, &self.found));
        }
        if sentences.is_empty() {
            return Ok(());
        }
        Err(Failure::usage(error_lines(sentences)))
    }
}

impl Survey {
    fn file(
        &self,
        which: impl Fn(&super::survey::Credentials) -> &PathBuf,
    ) -> Option<Found<String>> {
        self.credentials.as_ref().map(|found| Found {
            value: shown(which(&found.value)),
            from: found.from.clone(),
        })
    }
}

fn missing(flags: &[&str], found: &[&str]) -> String {
    let mut text = format!(
        "init needs {}: give {}, or start it on a terminal to be asked",
        flags.join(", "),
        if flags.len() == 1 { "it" } else { "them" },
    );
    if !found.is_empty() {
        text.push_str(&format!(
            "; --yes takes what was found on this node or is usual for {}",
            found.join(", ")
        ));
    }
    text
}

fn ask_for_sealing() -> Result<Sealing, Failure> {
    let or_nothing = |text: &str| {
        if text.is_empty() {
            Ok(())
        } else {
            recipient(text)
        }
    };
    let key = ask::optional(
        "Public key to seal for (age1... or ssh-ed25519 ...; nothing to make a key now)",
        &or_nothing,
    )?;
    if !key.is_empty() {
        return Ok(Sealing::For(vec![key]));
    }
    let check = |text: &str| path(text).map(|_| ());
    let file = ask::text(
        "File for the private sealing key, which you then take off this node",
        None,
        &check,
    )?;
    Ok(Sealing::NewKey(absolute(Path::new(&file))?))
}

fn usual(value: &str) -> Found<String> {
    Found {
        value: value.to_owned(),
        from: "usual".to_owned(),
    }
}

pub(super) fn name(text: &str) -> Result<String, String> {
    Name::parse(text).map(|name| name.as_str().to_owned())
}

fn endpoints(text: &str) -> Result<Vec<String>, String> {
    let list: Vec<String> = text
        .split(',')
        .map(|part| part.trim().trim_end_matches('/').to_owned())
        .filter(|part| !part.is_empty())
        .collect();
    if list.is_empty() {
        return Err("needs the client address of one member at least".to_owned());
    }
    match list.iter().find(|endpoint| !is_endpoint(endpoint)) {
        // What stands there is not shown: it may hold a password.
        Some(_) => Err(
            "must be an address of the form https://HOST:PORT (or http://), without a path or a user"
                .to_owned(),
        ),
        None => Ok(list),
    }
}

fn folders(text: &str) -> Result<Vec<PathBuf>, String> {
    if text == NO_FOLDERS {
        return Ok(Vec::new());
    }
    let parts = text.split(',').map(str::trim);
    let paths = parts.filter(|part| !part.is_empty()).map(path);
    paths.collect()
}

fn cron(text: &str) -> Result<String, String> {
    CronExpr::parse(text)
        .map(|_| text.to_owned())
        .map_err(|error| format!("cannot be read: {error}"))
}

fn zone(text: &str) -> Result<String, String> {
    Zone::parse(text)
        .map(|_| text.to_owned())
        .map_err(|error| format!("cannot be used: {error}"))
}

fn recipient(text: &str) -> Result<(), String> {
    Recipient::parse(text)
        .map(|_| ())
        .map_err(|error| format!("cannot be used: {error}"))
}

fn path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() {
        return Err("must name a path".to_owned());
    }
    if text.chars().any(char::is_control) {
        return Err("must be a path without line breaks and control characters".to_owned());
    }
    std::path::absolute(text).map_err(|error| format!("cannot be made absolute: {error}"))
}

/// A path of a flag; documents are UTF-8, so a path must be too.
pub(super) fn absolute(given: &Path) -> Result<PathBuf, Failure> {
    given
        .to_str()
        .ok_or_else(|| "is no UTF-8 text, as paths in documents must be".to_owned())
        .and_then(path)
        .map_err(|rule| Failure::usage(format!("the path {} {rule}", given.display())))
}

fn shown(path: impl AsRef<Path>) -> String {
    path.as_ref().display().to_string()
}

/// The flag without the word for its value.
fn word(flag: &'static str) -> &'static str {
    flag.split(' ').next().unwrap_or(flag)
}

#[cfg(test)]
mod tests;
