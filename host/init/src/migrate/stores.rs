//! What keeps the snapshots, from the commands that carry them there: `az`, `aws`, `gsutil` and
//! `gcloud`, or a copy into a folder of the node.

use drydock_core::Endpoint;

use super::found::{Answer, Reading, on_node};
use super::manifest::Manifest;
use super::shell::{Command, Piece, Word};

/// Where recovery points go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Store {
    Azure(Azure),
    S3(S3),
    Gcs(Gcs),
    Folder(Answer),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Azure {
    pub account: Answer,
    pub container: Answer,
    pub prefix: Option<Answer>,
    pub create: bool,
    pub identity: Identity,
    /// Where it is not below the usual domain.
    pub server: Option<Answer>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3 {
    pub bucket: Answer,
    pub prefix: Option<Answer>,
    pub region: Answer,
    pub endpoint: Option<Answer>,
    pub class: Option<Answer>,
    pub identity: Identity,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gcs {
    pub bucket: Answer,
    pub prefix: Option<Answer>,
    pub identity: Identity,
}

/// Who the job is there: the kind with its keys, or a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    Kind(&'static str, Vec<(&'static str, Answer)>),
    Question(String),
}

/// What was seen so far, command by command.
#[derive(Debug, Default)]
pub struct Seen {
    login: Option<Identity>,
    create: bool,
    /// Whether `az` was told of another cloud than the public one.
    other_cloud: bool,
    store: Option<Store>,
    /// Where the snapshot was written, as far as that is told.
    saved: Vec<Vec<Piece>>,
    /// Folders of the node into which the snapshot itself was written or copied, and by which
    /// command.
    folders: Vec<(Place, String)>,
    /// What is stored elsewhere too.
    seconds: Vec<Place>,
    google_key: Option<Answer>,
}

/// A line of the file and the command there.
pub type Place = (u64, String);

/// Why a further target is left.
const SECOND_TARGET: &str = "is a second target: write a Target and a store step for it";

impl Store {
    /// Everything that is said of it.
    pub fn answers(&self) -> Vec<&Answer> {
        let (mut answers, identity): (Vec<Option<&Answer>>, _) = match self {
            Self::Azure(own) => (
                vec![
                    Some(&own.account),
                    Some(&own.container),
                    own.prefix.as_ref(),
                    own.server.as_ref(),
                ],
                Some(&own.identity),
            ),
            Self::S3(own) => (
                vec![
                    Some(&own.bucket),
                    Some(&own.region),
                    own.prefix.as_ref(),
                    own.endpoint.as_ref(),
                    own.class.as_ref(),
                ],
                Some(&own.identity),
            ),
            Self::Gcs(own) => (
                vec![Some(&own.bucket), own.prefix.as_ref()],
                Some(&own.identity),
            ),
            Self::Folder(folder) => (vec![Some(folder)], None),
        };
        if let Some(Identity::Kind(_, keys)) = identity {
            answers.extend(keys.iter().map(|(_, answer)| Some(answer)));
        }
        answers.into_iter().flatten().collect()
    }

    pub fn identity(&self) -> Option<&Identity> {
        match self {
            Self::Azure(own) => Some(&own.identity),
            Self::S3(own) => Some(&own.identity),
            Self::Gcs(own) => Some(&own.identity),
            Self::Folder(_) => None,
        }
    }
}

impl Seen {
    /// The snapshot's own file: in a folder of the node it may be all that there is.
    pub fn saved_at(&mut self, reading: &Reading<'_>, command: &Command, place: Place) {
        let save = command
            .words
            .iter()
            .position(|word| word.text().as_deref() == Some("save"));
        let behind = command.words.iter().skip(save.map_or(0, |at| at + 1));
        let path = behind
            .into_iter()
            .find(|word| !word.shown().starts_with('-'));
        if let Some(path) = path {
            self.saved.push(told(reading, path));
            self.note_folder(reading, path, place);
        }
    }

    /// Takes a command that logs in or carries something away; says whether it did.
    pub fn see(&mut self, reading: &mut Reading<'_>, command: &Command, place: Place) -> bool {
        let name = command.name().unwrap_or_default();
        match name.as_str() {
            "az" if command.says(&["az", "login"]) => self.login = Some(az_login(reading, command)),
            "az" if command.says(&["cloud", "set"]) => self.other_cloud = true,
            "az" if command.says(&["storage", "container", "create"]) => self.create = true,
            "az" if command.says(&["storage", "blob", "upload"])
                || command.says(&["storage", "blob", "upload-batch"]) =>
            {
                let store = az_upload(reading, command, self.login.clone());
                self.keep(store, place);
            }
            "aws"
                if ["cp", "mv", "sync"]
                    .iter()
                    .any(|verb| command.says(&["s3", verb])) =>
            {
                let Some(url) = url(reading, command, "s3://") else {
                    return false;
                };
                let store = s3(reading, command, url);
                self.keep(store, place);
            }
            "aws" if command.says(&["s3api", "put-object"]) => {
                let path = command.flag(&["--key"]).unwrap_or_default();
                let bucket = command.flag(&["--bucket"]).unwrap_or_default();
                let store = s3(reading, command, (bucket, Some(path)));
                self.keep(store, place);
            }
            "gcloud" if command.says(&["auth", "activate-service-account"]) => {
                let file = command.flag(&["--key-file"]);
                self.google_key = file.map(|file| reading.file(&file, GOOGLE_KEY));
            }
            "gsutil" if command.says(&["cp"]) || command.says(&["rsync"]) => {
                return self.see_google(reading, command, place);
            }
            "gcloud" if command.says(&["storage", "cp"]) => {
                return self.see_google(reading, command, place);
            }
            "cp" | "mv" | "rsync" => return self.see_copy(reading, command, place),
            _ => return false,
        }
        true
    }

    /// What is to be the target; any other is left with a word of it.
    pub fn finish(mut self, manifest: &mut Manifest) -> Option<Store> {
        let (create, other_cloud) = (self.create, self.other_cloud);
        // The last one has what was copied out of those before.
        let last = self.folders.last().map(|(_, folder)| folder.clone());
        let store = match self.store.take() {
            Some(Store::Azure(azure)) => {
                let server = other_cloud.then(|| Answer::Question(OTHER_CLOUD.to_owned()));
                Some(Store::Azure(Azure {
                    create,
                    server,
                    ..azure
                }))
            }
            other => other,
        };
        for ((line, what), folder) in self.folders {
            if store.is_some() || last.as_ref() != Some(&folder) {
                manifest.leave(line, &format!("{what}: the folder {folder}"), SECOND_TARGET);
            }
        }
        for (line, what) in self.seconds {
            manifest.leave(line, &what, SECOND_TARGET);
        }
        store.or_else(|| last.map(|folder| Store::Folder(Answer::Text(folder))))
    }

    /// Takes the first store, and remembers where another one stands.
    fn keep(&mut self, store: Store, place: Place) {
        match &self.store {
            None => self.store = Some(store),
            Some(first) if *first == store => {}
            Some(_) => self.seconds.push(place),
        }
    }

    /// A copy of the snapshot itself into a folder of the node. Of any other copy nobody can
    /// tell whether it is a backup.
    fn see_copy(&mut self, reading: &Reading<'_>, command: &Command, place: Place) -> bool {
        let words: Vec<&Word> = command
            .words
            .iter()
            .skip(1)
            .filter(|word| !word.shown().starts_with('-'))
            .collect();
        let Some((to, sources)) = words.split_last() else {
            return false;
        };
        let is_snapshot = |word: &&Word| self.saved.contains(&told(reading, word));
        sources.iter().any(is_snapshot) && self.note_folder(reading, to, place)
    }

    fn see_google(&mut self, reading: &mut Reading<'_>, command: &Command, place: Place) -> bool {
        let Some((bucket, path)) = url(reading, command, "gs://") else {
            return false;
        };
        let named = reading.variable("GOOGLE_APPLICATION_CREDENTIALS");
        let key = self
            .google_key
            .clone()
            .or_else(|| named.map(|file| reading.file(&file, GOOGLE_KEY)));
        let identity = match key {
            Some(key) => Identity::Kind("serviceAccountKey", vec![("key", key)]),
            None => Identity::Question("Who is this node at Google? The manifest names no key of a service account; on a machine of Google say identity: {workloadIdentity: {}}.".to_owned()),
        };
        let store = Store::Gcs(Gcs {
            bucket: reading.answer(&bucket, "Which bucket?"),
            prefix: prefix(reading, path),
            identity,
        });
        self.keep(store, place);
        true
    }

    /// The folder of the node in which a path lies, up to where a name is made anew each time;
    /// says whether there is one.
    fn note_folder(&mut self, reading: &Reading<'_>, path: &Word, place: Place) -> bool {
        let whole = segments(reading, path).0;
        let Some((folder, _)) = whole.rsplit_once('/') else {
            return false;
        };
        let Answer::Text(folder) = on_node(&reading.container.mounts, folder, "the folder") else {
            return false;
        };
        if self.folders.last().is_none_or(|(_, last)| *last != folder) {
            self.folders.push((place, folder));
        }
        true
    }
}

const GOOGLE_KEY: &str = "the key of the service account";

fn az_login(reading: &mut Reading<'_>, command: &Command) -> Identity {
    if command.has("--identity") || command.has("-i") {
        let ids: [(&[&str], &'static str); 3] = [
            (&["--client-id", "--username", "-u"], "clientId"),
            (&["--object-id"], "objectId"),
            (&["--resource-id"], "resourceId"),
        ];
        let said = ids.into_iter().find_map(|(flags, key)| {
            let id = command.flag(flags)?;
            Some((
                key,
                reading.answer(&id, "Which id has the managed identity?"),
            ))
        });
        return Identity::Kind("managedIdentity", said.into_iter().collect());
    }
    let word = |flags: &[&str]| command.flag(flags).unwrap_or_default();
    let (user, password, tenant) = (
        word(&["--username", "-u"]),
        word(&["--password", "-p"]),
        word(&["--tenant", "-t"]),
    );
    let proof = match command.flag(&["--federated-token"]) {
        Some(token) => ("federatedTokenFile", token_file(reading, &token)),
        None => ("secret", reading.secret(&password, "AZURE_CLIENT_SECRET")),
    };
    Identity::Kind(
        "servicePrincipal",
        vec![
            (
                "tenant",
                reading.answer(&tenant, "Which directory (tenant) is the principal's?"),
            ),
            (
                "clientId",
                reading.answer(&user, "Which id has the application?"),
            ),
            proof,
        ],
    )
}

/// The file of a token that a script reads with `$(cat FILE)`.
fn token_file(reading: &mut Reading<'_>, token: &Word) -> Answer {
    let pieces = inner(reading, token);
    let [Piece::Made(made)] = &pieces[..] else {
        return Answer::Question(TOKEN_FILE.to_owned());
    };
    let made = made.trim_start_matches("$(").trim_end_matches(')');
    let path = made.trim().strip_prefix("cat ").unwrap_or_default();
    let path = path.trim().trim_matches(['"', '\'']);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if path.starts_with('/') && path.chars().all(is_plain) {
        return reading.file(&Word::of(path), "the federated token");
    }
    Answer::Question(TOKEN_FILE.to_owned())
}

const TOKEN_FILE: &str = "Which file of the node holds the federated token? It is read anew for each exchange; the manifest takes it from elsewhere.";

const OTHER_CLOUD: &str = "Which server has the account, e.g. https://ACCOUNT.blob.core.chinacloudapi.cn? The manifest sets another cloud than the public one.";

fn az_upload(reading: &mut Reading<'_>, command: &Command, login: Option<Identity>) -> Store {
    let word = |reading: &Reading<'_>, flags: &[&str], variable: &str| {
        command.flag(flags).or_else(|| reading.variable(variable))
    };
    let account = word(reading, &["--account-name"], "AZURE_STORAGE_ACCOUNT").unwrap_or_default();
    let account = reading.answer(&account, "Which storage account?");
    let container = command.flag(&["--container-name", "-c", "--destination", "-d"]);
    let container = reading.answer(&container.unwrap_or_default(), "Which container?");
    let mode = command.flag(&["--auth-mode"]).and_then(|word| word.text());
    let key = word(reading, &["--account-key"], "AZURE_STORAGE_KEY");
    let sas = word(reading, &["--sas-token"], "AZURE_STORAGE_SAS_TOKEN");
    let identity = match (key, sas, login) {
        (Some(key), _, _) if mode.as_deref() != Some("login") => {
            let key = reading.secret(&key, "AZURE_STORAGE_KEY");
            Identity::Kind("accountKey", vec![("account", account.clone()), ("key", key)])
        }
        (_, Some(sas), _) if mode.as_deref() != Some("login") => {
            let sas = reading.secret(&sas, "AZURE_STORAGE_SAS_TOKEN");
            Identity::Kind("sas", vec![("token", sas)])
        }
        (_, _, Some(login)) => login,
        _ => Identity::Question("Who is this node at Azure? The manifest names no key, signature or log-in that is understood.".to_owned()),
    };
    let name = command.flag(&["--name", "-n", "--destination-path"]);
    Store::Azure(Azure {
        account,
        container,
        prefix: prefix(reading, name),
        create: false,
        identity,
        server: None,
    })
}

fn s3(reading: &mut Reading<'_>, command: &Command, (bucket, path): (Word, Option<Word>)) -> Store {
    let endpoint = command.flag(&["--endpoint-url"]);
    let endpoint = endpoint.or_else(|| reading.variable("AWS_ENDPOINT_URL"));
    let region = command.flag(&["--region"]);
    let region = region.or_else(|| reading.variable("AWS_REGION"));
    let region = region.or_else(|| reading.variable("AWS_DEFAULT_REGION"));
    let region = match region {
        Some(region) => reading.answer(&region, "Which region?"),
        // Servers that have none take this one.
        None if endpoint.is_some() => Answer::Text("us-east-1".to_owned()),
        None => {
            Answer::Question("In which region is the bucket? The manifest names none.".to_owned())
        }
    };
    let id = reading.variable("AWS_ACCESS_KEY_ID");
    let secret = reading.variable("AWS_SECRET_ACCESS_KEY");
    let identity = match (id, secret) {
        (Some(id), Some(secret)) => {
            let mut keys = vec![
                ("id", reading.answer(&id, "Which id has the access key?")),
                ("secret", reading.secret(&secret, "AWS_SECRET_ACCESS_KEY")),
            ];
            if let Some(token) = reading.variable("AWS_SESSION_TOKEN") {
                keys.push(("sessionToken", reading.secret(&token, "AWS_SESSION_TOKEN")));
            }
            keys.push(("region", region.clone()));
            Identity::Kind("accessKey", keys)
        }
        _ => Identity::Question("Who is this node at S3? The manifest names no access key; on a machine of AWS say identity: {instanceRole: {region: REGION}}.".to_owned()),
    };
    let endpoint = endpoint.map(|url| server(reading, &url));
    let endpoint = endpoint.or_else(|| {
        let is_china = matches!(&region, Answer::Text(region) if region.starts_with("cn-"));
        is_china.then(|| Answer::Question(OTHER_DOMAIN.to_owned()))
    });
    let class = command.flag(&["--storage-class"]);
    Store::S3(S3 {
        bucket: reading.answer(&bucket, "Which bucket?"),
        prefix: prefix(reading, path),
        region,
        endpoint,
        class: class.map(|class| reading.answer(&class, "Which storage class?")),
        identity,
    })
}

const OTHER_DOMAIN: &str = "Which server has the bucket? In the regions of China it is below another domain, e.g. https://s3.cn-north-1.amazonaws.com.cn.";

/// A server of S3. What is none may have a password in it, and is not repeated.
fn server(reading: &mut Reading<'_>, url: &Word) -> Answer {
    match reading.answer(url, "At which address is the S3 service?") {
        Answer::Text(text) => {
            let bare = text.trim_end_matches('/');
            if bare.parse::<Endpoint>().is_ok() {
                return Answer::Text(bare.to_owned());
            }
            Answer::Question("At which address is the S3 service? Say https://HOST or https://HOST:PORT without a name, a password or a path; what the manifest says is not of that form.".to_owned())
        }
        other => other,
    }
}

/// Flags of `aws`, `gsutil` and `gcloud` behind which no value stands.
const SWITCHES: [&str; 20] = [
    "--only-show-errors",
    "--no-progress",
    "--quiet",
    "--recursive",
    "--dryrun",
    "--delete",
    "--debug",
    "--no-verify-ssl",
    "--no-sign-request",
    "--no-paginate",
    "--follow-symlinks",
    "--no-follow-symlinks",
    "--no-guess-mime-type",
    "--exact-timestamps",
    "--size-only",
    "--no-clobber",
    "--continue-on-error",
    "--force-glacier-transfer",
    "--ignore-glacier-warnings",
    "--no-user-output-enabled",
];

/// Short flags of `gsutil` behind which a value stands.
const SHORT_VALUES: [&str; 7] = ["-a", "-h", "-j", "-J", "-o", "-s", "-z"];

/// Bucket and path of the last word that is no flag, where that is a place of the service and
/// what stands before it is none: anything else is no upload.
fn url(reading: &Reading<'_>, command: &Command, scheme: &str) -> Option<(Word, Option<Word>)> {
    let mut plain: Vec<Word> = Vec::new();
    let mut is_value = false;
    for word in command.words.iter().skip(1) {
        let text = word.shown();
        let word = Word(told(reading, word));
        let is_flag = text.len() > 1 && text.starts_with('-');
        let is_place = word.strip_prefix(scheme).is_some();
        // Behind a flag that nobody here knows a place is none of its values.
        if !is_flag && (!is_value || is_place) {
            plain.push(word);
        }
        let takes_one = if text.starts_with("--") {
            !text.contains('=') && !SWITCHES.contains(&text.as_str())
        } else {
            SHORT_VALUES.contains(&text.as_str())
        };
        is_value = is_flag && takes_one;
    }
    let url = plain.pop()?.strip_prefix(scheme)?;
    let source = plain.pop()?;
    let verbs = ["cp", "mv", "sync", "rsync"];
    let is_verb = source
        .text()
        .is_some_and(|text| verbs.contains(&text.as_str()));
    if is_verb || source.strip_prefix(scheme).is_some() {
        return None;
    }
    Some(url.split_once('/'))
}

/// The parts of a word, as plain text as far as the manifest tells it.
fn told(reading: &Reading<'_>, word: &Word) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for piece in inner(reading, word) {
        let text = reading.expand(&Word(vec![piece.clone()]), DEPTH);
        match (text, pieces.last_mut()) {
            (Some(text), Some(Piece::Text(last))) => last.push_str(&text),
            (Some(text), _) => pieces.push(Piece::Text(text)),
            (None, _) => pieces.push(piece),
        }
    }
    pieces
}

