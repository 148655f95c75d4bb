//! The documents as text, with comments from which a reader learns. Pure: answers go in,
//! files come out.
//!
//! The grants are the narrowest with which the plugins of the schedule do their work, and
//! the node's ceiling is the same again, so that a later grant alone gives no more.

mod service;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::Sealing;
use super::answers::{Answers, Destination};

/// The schedule's name, which `drydock run` is given.
pub const SCHEDULE: &str = "backup";

/// The name of a target that is a folder; one of a service has the service's.
pub const TARGET: &str = "local";

/// Whom recovery points are sealed for, a line each.
const RECIPIENTS: &str = "recipients.txt";

/// Variables for the daemon, which the operator writes.
pub const ENVIRONMENT: &str = "environment";

/// The node's configuration, beside which everything else lies.
pub const CONFIGURATION: &str = "drydock.yaml";

/// The private part of the signing key; its public part has `.pub` behind.
pub const SIGNING_KEY: &str = "signing.key";

/// A file to be written: its name in the folder, what it is, and its text.
pub struct File {
    pub name: String,
    pub what: &'static str,
    pub text: String,
}

/// All documents; the keys are no documents.
pub fn documents(answers: &Answers, recipients: &[String]) -> Vec<File> {
    let file = |name: &str, what, text| File {
        name: name.to_owned(),
        what,
        text,
    };
    let schedule = format!("schedules/{SCHEDULE}.yaml");
    let mut files = vec![
        file(CONFIGURATION, "the node's configuration", node(answers)),
        file(
            "schedules/cluster.yaml",
            "how etcd is reached",
            cluster(answers),
        ),
        file(
            "schedules/target.yaml",
            "where recovery points go",
            target(answers),
        ),
        file(
            &schedule,
            "when and how to back up",
            self::schedule(answers),
        ),
        file(
            "grants/etcd-backup.yaml",
            "what the step that backs up etcd may do",
            ETCD_BACKUP.to_owned(),
        ),
        file(
            "grants/etcd-verify.yaml",
            "what the step that judges snapshots may do",
            ETCD_VERIFY.to_owned(),
        ),
        file(
            &format!("grants/{}.yaml", store_plugin(answers)),
            "what the store step may do",
            store_grant(answers),
        ),
        file(
            RECIPIENTS,
            "who can open recovery points: public keys",
            self::recipients(recipients),
        ),
        file(
            "drydock.service.d/node.conf",
            "what systemd has to know of this node",
            unit(answers),
        ),
    ];
    if !answers.files.is_empty() {
        files.push(file(
            "grants/files-backup.yaml",
            "which folders may be read for the backup",
            files_backup(answers),
        ));
        files.push(file(
            "grants/files-verify.yaml",
            "what the step that judges archives may do",
            FILES_VERIFY.to_owned(),
        ));
    }
    files
}

/// Where the new sealing key went, until it is taken away.
fn sealing_key(answers: &Answers) -> String {
    let Sealing::NewKey(file) = &answers.sealing else {
        return String::new();
    };
    let file = std::path::absolute(file).unwrap_or_else(|_| file.clone());
    format!(
        "  # The key that opens the recovery points was put here. As long as it lies there,
  # every run says that it has to be taken off this node.
  sealingKeyMade: {}
",
        scalar(path(&file))
    )
}

