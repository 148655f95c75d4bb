//! From a job's commands to what they do: how etcd is reached, and what keeps the snapshot.
//!
//! **Invariant:** what is not certain is a question, never a guess; and a value that is used as
//! a secret is named by its variable, wherever it stood.

use std::collections::{BTreeMap, BTreeSet};

use super::manifest::{Container, Manifest, Mount, Variable, Volume};
use super::shell::{Command, Piece, Word};
use super::stores::{self, Identity, Store};

/// Bytes and parts that are looked at to tell a value: no name or address is as long.
const EXPANDED_MAX: usize = 4096;

/// Flags of which the value is a secret, by the program that has them.
const SECRET_FLAGS: [(&str, &[&str]); 2] = [
    (
        "az",
        &[
            "--account-key",
            "--sas-token",
            "--password",
            "-p",
            "--federated-token",
            "--connection-string",
        ],
    ),
    ("etcdctl", &["--user", "--password"]),
];

/// Variables that programs read a secret from.
const SECRET_VARIABLES: [&str; 8] = [
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AZURE_STORAGE_KEY",
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_STORAGE_CONNECTION_STRING",
    "AZURE_CLIENT_SECRET",
    "ETCDCTL_USER",
    "ETCDCTL_PASSWORD",
];

/// Flags behind which no value stands.
const SWITCHES: [&str; 10] = [
    "service-principal",
    "identity",
    "i",
    "only-show-errors",
    "no-progress",
    "overwrite",
    "quiet",
    "m",
    "q",
    "insecure-skip-tls-verify",
];

/// Script variables that lead to each other and so on: more is a circle.
const DEPTH_MAX: usize = 8;

/// A value as it stands in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Text(String),
    /// A variable of the daemon's.
    Env(String),
    /// What the file does not tell.
    Question(String),
}

/// How etcd is reached.
#[derive(Debug, Default)]
pub struct Etcd {
    pub endpoints: Vec<Answer>,
    pub ca: Option<Answer>,
    pub certificate: Option<Answer>,
    pub key: Option<Answer>,
    /// Where etcdctl logs in with a name.
    pub username: Option<Answer>,
}

/// A variable that the daemon has to be given, and where its value is today.
pub type Needs = BTreeMap<String, String>;

/// Everything that was found.
#[derive(Debug)]
pub struct Found {
    pub etcd: Etcd,
    pub store: Store,
    pub needs: Needs,
}

/// One container while its commands are read.
pub struct Reading<'a> {
    pub container: &'a Container,
    /// What the script itself sets.
    set: BTreeMap<String, Word>,
    /// Variables that are used as a secret somewhere in the container.
    secrets: BTreeSet<String>,
    /// Whether it read another file's variables.
    has_sourced: bool,
    pub needs: &'a mut Needs,
}

/// A name and a password in one word, which a document has apart.
const USER: &str = "As which user is etcd asked? The manifest logs in: say username, and password beside it as {valueFrom: {file: PATH}}.";

/// Flags that are understood, or that say nothing of a backup, by the program that has them.
const FLAGS: [(&str, &[&str]); 5] = [
    (
        "etcdctl",
        &[
            "endpoints",
            "endpoint",
            "cacert",
            "ca-file",
            "trusted-ca-file",
            "cert",
            "cert-file",
            "key",
            "key-file",
            "user",
        ],
    ),
    (
        "az",
        &[
            "account-name",
            "account-key",
            "container-name",
            "c",
            "name",
            "n",
            "file",
            "f",
            "auth-mode",
            "sas-token",
            "destination",
            "d",
            "destination-path",
            "source",
            "s",
            "service-principal",
            "identity",
            "i",
            "username",
            "u",
            "password",
            "p",
            "federated-token",
            "client-id",
            "object-id",
            "resource-id",
            "tenant",
            "t",
            "output",
            "o",
            "only-show-errors",
            "no-progress",
            "overwrite",
        ],
    ),
    (
        "aws",
        &[
            "endpoint-url",
            "region",
            "storage-class",
            "only-show-errors",
            "quiet",
            "no-progress",
            "bucket",
            "key",
            "body",
        ],
    ),
    ("gsutil", &["m", "q"]),
    ("gcloud", &["key-file", "quiet", "q"]),
];

