//! The servers, and the documents that tell Drydock about them.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use drydock_testkit::azurite::{ACCOUNT, ACCOUNT_KEY, Azurite};
use drydock_testkit::program::run;
use drydock_testkit::versitygw::{BUCKET, REGION, ROOT, Versitygw};

use crate::stage::Stage;

/// The container at Azurite.
pub const CONTAINER: &str = "bench";

/// Each target with the schedule that stores there; `two` stores at two of them.
pub const S3: &str = "s3";
pub const SECOND: &str = "second";
pub const TWO: &str = "two";
pub const AZURE: &str = "azure";

pub struct Servers {
    pub s3: Versitygw,
    pub azure: Azurite,
}

impl Servers {
    /// Starts both in the clear, since the peers have no TLS to the same authority, and adds
    /// their targets and schedules to the stage.
    pub async fn start(stage: &Stage) -> Result<Self> {
        let servers = Self {
            s3: Versitygw::http().await?,
            azure: Azurite::http().await?,
        };
        let files = [
            ("s3-id", ROOT.id),
            ("s3-secret", ROOT.secret),
            ("azure-key", ACCOUNT_KEY),
            ("inventory/stores.yaml", &servers.inventory(stage)),
            ("grants/stores.yaml", &servers.grants()),
        ];
        for (name, text) in files {
            let path = stage.place.join(name);
            std::fs::write(&path, text)
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        // Drydock compiles what its schedules use; this program can only take that up.
        run(stage.drydock().args(["schedule", "check"]))?;
        run(&mut stage.carry("make", AZURE, "-"))?;
        Ok(servers)
    }

    /// Where versitygw keeps what has this prefix.
    pub fn folder(&self, prefix: &str) -> PathBuf {
        self.s3.folder(BUCKET).join(prefix)
    }

    /// The variables by which aws and restic know who they are.
    pub fn identified(command: &mut Command) {
        command
            .env("AWS_ACCESS_KEY_ID", ROOT.id)
            .env("AWS_SECRET_ACCESS_KEY", ROOT.secret)
            .env("AWS_DEFAULT_REGION", REGION)
            .env("AWS_EC2_METADATA_DISABLED", "true");
    }

    fn inventory(&self, stage: &Stage) -> String {
        let s3 = |name: &str| {
            target(
                name,
                "store-s3",
                &format!(
                    "{{endpoint: \"{0}\", bucket: {BUCKET}, prefix: {name}, style: path}}",
                    self.s3.url("")
                ),
                &self.s3.url(""),
                &format!(
                    "{{accessKey: {{id: {{valueFrom: {{file: ../s3-id}}}}, secret: {{valueFrom: {{file: ../s3-secret}}}}, region: {REGION}}}}}"
                ),
                &stage.recipient,
            )
        };
        let azure = target(
            AZURE,
            "store-azure-blob",
            &format!(
                "{{endpoint: \"{}\", container: {CONTAINER}}}",
                self.azure.url(&format!("/{ACCOUNT}"))
            ),
            &self.azure.url(""),
            &format!(
                "{{accountKey: {{account: {ACCOUNT}, key: {{valueFrom: {{file: ../azure-key}}}}}}}}"
            ),
            &stage.recipient,
        );
        let schedules = [
            schedule(S3, &[S3]),
            schedule(TWO, &[S3, SECOND]),
            schedule(AZURE, &[AZURE]),
        ];
        [&[s3(S3), s3(SECOND), azure], &schedules[..]]
            .concat()
            .join("---\n")
    }

    fn grants(&self) -> String {
        let grant = |plugin: &str, port: u16| {
            format!(
                "apiVersion: drydock.dev/v1\n\
                 kind: PluginGrant\n\
                 metadata: {{name: {plugin}}}\n\
                 spec:\n  \
                   builtin: {plugin}\n  \
                   grants: {{http: [{{scheme: http, host: localhost, port: {port}, addresses: [loopback]}}]}}\n"
            )
        };
        [
            grant("store-s3", self.s3.port()),
            grant("store-azure-blob", self.azure.port()),
        ]
        .join("---\n")
    }
}

fn target(
    name: &str,
    plugin: &str,
    config: &str,
    server: &str,
    identity: &str,
    recipient: &str,
) -> String {
    format!(
        "apiVersion: drydock.dev/v1\n\
         kind: Target\n\
         metadata: {{name: {name}}}\n\
         spec:\n  \
           plugin: {plugin}\n  \
           config: {config}\n  \
           endpoints: [\"{server}\"]\n  \
           identity: {identity}\n  \
           create: true\n  \
           recipients: [{recipient}]\n"
    )
}

/// A backup of etcd to these targets, as the stage's own.
fn schedule(name: &str, targets: &[&str]) -> String {
    let stores: String = targets
        .iter()
        .map(|target| format!("    - {{name: store-{target}, target: {target}}}\n"))
        .collect();
    format!(
        "apiVersion: drydock.dev/v1\n\
         kind: Schedule\n\
         metadata: {{name: {name}}}\n\
         spec:\n  \
           cluster: quickstart\n  \
           schedule: '*/15 * * * *'\n  \
           steps:\n    \
             - {{name: snapshot, backup: etcd-backup}}\n    \
             - {{name: verify, verify: etcd-verify}}\n\
         {stores}"
    )
}
