//! The documents of what was found. A question stands in the place of its value, in a form that
//! no document may have: `schedule check` refuses it until somebody answers.

use drydock_core::Name;
use drydock_schedule::{CronExpr, Zone};

use super::found::{Answer, Etcd, Found};
use super::manifest::Manifest;
use super::stores::{Azure, Gcs, Identity, S3, Store};
use crate::documents::{File, line, quoted, scalar};

/// What stands behind the account's name in the public cloud of Azure.
const BLOB_DOMAIN: &str = "blob.core.windows.net";

/// Policies of a Schedule in the order in which people read them.
const ORDER: [&str; 8] = [
    "concurrencyPolicy",
    "startingDeadlineSeconds",
    "suspend",
    "activeDeadlineSeconds",
    "backoffLimit",
    "successfulRunsHistoryLimit",
    "failedRunsHistoryLimit",
    "ttlSecondsAfterFinished",
];

/// What a CronJob means where it says nothing, and a Schedule does not.
const DEFAULTS: [(&str, &str); 2] = [
    ("successfulRunsHistoryLimit", "3"),
    ("failedRunsHistoryLimit", "1"),
];

/// Documents of one job.
pub struct Documents {
    pub files: Vec<File>,
    /// Questions beside those of what was found.
    pub questions: Vec<String>,
}

pub fn documents(manifest: &Manifest, found: &Found, cluster: &str) -> Documents {
    let mut questions = Vec::new();
    let name = name(&manifest.name);
    let work = [
        self::cluster(&found.etcd, cluster),
        target(&found.store),
        schedule(manifest, &found.store, &name, cluster, &mut questions),
    ];
    let file = |name: String, what, text| File { name, what, text };
    // Grants are called as those of `drydock init`, so that they replace each other.
    let files = vec![
        file(
            format!("schedules/{name}.yaml"),
            "cluster, target and schedule",
            work.join("---\n"),
        ),
        file(
            "grants/etcd-backup.yaml".to_owned(),
            "what the step that backs up etcd may do",
            ETCD_BACKUP.to_owned(),
        ),
        file(
            "grants/etcd-verify.yaml".to_owned(),
            "what the step that judges snapshots may do",
            ETCD_VERIFY.to_owned(),
        ),
        file(
            format!("grants/{}.yaml", plugin(&found.store)),
            "what the store step may do",
            grant(&found.store),
        ),
    ];
    Documents { files, questions }
}

/// The job's name as documents have names.
fn name(job: &str) -> String {
    let name: String = job
        .to_ascii_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    match Name::parse(name.trim_matches('-')) {
        Ok(name) => name.as_str().to_owned(),
        Err(_) => "backup".to_owned(),
    }
}

fn value(answer: &Answer) -> String {
    match answer {
        Answer::Text(text) => scalar(text),
        Answer::Env(name) => format!("{{valueFrom: {{env: {name}}}}}"),
        Answer::Question(question) => format!("{{valueFrom: {{question: {}}}}}", quoted(question)),
    }
}

/// The place of a file's content.
fn file(answer: &Answer) -> String {
    match answer {
        Answer::Text(path) => format!("{{valueFrom: {{file: {}}}}}", scalar(path)),
        Answer::Env(_) | Answer::Question(_) => value(answer),
    }
}

fn cluster(etcd: &Etcd, name: &str) -> String {
    let mut text = format!(
        "apiVersion: drydock.dev/v1\nkind: Cluster\nmetadata:\n  name: {}\nspec:\n  etcd:\n",
        scalar(name)
    );
    let odd = etcd
        .endpoints
        .iter()
        .find(|answer| !matches!(answer, Answer::Text(_)));
    match odd {
        Some(answer) => line(&mut text, format_args!("    endpoints: {}", value(answer))),
        None => {
            let listed: Vec<String> = etcd.endpoints.iter().map(value).collect();
            line(
                &mut text,
                format_args!("    endpoints: [{}]", listed.join(", ")),
            );
        }
    }
    if let Some(user) = &etcd.username {
        line(&mut text, format_args!("    username: {}", value(user)));
    }
    let files = [
        ("ca", &etcd.ca),
        ("certificate", &etcd.certificate),
        ("key", &etcd.key),
    ];
    for (key, answer) in files {
        if let Some(answer) = answer {
            line(&mut text, format_args!("    {key}: {}", file(answer)));
        }
    }
    text
}