/// What commands of a script are for that Drydock does by itself, or needs no more.
const OWN_WORK: [(&[&str], &str); 8] = [
    (
        &["rm", "find", "xargs", "unlink"],
        "removes files; Drydock removes its own spool, and recovery points stay until they are pruned",
    ),
    (
        &[
            "gzip", "zstd", "pigz", "zip", "bzip2", "openssl", "gpg", "age",
        ],
        "packs or encrypts; Drydock compresses and seals each snapshot",
    ),
    (
        &["tar"],
        "packs; Drydock packs each snapshot by itself, and what else is packed here is in no new backup: add a step `backup: files-backup` with its folders to the Schedule",
    ),
    (
        &["sha256sum", "md5sum", "cksum", "etcdutl"],
        "checks a file; Drydock judges each snapshot",
    ),
    (
        &[
            "apk", "apt-get", "apt", "yum", "dnf", "pip", "pip3", "chmod", "chown", "ln", "install",
        ],
        "prepares the container; Drydock is one file",
    ),
    (
        &[
            "if", "elif", "for", "while", "until", "case", "test", "[", "[[",
        ],
        "decides in the script; a Schedule has its own retries and policies",
    ),
    (
        &["sleep", "trap", "kill"],
        "waits or cleans up; a Schedule has its own deadlines",
    ),
    (
        &["kubectl"],
        "asks the API server; Drydock speaks to etcd alone",
    ),
];

/// Commands that leave nothing to be carried over.
const SILENT: [&str; 19] = [
    "set", "echo", "printf", "date", "mkdir", "cd", "ls", "true", ":", "exit", "cat", "du",
    "basename", "dirname", "tee", "hostname", "unset", "umask", "read",
];

/// Reads all containers in their order.
pub fn read(manifest: &mut Manifest) -> Found {
    let mut needs = Needs::new();
    let mut etcd: Option<Etcd> = None;
    let mut stores = stores::Seen::default();
    let containers = std::mem::take(&mut manifest.containers);
    for container in &containers {
        let mut reading = Reading {
            container,
            set: BTreeMap::new(),
            secrets: secrets(container),
            has_sourced: false,
            needs: &mut needs,
        };
        let mut is_loop = false;
        for command in &container.commands {
            reading.note_sets(command, is_loop);
            let name = command.name().unwrap_or_default();
            // The names and values of a loop stand where a command would.
            let is_head = std::mem::replace(&mut is_loop, name == "for");
            let (line, what) = place(container, command);
            if is_head {
                continue;
            }
            if is_save(container, command) {
                let own = reading.etcd(command);
                let is_other = etcd
                    .as_ref()
                    .is_some_and(|first| first.endpoints != own.endpoints);
                if is_other {
                    manifest.leave(line, &what, SECOND_CLUSTER);
                    continue;
                }
                etcd.get_or_insert(own);
                stores.saved_at(&reading, command, (line, what));
                leave_flags(manifest, container, command, "etcdctl");
            } else if is_etcdctl(command) || stores.see(&mut reading, command, (line, what.clone()))
            {
                leave_flags(manifest, container, command, &name);
            } else if let Some(why) = left_why(command, &name) {
                manifest.leave(line, &what, &why);
            }
        }
    }
    let store = stores.finish(manifest);
    let (etcd, store) = asked(&containers, etcd, store);
    let mut found = Found { etcd, store, needs };
    found.forget_unused();
    found
}

/// Whether it has etcdctl write a snapshot.
fn is_save(container: &Container, command: &Command) -> bool {
    command.says(&["snapshot", "save"]) && (is_etcdctl(command) || container.commands.len() == 1)
}

/// By its name, or by what stands before `snapshot` where another program runs it.
fn is_etcdctl(command: &Command) -> bool {
    let mut pairs = command.words.windows(2);
    command.name().as_deref() == Some("etcdctl")
        || pairs.any(|pair| {
            ends_with(&pair[0], "etcdctl") && pair[1].text().as_deref() == Some("snapshot")
        })
}

/// The variables that a container uses as secrets, with those through which its script hands
/// them on.
fn secrets(container: &Container) -> BTreeSet<String> {
    let mut secrets: BTreeSet<String> = SECRET_VARIABLES.map(str::to_owned).into();
    for command in &container.commands {
        let name = command.name().unwrap_or_default();
        let known = SECRET_FLAGS.iter().find(|(program, _)| *program == name);
        for flag in known.map_or(&[][..], |(_, flags)| *flags) {
            secrets.extend(command.flag(&[*flag]).iter().flat_map(variables));
        }
    }
    // What a secret is set from is one too; what is made of one is found when it is expanded.
    for _ in 0..DEPTH_MAX {
        let sets = container.commands.iter().flat_map(|command| &command.sets);
        let secret = sets.filter(|(name, _)| secrets.contains(name));
        let more: Vec<String> = secret.flat_map(|(_, value)| variables(value)).collect();
        secrets.extend(more);
    }
    secrets
}

