//! The documents that tell Drydock about the scratch cluster.
//!
//! Paths in a document are relative to the file they stand in, so everything but the
//! target's folder, the certificates and their grants is named relatively.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use drydock_testkit::etcd::Cluster;
use drydock_testkit::versitygw::{BUCKET, REGION, User, Versitygw};

/// The node's configuration in the scratch folder.
pub const CONFIGURATION: &str = "drydock.yaml";

/// Where backups are stored in the scratch folder.
pub const BACKUPS: &str = "backups";

/// The target that the shipped schedule names.
pub const TARGET: &str = "local";

/// Where backups are stored.
pub enum Store<'a> {
    /// [`BACKUPS`] in the scratch folder.
    Folder,
    /// A bucket of this server, as this user.
    Bucket(&'a Versitygw, User),
}

/// What the documents are made from.
pub struct Documents<'a> {
    pub scratch: &'a Path,
    /// A schedule, which names the cluster `quickstart` and the target [`TARGET`].
    pub schedule: &'a str,
    pub source: &'a Cluster,
    /// Whom backups are sealed for.
    pub recipient: &'a str,
    /// The program that drills boot.
    pub etcd: &'a Path,
    pub store: Store<'a>,
}

impl Documents<'_> {
    /// Writes all of them, and makes the folder for backups where that is the target.
    pub fn write(&self) -> Result<()> {
        self.write_one(CONFIGURATION, &self.node())?;
        self.write_one("inventory/schedule.yaml", self.schedule)?;
        self.write_one("inventory/cluster.yaml", &self.cluster()?)?;
        self.write_one("inventory/target.yaml", &self.target())?;
        self.write_one("grants/grants.yaml", &self.grants())?;
        if let Store::Bucket(server, user) = &self.store {
            self.write_one("s3-secret", user.secret)?;
            self.write_one("s3-ca.pem", server.ca_pem().unwrap_or_default())?;
            return Ok(());
        }
        let backups = self.scratch.join(BACKUPS);
        fs::create_dir_all(&backups).with_context(|| format!("cannot make {}", backups.display()))
    }

    fn write_one(&self, name: &str, text: &str) -> Result<()> {
        let path = self.scratch.join(name);
        let folder = path
            .parent()
            .expect("every document lies in the scratch folder");
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// The folder with the source cluster's certificates.
    fn pki(&self) -> PathBuf {
        self.source.folder().join("pki")
    }

    fn node(&self) -> String {
        format!(
            "apiVersion: drydock.dev/v1\n\
             kind: NodeConfig\n\
             metadata: {{name: quickstart}}\n\
             spec:\n  \
               state: state\n  \
               schedules: [inventory]\n  \
               grants: [grants]\n  \
               signingKey: {{valueFrom: {{file: signing.key}}}}\n  \
               drill: {{etcd: {{path: {etcd}}}, reports: reports}}\n{http}",
            etcd = quoted(self.etcd),
            http = match &self.store {
                Store::Folder => "",
                Store::Bucket(..) => "  http: {caFile: s3-ca.pem}\n",
            },
        )
    }

    fn cluster(&self) -> Result<String> {
        let pair = self
            .source
            .client_certificate()
            .context("the source cluster has TLS")?;
        let authority = self.source.ca().context("the source cluster has TLS")?;
        Ok(format!(
            "apiVersion: drydock.dev/v1\n\
             kind: Cluster\n\
             metadata: {{name: quickstart}}\n\
             spec:\n  \
               etcd:\n    \
                 endpoints: [{endpoints}]\n    \
                 ca: {{valueFrom: {{file: {authority}}}}}\n    \
                 certificate: {{valueFrom: {{file: {certificate}}}}}\n    \
                 key: {{valueFrom: {{file: {key}}}}}\n",
            endpoints = self.source.endpoints().join(", "),
            authority = quoted(authority),
            certificate = quoted(&pair.certificate),
            key = quoted(&pair.key),
        ))
    }

    fn target(&self) -> String {
        let store = match &self.store {
            Store::Folder => format!(
                "  plugin: store-file\n  config: {{folder: {}}}\n  create: true\n",
                quoted(&self.scratch.join(BACKUPS))
            ),
            Store::Bucket(server, user) => format!(
                "  plugin: store-s3\n  \
                   config: {{endpoint: '{url}', bucket: {BUCKET}}}\n  \
                   endpoints: ['{url}']\n  \
                   identity:\n    \
                     accessKey:\n      \
                       id: {id}\n      \
                       secret: {{valueFrom: {{file: ../s3-secret}}}}\n      \
                       region: {REGION}\n",
                url = server.url(""),
                id = user.id,
            ),
        };
        format!(
            "apiVersion: drydock.dev/v1\n\
             kind: Target\n\
             metadata: {{name: {TARGET}}}\n\
             spec:\n\
             {store}  recipients: [{recipient}]\n",
            recipient = self.recipient,
        )
    }

    fn grants(&self) -> String {
        let grant = |plugin: &str, grants: &str| {
            format!(
                "apiVersion: drydock.dev/v1\n\
                 kind: PluginGrant\n\
                 metadata: {{name: {plugin}}}\n\
                 spec:\n  \
                   builtin: {plugin}\n  \
                   grants: {grants}\n"
            )
        };
        let (plugin, store) = match &self.store {
            Store::Folder => {
                let folder = quoted(&self.scratch.join(BACKUPS));
                let folder = format!("{{files: [{{directory: {folder}, access: write}}]}}");
                ("store-file", folder)
            }
            // The server is on loopback, where no plugin goes unless that is said.
            Store::Bucket(..) => {
                let server = format!("{{http: [{{target: {TARGET}, addresses: [loopback]}}]}}");
                ("store-s3", server)
            }
        };
        let pki = quoted(&self.pki());
        let files = format!("{{files: [{{directory: {pki}, access: read}}]}}");
        [
            grant("etcd-backup", "{etcd: [member-list, status, snapshot]}"),
            grant("etcd-verify", "{}"),
            grant("files-backup", &files),
            grant("files-verify", "{}"),
            grant(plugin, &store),
        ]
        .join("---\n")
    }
}

/// A path as a quoted YAML scalar, so that no character in it can mean anything.
pub fn quoted(path: &Path) -> String {
    serde_json::Value::from(path.to_string_lossy()).to_string()
}