fn node(answers: &Answers) -> String {
    format!(
        "\
# This node's own configuration. It does not lie among the schedules, since it says what
# schedules and plugins may do. Relative paths start at this file's folder.
#   drydock schedule check   tells whether it and everything it names are sound
apiVersion: drydock.dev/v1
kind: NodeConfig
metadata:
  name: {name}
spec:
  # The journal, spooled snapshots and caches. It needs room for two snapshots.
  state: {state}
  # Folders or files with Schedule, Cluster and Target documents: put this folder under
  # version control. The daemon takes changes up by itself, all of them or none.
  schedules: [schedules]
  # What plugins may do, kept apart: who may write a schedule is not always who may give
  # power to a plugin.
  grants: [grants]
  # Signs the manifest of every recovery point. Keep a copy of {SIGNING_KEY}.pub where this
  # node cannot reach it: with it anybody can tell whether a recovery point is ours.
  signingKey: {{valueFrom: {{file: {SIGNING_KEY}}}}}
{sealing}  # The most that any grant can give on this node, whatever it says.
  ceiling:
    etcd: [member-list, status, snapshot]
{stores}{read}{http}  daemon:
    # Health and metrics: /healthz, /readyz, /metrics. Nobody is asked who they are, so
    # it is on loopback; `none` turns it off.
    listen: 127.0.0.1:9464
    # How long runs may go on when the daemon is stopped. What is unfinished then is
    # taken up again at the next start.
    drainSeconds: 60
  log: {{format: text, level: info}}
",
        name = scalar(&answers.node),
        sealing = sealing_key(answers),
        state = scalar(path(&answers.state)),
        stores = ceiling(answers),
        read = to_read(answers),
        http = answers.service().map_or_else(String::new, service::http),
    )
}

fn store_plugin(answers: &Answers) -> &'static str {
    answers
        .service()
        .map_or("store-file", |target| target.service.plugin)
}

/// What the store step needs, of folders and of servers.
fn ceiling(answers: &Answers) -> String {
    let folder = answers.target_folder().map(|folder| {
        let folder = scalar(path(folder));
        format!("      - {{directory: {folder}, access: write}}\n")
    });
    let server = answers.service().map_or_else(String::new, service::rule);
    match folder {
        None if answers.files.is_empty() => server,
        folder => format!("{server}    files:\n{}", folder.unwrap_or_default()),
    }
}

fn store_grant(answers: &Answers) -> String {
    match &answers.destination {
        Destination::Folder { path, .. } => store_file(path),
        Destination::Service(target) => service::grant(target),
    }
}

/// A file of its own, so that who may open is said in one place for all targets.
fn recipients(recipients: &[String]) -> String {
    let mut text = "\
# Who can open the recovery points: public keys, age1... or ssh-ed25519 ..., a line each. The
# private keys are never needed on this node and must not be here.
"
    .to_owned();
    for recipient in recipients {
        line(&mut text, format_args!("{recipient}"));
    }
    text
}

/// The folders that are backed up, as grants to read.
fn to_read(answers: &Answers) -> String {
    let mut text = String::new();
    for folder in &answers.files {
        let folder = scalar(path(folder));
        line(
            &mut text,
            format_args!("      - {{directory: {folder}, access: read}}"),
        );
    }
    text
}

fn cluster(answers: &Answers) -> String {
    let mut text = format!(
        "\
# How the cluster's etcd is reached.
apiVersion: drydock.dev/v1
kind: Cluster
metadata:
  # The folder under which the cluster's recovery points lie at every target.
  name: {name}
spec:
  etcd:
    # Name every member: when some are down, the backup comes from one that is up.
    endpoints:
",
        name = scalar(&answers.cluster),
    );
    for endpoint in &answers.endpoints {
        line(&mut text, format_args!("      - {}", scalar(endpoint)));
    }
    let file = |path: &Path| format!("{{valueFrom: {{file: {}}}}}", scalar(self::path(path)));
    if answers.ca.is_some() || answers.client.is_some() || answers.login.is_some() {
        let why =
            "    # Only the places stand here: a key or a password never stands in a document.";
        line(&mut text, format_args!("{why}"));
    }
    if let Some(ca) = &answers.ca {
        line(&mut text, format_args!("    ca: {}", file(ca)));
    }
    if let Some((certificate, key)) = &answers.client {
        line(
            &mut text,
            format_args!("    certificate: {}", file(certificate)),
        );
        line(&mut text, format_args!("    key: {}", file(key)));
    }
    if let Some((user, password)) = &answers.login {
        line(&mut text, format_args!("    username: {}", scalar(user)));
        line(&mut text, format_args!("    password: {}", file(password)));
    }
    text
}