/// The variables in a word.
fn variables(word: &Word) -> Vec<String> {
    let names = word.0.iter().filter_map(|piece| match piece {
        Piece::Variable(name) => Some(name.clone()),
        Piece::Text(_) | Piece::Made(_) => None,
    });
    names.collect()
}

/// Why a second snapshot is left.
const SECOND_CLUSTER: &str = "is a second cluster: write a Cluster and a Schedule for it";

/// Questions where nothing was found, with what the containers run instead.
fn asked(containers: &[Container], etcd: Option<Etcd>, store: Option<Store>) -> (Etcd, Store) {
    let runs: Vec<String> = containers
        .iter()
        .map(|container| {
            // What stands behind the first word may be a secret.
            let first = container
                .commands
                .first()
                .and_then(|command| command.words.first());
            match first.map(Word::named) {
                Some(program) if container.commands.len() == 1 => {
                    format!("container {} runs {program}", container.name)
                }
                Some(_) => format!("container {} runs a script", container.name),
                None => format!("container {} runs what its image says", container.name),
            }
        })
        .collect();
    let runs = runs.join(", ");
    let etcd = etcd.unwrap_or_else(|| Etcd {
        endpoints: vec![Answer::Question(format!(
            "How is etcd reached? No `etcdctl snapshot save` can be seen: {runs}."
        ))],
        ..Etcd::default()
    });
    let store = store.unwrap_or_else(|| {
        Store::Folder(Answer::Question(format!(
            "Where do snapshots go? No upload and no folder of the node can be seen: {runs}."
        )))
    });
    (etcd, store)
}

/// Names the flags of a command that nobody here understands. What they are set to may be a
/// secret.
fn leave_flags(manifest: &mut Manifest, container: &Container, command: &Command, name: &str) {
    let Some((_, known)) = FLAGS.iter().find(|(program, _)| *program == name) else {
        return;
    };
    if command.says(&["snapshot", "status"]) || command.says(&["endpoint"]) {
        return;
    }
    let mut before: Option<String> = None;
    for word in &command.words {
        let flag = flag_of(word);
        let behind = std::mem::replace(&mut before, flag.clone().filter(|_| !has_value(word)));
        let Some(flag) = flag else { continue };
        let bare = flag.trim_start_matches('-');
        let is_switch = |flag: &String| SWITCHES.contains(&flag.trim_start_matches('-'));
        let behind = behind.filter(|behind| !is_switch(behind));
        let shown = match &behind {
            // It is that one's value, though it begins as a flag does.
            Some(behind) if known.contains(&behind.trim_start_matches('-')) => {
                before = None;
                continue;
            }
            _ if known.contains(&bare) => continue,
            // Perhaps a value, which may be a secret.
            Some(behind) => format!("what stands behind {behind}"),
            None => flag,
        };
        let (line, what) = place(container, command);
        manifest.leave(
            line,
            &format!("{what}: {shown}"),
            "has no counterpart that is known here",
        );
    }
}

/// The name of a flag with its dashes, without a value: of a short one the letter alone.
fn flag_of(word: &Word) -> Option<String> {
    let Some(Piece::Text(text)) = word.0.first() else {
        return None;
    };
    let bare = text.strip_prefix('-')?;
    let Some(long) = bare.strip_prefix('-') else {
        let letter = bare.chars().next()?;
        return Some(format!("-{letter}"));
    };
    let name = long.split('=').next().unwrap_or_default();
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() {
        return None;
    }
    Some(if name.chars().all(plain) {
        format!("--{name}")
    } else {
        "a flag".to_owned()
    })
}

/// Whether a flag's value stands in the same word.
fn has_value(word: &Word) -> bool {
    let text = word.shown();
    let is_long = text.starts_with("--");
    (is_long && text.contains('=')) || (!is_long && text.chars().count() > 2)
}