fn schedule(
    manifest: &Manifest,
    store: &Store,
    name: &str,
    cluster: &str,
    questions: &mut Vec<String>,
) -> String {
    let mut text = format!(
        "apiVersion: drydock.dev/v1\nkind: Schedule\nmetadata:\n  name: {}\nspec:\n  cluster: {}\n",
        scalar(name),
        scalar(cluster)
    );
    let policy = |key: &str| manifest.policies.get(key).map(String::as_str);
    let cron = policy("schedule").filter(|cron| CronExpr::parse(cron).is_ok());
    let cron = cron.map(str::to_owned).unwrap_or_else(|| {
        questions.push(
            "When is it due? The manifest says it in no form that a Schedule has.".to_owned(),
        );
        "? when is it due".to_owned()
    });
    line(&mut text, format_args!("  schedule: {}", quoted(&cron)));
    if let Some(zone) = policy("timeZone") {
        if Zone::parse(zone).is_err() {
            questions.push(
                "In which time zone? The manifest names none of the IANA database.".to_owned(),
            );
        }
        line(
            &mut text,
            format_args!(
                "  timeZone: {}\n  # Where clocks jump, as a CronJob does.\n  dst: cronjob",
                scalar(zone)
            ),
        );
    } else {
        text.push_str("  # That of the kube-controller-manager where a CronJob says nothing, which is UTC as a rule.\n  timeZone: Etc/UTC\n");
    }
    for key in ORDER {
        let usual = DEFAULTS.iter().find(|(own, _)| *own == key);
        if let Some(value) = policy(key).or(usual.map(|(_, value)| *value)) {
            line(&mut text, format_args!("  {key}: {}", policy_value(value)));
        }
    }
    line(
        &mut text,
        format_args!(
            "  steps:\n    - {{name: snapshot, backup: etcd-backup}}\n    - {{name: verify, verify: etcd-verify}}\n    - {{name: store, target: {}}}",
            target_name(store)
        ),
    );
    text
}

/// A policy's value: numbers and flags stay what they are.
fn policy_value(value: &str) -> String {
    if value.parse::<i64>().is_ok() || value == "true" || value == "false" {
        return value.to_owned();
    }
    scalar(value)
}

fn target_name(store: &Store) -> &'static str {
    match store {
        Store::Azure(_) => "azure",
        Store::S3(_) => "s3",
        Store::Gcs(_) => "gcs",
        Store::Folder(_) => "local",
    }
}

fn plugin(store: &Store) -> &'static str {
    match store {
        Store::Azure(_) => "store-azure-blob",
        Store::S3(_) => "store-s3",
        Store::Gcs(_) => "store-gcs",
        Store::Folder(_) => "store-file",
    }
}

fn target(store: &Store) -> String {
    let mut text = format!(
        "apiVersion: drydock.dev/v1\nkind: Target\nmetadata:\n  name: {}\nspec:\n  plugin: {}\n  config:\n",
        target_name(store),
        plugin(store)
    );
    for (key, answer) in config(store) {
        line(&mut text, format_args!("    {key}: {}", value(answer)));
    }
    if let Some(server) = server(store) {
        line(&mut text, format_args!("  endpoints: [{server}]"));
    }
    if let Some(identity) = store.identity() {
        text.push_str(&self::identity(identity));
    }
    if is_made(store) {
        text.push_str("  create: true\n");
    }
    text.push_str(
        "  # Public keys, a line each, as `drydock init` writes the file: snapshots are sealed for them.\n  recipients:\n    - {valueFrom: {file: ../recipients.txt}}\n",
    );
    text
}

fn is_made(store: &Store) -> bool {
    match store {
        Store::Azure(azure) => azure.create,
        Store::Folder(_) => true,
        Store::S3(_) | Store::Gcs(_) => false,
    }
}

