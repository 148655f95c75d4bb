//! What keeps the snapshots, from the commands that carry them there: `az`, `aws`, `gsutil` and
//! `gcloud`, or a copy into a folder of the node.

use super::found::{Answer, Reading, on_node};
use super::manifest::Volume;
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
    store: Option<Store>,
    /// A folder of the node into which the snapshot itself was written or copied.
    folder: Option<String>,
    google_key: Option<Answer>,
}

impl Store {
    /// Everything that is said of it.
    pub fn answers(&self) -> Vec<&Answer> {
        let (mut answers, identity): (Vec<Option<&Answer>>, _) = match self {
            Self::Azure(own) => (
                vec![
                    Some(&own.account),
                    Some(&own.container),
                    own.prefix.as_ref(),
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
    pub fn saved_at(&mut self, reading: &Reading<'_>, command: &Command) {
        let save = command
            .words
            .iter()
            .position(|word| word.text().as_deref() == Some("save"));
        let behind = command.words.iter().skip(save.map_or(0, |at| at + 1));
        let path = behind
            .into_iter()
            .find(|word| !word.shown().starts_with('-'));
        if let Some(path) = path {
            self.note_folder(reading, path);
        }
    }

    /// Takes a command that logs in or carries something away; says whether it did.
    pub fn see(&mut self, reading: &mut Reading<'_>, command: &Command) -> bool {
        let name = command.name().unwrap_or_default();
        match name.as_str() {
            "az" if command.says(&["az", "login"]) => self.login = Some(az_login(reading, command)),
            "az" if command.says(&["storage", "container", "create"]) => self.create = true,
            "az" if command.says(&["storage", "blob", "upload"])
                || command.says(&["storage", "blob", "upload-batch"]) =>
            {
                let login = self.login.take();
                self.store.get_or_insert(az_upload(reading, command, login));
            }
            "aws"
                if ["cp", "mv", "sync"]
                    .iter()
                    .any(|verb| command.says(&["s3", verb])) =>
            {
                let url = url(command, "s3://");
                self.store.get_or_insert(s3(reading, command, url));
            }
            "aws" if command.says(&["s3api", "put-object"]) => {
                let path = command.flag(&["--key"]).unwrap_or_default();
                let bucket = command.flag(&["--bucket"]).unwrap_or_default();
                self.store
                    .get_or_insert(s3(reading, command, (bucket, Some(path))));
            }
            "gcloud" if command.says(&["auth", "activate-service-account"]) => {
                let file = command.flag(&["--key-file"]);
                self.google_key = file.map(|file| reading.file(&file, GOOGLE_KEY));
            }
            "gsutil" if command.says(&["cp"]) || command.says(&["rsync"]) => {
                self.see_google(reading, command)
            }
            "gcloud" if command.says(&["storage", "cp"]) => self.see_google(reading, command),
            "cp" | "mv" | "rsync" => {
                if let Some(to) = command.words.last() {
                    self.note_folder(reading, to);
                }
            }
            _ => return false,
        }
        true
    }

    pub fn finish(self) -> Option<Store> {
        let create = self.create;
        match (self.store, self.folder) {
            (Some(Store::Azure(azure)), _) => Some(Store::Azure(Azure { create, ..azure })),
            (Some(store), _) => Some(store),
            (None, folder) => folder.map(|folder| Store::Folder(Answer::Text(folder))),
        }
    }

    fn see_google(&mut self, reading: &mut Reading<'_>, command: &Command) {
        let (bucket, path) = url(command, "gs://");
        let named = reading.variable("GOOGLE_APPLICATION_CREDENTIALS");
        let key = self
            .google_key
            .take()
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
        self.store.get_or_insert(store);
    }

    /// The folder of the node in which a path lies, up to where a name is made anew each time.
    fn note_folder(&mut self, reading: &Reading<'_>, path: &Word) {
        let whole = segments(reading, path).0;
        let Some((folder, _)) = whole.rsplit_once('/') else {
            return;
        };
        let mounts = &reading.container.mounts;
        let is_kept = mounts
            .iter()
            .any(|mount| matches!(mount.volume, Volume::HostPath(_)));
        if let Answer::Text(folder) = on_node(mounts, folder, "the folder")
            && is_kept
        {
            self.folder = Some(folder);
        }
    }
}

const GOOGLE_KEY: &str = "the key of the service account";

fn az_login(reading: &mut Reading<'_>, command: &Command) -> Identity {
    if command.has("--identity") || command.has("-i") {
        return Identity::Kind("managedIdentity", Vec::new());
    }
    let word = |flags: &[&str]| command.flag(flags).unwrap_or_default();
    let (user, password, tenant) = (
        word(&["--username", "-u"]),
        word(&["--password", "-p"]),
        word(&["--tenant", "-t"]),
    );
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
            ("secret", reading.secret(&password, "AZURE_CLIENT_SECRET")),
        ],
    )
}

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
    let class = command.flag(&["--storage-class"]);
    Store::S3(S3 {
        bucket: reading.answer(&bucket, "Which bucket?"),
        prefix: prefix(reading, path),
        region,
        endpoint: endpoint.map(|url| reading.answer(&url, "At which address is the S3 service?")),
        class: class.map(|class| reading.answer(&class, "Which storage class?")),
        identity,
    })
}

/// Bucket and path of the last word that begins so.
fn url(command: &Command, scheme: &str) -> (Word, Option<Word>) {
    let mut words = command.words.iter().rev();
    let url = words.find_map(|word| word.strip_prefix(scheme));
    url.unwrap_or_default().split_once('/')
}

/// The folders before an object's name, as far as they are the same each time.
fn prefix(reading: &mut Reading<'_>, path: Option<Word>) -> Option<Answer> {
    let path = path?;
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
        let next: Vec<Piece> = parts.flatten().collect();
        if next == pieces {
            break;
        }
        pieces = next;
    }
    pieces
}