/// Why a command is not carried over; none where there is nothing to say.
fn left_why(command: &Command, name: &str) -> Option<String> {
    if command.words.is_empty() || SILENT.contains(&name) {
        return None;
    }
    if ["aws", "gsutil", "gcloud"].contains(&name) && command.says(&["cp"]) {
        return Some(
            "is no upload from this node, e.g. a download: look whether it matters to the backup"
                .to_owned(),
        );
    }
    let known = OWN_WORK.iter().find(|(names, _)| names.contains(&name));
    Some(known.map_or(
        "is not understood: look whether it matters to the backup".to_owned(),
        |(_, why)| (*why).to_owned(),
    ))
}

/// The line of the file, and the command as people call it. What stands behind its name may be
/// a secret.
fn place(container: &Container, command: &Command) -> (u64, String) {
    let name = command.words.first().map(Word::named).unwrap_or_default();
    let line = container.script.unwrap_or(container.line);
    (
        line,
        format!(
            "container {}: {name} (line {} of its script)",
            container.name, command.line
        ),
    )
}

fn ends_with(word: &Word, name: &str) -> bool {
    word.text()
        .is_some_and(|text| text == name || text.ends_with(&format!("/{name}")))
}

impl Reading<'_> {
    /// What a command sets: by itself, by `read`, or as a loop does.
    fn note_sets(&mut self, command: &Command, is_loop: bool) {
        for (name, value) in &command.sets {
            // What a variable is set to by itself it was before.
            if command.words.is_empty() && value.variable() != Some(name.as_str()) {
                self.set.insert(name.clone(), value.clone());
            }
        }
        let name = command.name().unwrap_or_default();
        self.has_sourced |= name == "source" || name == ".";
        let count = match name.as_str() {
            _ if is_loop => 1,
            "read" => command.words.len(),
            _ => 0,
        };
        let names = command.words.iter().take(count).filter_map(Word::text);
        for name in names {
            self.set
                .insert(name, Word(vec![Piece::Made(String::new())]));
        }
    }

    fn etcd(&mut self, command: &Command) -> Etcd {
        let word = |flags: &[&str], variable: &str| {
            let set = command.sets.iter().find(|(name, _)| name == variable);
            let flag = command
                .flag(flags)
                .or_else(|| set.map(|(_, value)| value.clone()));
            flag.or_else(|| self.variable(variable))
        };
        let endpoints = word(&["--endpoints", "--endpoint"], "ETCDCTL_ENDPOINTS");
        let ca = word(
            &["--cacert", "--ca-file", "--trusted-ca-file"],
            "ETCDCTL_CACERT",
        );
        let certificate = word(&["--cert", "--cert-file"], "ETCDCTL_CERT");
        let key = word(&["--key", "--key-file"], "ETCDCTL_KEY");
        let has_tls = ca.is_some() || certificate.is_some();
        let mut file = |word: Option<Word>, what: &str| word.map(|word| self.file(&word, what));
        let (ca, certificate, key) = (
            file(ca, "etcd's authority"),
            file(certificate, "the client's certificate"),
            file(key, "the client's key"),
        );
        let user = command.flag(&["--user"]);
        let user = user.or_else(|| self.variable("ETCDCTL_USER"));
        let is_found = command.flag(&["--discovery-srv"]).is_some()
            || self.variable("ETCDCTL_DISCOVERY_SRV").is_some();
        Etcd {
            endpoints: self.endpoints(endpoints, has_tls, is_found),
            ca,
            certificate,
            key,
            username: user.map(|_| Answer::Question(USER.to_owned())),
        }
    }

    /// `is_found` is whether etcdctl asks the DNS for them.
    fn endpoints(&mut self, word: Option<Word>, has_tls: bool, is_found: bool) -> Vec<Answer> {
        let scheme = if has_tls { "https" } else { "http" };
        let is_beside = self.has_sourced || !self.container.beside.is_empty();
        let Some(word) = word else {
            if is_found || is_beside {
                return vec![Answer::Question("At which addresses do etcd's members listen? The manifest leaves that to the DNS, to a file or to an object that is not in it.".to_owned())];
            }
            // Where etcdctl looks when nobody says.
            return vec![Answer::Text(format!("{scheme}://127.0.0.1:2379"))];
        };
        match self.answer(&word, "At which addresses do etcd's members listen?") {
            Answer::Text(text) => {
                let parts = text
                    .split(',')
                    .map(str::trim)
                    .filter(|part| !part.is_empty());
                let parts = parts.map(|part| {
                    let part = part.trim_end_matches('/');
                    let whole = if part.contains("://") {
                        part.to_owned()
                    } else {
                        format!("{scheme}://{part}")
                    };
                    if drydock_documents::cluster::is_endpoint(&whole) {
                        return Answer::Text(whole);
                    }
                    Answer::Question(
                        "Which address of the form https://HOST:PORT does etcd have?".to_owned(),
                    )
                });
                parts.collect()
            }
            other => vec![other],
        }
    }

    /// A file that the node has to have.
    pub fn file(&mut self, word: &Word, what: &str) -> Answer {
        match self.answer(word, &format!("Where on the node is {what}?")) {
            Answer::Text(path) => on_node(&self.container.mounts, &path, what),
            Answer::Env(name) => Answer::Question(format!(
                "Where on the node is {what}? The variable {name} says it in the container."
            )),
            question @ Answer::Question(_) => question,
        }
    }

    /// A value that is no secret.
    pub fn answer(&mut self, word: &Word, question: &str) -> Answer {
        match self.expand(word, DEPTH_MAX) {
            Some(text) if text.is_empty() => {
                return Answer::Question(format!("{question} The manifest leaves it empty."));
            }
            Some(text) => return Answer::Text(text),
            None => {}
        }
        match self.outside(word) {
            Some((name, _)) if self.secrets.contains(&name) => Answer::Question(format!(
                "{question} The manifest takes it from {name}, which is a secret elsewhere."
            )),
            Some((name, from)) => {
                self.needs.entry(name.clone()).or_insert(from);
                Answer::Env(name)
            }
            None => Answer::Question(format!("{question} It is made of {}.", word.parts())),
        }
    }

    /// A secret: always a variable, whatever the manifest says in clear.
    pub fn secret(&mut self, word: &Word, otherwise: &str) -> Answer {
        let mut left = EXPANDED_MAX;
        let told = self.spell(word, DEPTH_MAX, &mut left, true);
        if told.as_deref() == Some("") {
            return Answer::Question(format!(
                "Which variable of the daemon holds the secret? The manifest gives none; {otherwise} is its usual name."
            ));
        }
        let (name, from) = match self.outside(word) {
            Some(found) => found,
            None => match self.inner_variable(word) {
                Some(name) => {
                    let from = match self.container.variables.get(&name) {
                        Some(Variable::ConfigMap { name, key, .. }) => format!(
                            "the key {key} of the ConfigMap {name}, where no secret belongs: take it for exposed"
                        ),
                        _ => "the manifest, in clear: take it for exposed".to_owned(),
                    };
                    (name, from)
                }
                None if told.is_none() => (
                    otherwise.to_owned(),
                    "no object of the manifest: it is what the script makes there".to_owned(),
                ),
                None => (
                    otherwise.to_owned(),
                    "the manifest's command, in clear: take it for exposed".to_owned(),
                ),
            },
        };
        self.needs.entry(name.clone()).or_insert(from);
        Answer::Env(name)
    }

    /// A variable of the container, as a word.
    pub fn variable(&self, name: &str) -> Option<Word> {
        let set = self.set.contains_key(name) || self.container.variables.contains_key(name);
        set.then(|| Word(vec![Piece::Variable(name.to_owned())]))
    }

    /// Whether a variable among these is used as a secret.
    pub fn holds_secret(&self, pieces: &[Piece]) -> bool {
        pieces
            .iter()
            .any(|piece| matches!(piece, Piece::Variable(name) if self.secrets.contains(name)))
    }

    /// The parts of what the script sets a variable to.
    pub fn set_to(&self, name: &str) -> Option<Vec<Piece>> {
        // What is a secret stays a name.
        if self.secrets.contains(name) {
            return None;
        }
        self.set.get(name).map(|word| word.0.clone())
    }

    /// The text of a word whose parts are all told by the manifest itself.
    pub fn expand(&self, word: &Word, depth: usize) -> Option<String> {
        let mut left = EXPANDED_MAX;
        self.spell(word, depth, &mut left, false)
    }

    /// The same within what is `left` of all bytes and parts: variables that name others many
    /// times grow without end. Secrets are spelled only to find out whether they are told.
    fn spell(&self, word: &Word, depth: usize, left: &mut usize, secrets: bool) -> Option<String> {
        let mut text = String::new();
        for piece in &word.0 {
            let part = match piece {
                Piece::Text(part) => part.clone(),
                Piece::Made(_) => return None,
                Piece::Variable(name) if !secrets && self.secrets.contains(name) => return None,
                Piece::Variable(name) => self.told(name, depth, left, secrets)?,
            };
            *left = left.checked_sub(part.len() + 1)?;
            text.push_str(&part);
        }
        Some(text)
    }

    fn told(&self, name: &str, depth: usize, left: &mut usize, secrets: bool) -> Option<String> {
        if let Some(word) = self.set.get(name) {
            return self.spell(word, depth.checked_sub(1)?, left, secrets);
        }
        match self.container.variables.get(name)? {
            Variable::Value(value)
            | Variable::ConfigMap {
                value: Some(value), ..
            } => Some(value.clone()),
            Variable::ConfigMap { .. } | Variable::Secret { .. } | Variable::Pod(_) => None,
        }
    }

    /// The variable behind a word that has one alone, through what the script sets.
    fn inner_variable(&self, word: &Word) -> Option<String> {
        let mut name = word.variable()?.to_owned();
        for _ in 0..DEPTH_MAX {
            match self.set.get(&name).and_then(Word::variable) {
                Some(inner) if inner != name => inner.clone_into(&mut name),
                _ => break,
            }
        }
        // What the script sets comes from nowhere else.
        let is_set = self.set.contains_key(&name);
        let is_known = self.container.variables.contains_key(&name);
        // Whatever the job itself does not set comes from what the file does not hold.
        let is_beside = !self.container.beside.is_empty() && !self.has_sourced;
        (!is_set && (is_known || is_beside)).then_some(name)
    }

    /// A variable whose value stands in a Secret, or in a ConfigMap that the file does not hold.
    fn outside(&self, word: &Word) -> Option<(String, String)> {
        let name = self.inner_variable(word)?;
        let Some(variable) = self.container.variables.get(&name) else {
            let from = self.container.beside.join(" or in ");
            return Some((name, from));
        };
        let from = match variable {
            Variable::Secret { name, key } => format!("the key {key} of the Secret {name}"),
            Variable::ConfigMap {
                name,
                key,
                value: None,
            } => format!("the key {key} of the ConfigMap {name}"),
            Variable::Value(_) | Variable::ConfigMap { .. } | Variable::Pod(_) => return None,
        };
        Some((name, from))
    }
}