fn config(store: &Store) -> Vec<(&'static str, &Answer)> {
    let keys = match store {
        Store::Azure(own) => vec![
            ("account", Some(&own.account)),
            ("container", Some(&own.container)),
            ("prefix", own.prefix.as_ref()),
        ],
        Store::S3(own) => vec![
            ("bucket", Some(&own.bucket)),
            ("region", own.endpoint.is_none().then_some(&own.region)),
            ("endpoint", own.endpoint.as_ref()),
            ("prefix", own.prefix.as_ref()),
            ("storageClass", own.class.as_ref()),
        ],
        Store::Gcs(own) => vec![
            ("bucket", Some(&own.bucket)),
            ("prefix", own.prefix.as_ref()),
        ],
        Store::Folder(folder) => vec![("folder", Some(folder))],
    };
    let said = keys
        .into_iter()
        .filter_map(|(key, answer)| Some((key, answer?)));
    said.collect()
}

/// The server as an item of `endpoints:`.
fn server(store: &Store) -> Option<String> {
    let below = |name: &Answer, domain: &str| match name {
        Answer::Text(name) => scalar(&format!("https://{name}.{domain}")),
        Answer::Env(_) => format!("{{name: {}, domain: {domain}}}", value(name)),
        Answer::Question(_) => value(name),
    };
    match store {
        Store::Azure(Azure {
            server: Some(server),
            ..
        }) => Some(value(server)),
        Store::Azure(Azure { account, .. }) => Some(below(account, BLOB_DOMAIN)),
        Store::S3(S3 {
            endpoint: Some(endpoint),
            ..
        }) => Some(value(endpoint)),
        Store::S3(S3 {
            bucket,
            region: Answer::Text(region),
            ..
        }) => Some(below(bucket, &format!("s3.{region}.amazonaws.com"))),
        Store::S3(S3 { region, .. }) => {
            let question =
                "Which server has the bucket? https://BUCKET.s3.REGION.amazonaws.com at AWS.";
            Some(match region {
                Answer::Question(_) => value(region),
                Answer::Text(_) | Answer::Env(_) => value(&Answer::Question(question.to_owned())),
            })
        }
        Store::Gcs(Gcs { .. }) => Some("https://storage.googleapis.com".to_owned()),
        Store::Folder(_) => None,
    }
}

fn identity(identity: &Identity) -> String {
    match identity {
        Identity::Question(question) => {
            format!("  identity: {{question: {}}}\n", quoted(question))
        }
        Identity::Kind(kind, keys) if keys.is_empty() => format!("  identity: {{{kind}: {{}}}}\n"),
        Identity::Kind(kind, keys) => {
            let mut text = format!("  identity:\n    {kind}:\n");
            for (key, answer) in keys {
                let said = match (*kind, *key) {
                    ("serviceAccountKey", "key") => file(answer),
                    _ => value(answer),
                };
                line(&mut text, format_args!("      {key}: {said}"));
            }
            text
        }
    }
}

/// The store plugin's grant.
fn grant(store: &Store) -> String {
    let (plugin, target) = (plugin(store), target_name(store));
    let power = match store {
        Store::Folder(Answer::Text(folder)) => {
            format!(
                "files:\n      - {{directory: {}, access: write}}",
                scalar(folder)
            )
        }
        Store::Folder(answer) => format!(
            "files:\n      - {{directory: {}, access: write}}",
            value(answer)
        ),
        Store::Azure(_) | Store::S3(_) | Store::Gcs(_) => {
            format!("http:\n      - {{target: {target}}}")
        }
    };
    format!(
        "apiVersion: drydock.dev/v1\nkind: PluginGrant\nmetadata:\n  name: {plugin}\nspec:\n  builtin: {plugin}\n  grants:\n    {power}\n"
    )
}

/// What the step that backs up etcd needs.
const ETCD_BACKUP: &str = "\
apiVersion: drydock.dev/v1
kind: PluginGrant
metadata:
  name: etcd-backup
spec:
  builtin: etcd-backup
  grants:
    etcd: [member-list, status, snapshot]
";

/// The step that judges a snapshot needs no power.
const ETCD_VERIFY: &str = "\
apiVersion: drydock.dev/v1
kind: PluginGrant
metadata:
  name: etcd-verify
spec:
  builtin: etcd-verify
";