/// The folders before an object's name, as far as they are the same each time.
fn prefix(reading: &mut Reading<'_>, path: Option<Word>) -> Option<Answer> {
    let path = path?;
    if reading.holds_secret(&inner(reading, &path)) {
        return Some(Answer::Question("Which folders stand before the objects' names? The manifest makes the path of a secret.".to_owned()));
    }
    let (same, is_whole) = segments(reading, &path);
    if !same.contains('/') && !is_whole {
        // Nothing before the first slash is known: it is the name, or a folder of each day's.
        return None;
    }
    let (folders, _) = same.rsplit_once('/')?;
    let folders = folders.trim_matches('/');
    (!folders.is_empty()).then(|| Answer::Text(folders.to_owned()))
}

/// The beginning of a path that is told by the manifest, and whether that is all of it.
fn segments(reading: &Reading<'_>, path: &Word) -> (String, bool) {
    let mut text = String::new();
    for piece in inner(reading, path) {
        match reading.expand(&Word(vec![piece]), DEPTH) {
            Some(part) => text.push_str(&part),
            None => return (text, false),
        }
    }
    (text, true)
}

/// Parts of a path that are looked at.
const PARTS_MAX: usize = 4096;

/// How deep variables of a script lead to each other here.
const DEPTH: usize = 8;

/// The parts of a path, those of a variable that the script sets in its place.
fn inner(reading: &Reading<'_>, path: &Word) -> Vec<Piece> {
    let mut pieces = path.0.clone();
    for _ in 0..DEPTH {
        let parts = pieces.iter().map(|piece| match piece {
            Piece::Variable(name) => reading.set_to(name).unwrap_or_else(|| vec![piece.clone()]),
            Piece::Text(_) | Piece::Made(_) => vec![piece.clone()],
        });
        let next: Vec<Piece> = parts.flatten().take(PARTS_MAX + 1).collect();
        // Variables that name others many times grow without end.
        if next == pieces || next.len() > PARTS_MAX {
            break;
        }
        pieces = next;
    }
    pieces
}