fn target(answers: &Answers) -> String {
    let (folder, is_mounted) = match &answers.destination {
        Destination::Service(target) => return service::target(target),
        Destination::Folder { path, is_mounted } => (path, *is_mounted),
    };
    format!(
        "\
# Where recovery points go.
apiVersion: drydock.dev/v1
kind: Target
metadata:
  name: {TARGET}
spec:
  # The store plugin; it sees sealed bytes only.
  plugin: store-file
  config:
    # A backup on the disk of the node that it is for dies with that disk: mount another
    # machine's disk here.
    folder: {folder}
{mount}{create}{SEALED_FOR}",
        folder = scalar(path(folder)),
        create = if is_mounted { "" } else { CREATE },
        mount = if is_mounted { REQUIRE_MOUNT } else { "" },
    )
}

/// For whom each target seals.
const SEALED_FOR: &str = concat!(
    "  # Who can open the recovery points. An etcd snapshot holds every Secret of the cluster,\n",
    "  # so without a recipient it is not stored.\n",
    "  recipients:\n",
    "    - {valueFrom: {file: ../recipients.txt}}\n",
);

/// For a folder of the node's own disk.
const CREATE: &str = concat!(
    "  # Drydock makes the folder where it is missing and nothing was ever stored there. When\n",
    "  # it is gone later, the store step fails.\n",
    "  create: true\n",
);

/// For a folder on a mount of its own.
const REQUIRE_MOUNT: &str = "\
    # The folder lies on a mount of its own. When that is gone, nothing is stored on this
    # node's disk in its place: the store step fails.
    requireMount: true
";

fn schedule(answers: &Answers) -> String {
    format!(
        "\
# When the cluster is backed up, and by which steps. `drydock run {SCHEDULE}` runs it once, now.
apiVersion: drydock.dev/v1
kind: Schedule
metadata:
  name: {SCHEDULE}
spec:
  cluster: {cluster}
  # Minute, hour, day of month, month, day of week; or @hourly, @daily, @weekly.
  schedule: {cron}
  timeZone: {zone}
  # Two backups of one cluster at the same time only slow each other down.
  concurrencyPolicy: Forbid
  # A backup that could not be started within this time is Missed.
  startingDeadlineSeconds: 3600
  # Backup steps run one after the other, then verify steps judge what they made, then
  # store steps keep it. Nothing is committed at a target before all of it was judged good.
  steps:
    - {{name: snapshot, backup: etcd-backup}}
{steps}    - {{name: store, target: {target}}}
",
        steps = front_steps(answers),
        target = answers
            .service()
            .map_or(TARGET, |target| target.service.name),
        cluster = scalar(&answers.cluster),
        cron = quoted(&answers.schedule),
        zone = scalar(&answers.time_zone),
    )
}

/// The steps between the snapshot and the store.
fn front_steps(answers: &Answers) -> String {
    if answers.files.is_empty() {
        return "    - {name: verify, verify: etcd-verify}\n".to_owned();
    }
    let mut text = format!(
        "    # Certificates, their keys and the configuration by which Secrets are encrypted:
    # without the latter a restored etcd cannot be read.
    - name: files
      backup: files-backup
      config:
        artifact: control-plane
        folders: [{}]
",
        scalars(&answers.files).join(", ")
    );
    if !answers.exclude.is_empty() {
        let exclude = scalars(&answers.exclude).join(", ");
        let why = "        # etcd's own data, which is in the snapshot.";
        line(
            &mut text,
            format_args!("{why}\n        exclude: [{exclude}]"),
        );
    }
    let required = scalars(&answers.required);
    text.push_str(&required_list("required", &required));
    text.push_str("    - {name: verify, verify: etcd-verify, verifies: [snapshot]}\n");
    if required.is_empty() {
        text.push_str("    - {name: verify-files, verify: files-verify, verifies: [files]}\n");
        return text;
    }
    text.push_str(
        "    - name: verify-files
      verify: files-verify
      verifies: [files]
      config:
",
    );
    text.push_str(&required_list("require", &required));
    text
}