/// The file of the node behind a path in a container.
pub fn on_node(mounts: &[Mount], path: &str, what: &str) -> Answer {
    let inside = |mount: &&Mount| {
        let rest = path.strip_prefix(&mount.path);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let mount = mounts
        .iter()
        .filter(inside)
        .max_by_key(|mount| mount.path.len());
    let question = |where_it_is: String| {
        Answer::Question(format!(
            "Where on the node is {what}? In the container it is {path}, {where_it_is}."
        ))
    };
    match mount.map(|mount| (&mount.volume, &path[mount.path.len()..])) {
        Some((Volume::HostPath(folder), rest)) => Answer::Text(format!("{folder}{rest}")),
        Some((Volume::Secret(name), _)) => question(format!(
            "out of the Secret {name}: put it into a file that root alone can read"
        )),
        Some((Volume::Empty, _)) => question("in a folder that goes with the pod".to_owned()),
        Some((Volume::Other(kind), _)) => question(format!("in a volume of the kind {kind}")),
        None => question("in the image or on no volume".to_owned()),
    }
}

impl Found {
    /// Variables of what was dropped need not be set.
    fn forget_unused(&mut self) {
        let etcd = &self.etcd;
        let files = [&etcd.ca, &etcd.certificate, &etcd.key, &etcd.username];
        let all = etcd.endpoints.iter().chain(files.into_iter().flatten());
        let used: BTreeSet<String> = all
            .chain(self.store.answers())
            .filter_map(|answer| match answer {
                Answer::Env(name) => Some(name.clone()),
                Answer::Text(_) | Answer::Question(_) => None,
            })
            .collect();
        self.needs.retain(|name, _| used.contains(name));
    }

    /// All questions, each once.
    pub fn questions(&self) -> BTreeSet<String> {
        let who = match self.store.identity() {
            Some(Identity::Question(question)) => Some(question.clone()),
            Some(Identity::Kind(..)) | None => None,
        };
        let etcd = &self.etcd;
        let files = [&etcd.ca, &etcd.certificate, &etcd.key, &etcd.username];
        let all = etcd.endpoints.iter().chain(files.into_iter().flatten());
        let all = all.chain(self.store.answers());
        let questions = all.filter_map(|answer| match answer {
            Answer::Question(question) => Some(question.clone()),
            Answer::Text(_) | Answer::Env(_) => None,
        });
        questions.chain(who).collect()
    }
}