/// What a backup is none without, one a line; where nothing was found, how to say it.
fn required_list(key: &str, required: &[String]) -> String {
    if required.is_empty() {
        return format!(
            "        # Name here what nobody can make again, such as the keys of authorities: without
        # its bytes the backup then fails.
        # {key}: [pki/ca.key]
"
        );
    }
    let mut text = format!(
        "        # Without the bytes of each of these the backup fails.
        {key}:
"
    );
    for path in required {
        line(&mut text, format_args!("          - {path}"));
    }
    text
}

fn scalars(paths: &[PathBuf]) -> Vec<String> {
    paths.iter().map(|path| scalar(self::path(path))).collect()
}

fn files_backup(answers: &Answers) -> String {
    format!(
        "\
# Makes an archive of these folders, and reads nothing else.
apiVersion: drydock.dev/v1
kind: PluginGrant
metadata:
  name: files-backup
spec:
  builtin: files-backup
  grants:
    files:
{}",
        to_read(answers),
    )
}

const FILES_VERIFY: &str = "\
# Judges what the daemon found out about an archive. It needs no power for that.
apiVersion: drydock.dev/v1
kind: PluginGrant
metadata:
  name: files-verify
spec:
  builtin: files-verify
";

const ETCD_BACKUP: &str = "\
# A plugin gets nothing by default; what it asks for and what a grant allows must agree.
# This one picks the member to back up and asks for its snapshot. It sees no other bytes.
apiVersion: drydock.dev/v1
kind: PluginGrant
metadata:
  name: etcd-backup
spec:
  builtin: etcd-backup
  grants:
    etcd: [member-list, status, snapshot]
";

const ETCD_VERIFY: &str = "\
# Judges what the daemon found out about a snapshot. It needs no power for that.
apiVersion: drydock.dev/v1
kind: PluginGrant
metadata:
  name: etcd-verify
spec:
  builtin: etcd-verify
";

fn store_file(folder: &Path) -> String {
    format!(
        "\
# Writes sealed parts into the target's folder, and nowhere else.
apiVersion: drydock.dev/v1
kind: PluginGrant
metadata:
  name: store-file
spec:
  builtin: store-file
  grants:
    files:
      - {{directory: {folder}, access: write}}
",
        folder = scalar(path(folder)),
    )
}

/// What fits the unit of `deploy/drydock.service` to this node.
fn unit(answers: &Answers) -> String {
    let target = answers.target_folder().map(unit_path);
    let mount = target.as_ref().map_or_else(String::new, |folder| {
        format!("[Unit]\n# A target that is a mount has to be there first.\nRequiresMountsFor={folder}\n\n")
    });
    // A document that comes later may name one, whatever is written now.
    let environment = format!(
        "# The variables that documents name, NAME=VALUE a line each; readable by root alone.\nEnvironmentFile=-{}\n",
        unit_path(&answers.dir.join(ENVIRONMENT))
    );
    format!(
        "\
# Fits drydock.service to this node. Put it into /etc/systemd/system/drydock.service.d.
{mount}[Service]
{environment}ExecStart=
ExecStart=/usr/local/bin/drydock --config {config} daemon
# The folders that the service writes; all others are read-only for it.
ReadWritePaths={state}{folder}
",
        folder = target.map_or_else(String::new, |folder| format!(" {folder}")),
        state = unit_path(&answers.state),
        // Only in a command does `$` begin a variable.
        config = unit_path(&answers.dir.join(CONFIGURATION)).replace('$', "$$"),
    )
}

/// A path as a word of a unit file, where `%` begins a specifier.
fn unit_path(path: &Path) -> String {
    let text = self::path(path).replace('%', "%%");
    if text.contains([' ', '"', '\'', '\\', ';']) {
        return quoted(&text);
    }
    text
}

pub(super) fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("writing to a string cannot fail");
}

pub(super) fn path(path: &Path) -> &str {
    path.to_str()
        .expect("answers refuse paths that are no UTF-8 text")
}

/// Text as YAML takes it for text: plain where it cannot mean anything else.
pub(super) fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | ':');
    let first = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let word = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"]
        .contains(&text.to_ascii_lowercase().as_str());
    if first && !word && text.chars().all(plain) && !text.ends_with(':') {
        return text.to_owned();
    }
    quoted(text)
}

/// A string of JSON is one of YAML.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests;
