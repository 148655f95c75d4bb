//! `drydock recovery-point`: looks at what is stored, and brings it back.

mod extract;
mod fetch;
mod unpack;

pub(super) use fetch::snapshot_of;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use drydock_core::files::{Located, Target as TargetDocument, nearest};
use drydock_core::{ClusterName, RecoveryPointName};
use drydock_repository::manifest::{
    Artifact, Consistency, ConsistencyLevel, MEDIA_TYPE_ETCD, MEDIA_TYPE_TAR,
};
use drydock_repository::recovery_point::{
    FoundMark, Listed, MarkStanding, RecoveryPoint, Standing, Verified,
};
use drydock_repository::{Identities, Repository, RepositoryError, Sealing, TrustedSigners};
use drydock_sandbox::StoreTarget;
use serde_json::{Value, json};

use super::args::{At, Global, Output, RecoveryPointVerb};
use super::{block_on, print};
use crate::exit::{Exit, Failure, Outcome, chain};
use crate::node::{Node, Workshop};

/// Recovery points that one list shows: hourly ones of more than a year.
const LISTED_MAX: usize = 10_000;

/// Marks of one recovery point that are shown: daily drills of three months.
const MARKS_SHOWN_MAX: usize = 100;

/// Largest identity file.
const IDENTITY_BYTES_MAX: u64 = 64 * 1024;

pub fn dispatch(global: &Global, verb: RecoveryPointVerb) -> Outcome {
    let node = Node::load(global)?;
    let output = global.output;
    block_on(async move {
        match verb {
            RecoveryPointVerb::List { at } => list(output, &Shelf::open(node, at)?).await,
            RecoveryPointVerb::Show { name, at } => {
                show(output, &Shelf::open(node, at)?, &name).await
            }
            RecoveryPointVerb::Verify { name, at, identity } => {
                let identities = identity.as_deref().map(identities).transpose()?;
                verify(output, &Shelf::open(node, at)?, &name, identities).await
            }
            RecoveryPointVerb::Fetch(asked) => fetch::fetch(output, node, *asked).await,
        }
    })
}

/// The targets and clusters that a command line asks for.
pub(super) struct Shelf {
    pub workshop: Workshop,
    pub signers: TrustedSigners,
    target: Option<String>,
    cluster: Option<ClusterName>,
}

/// A recovery point and where it was found.
pub(super) struct Found {
    pub target: StoreTarget,
    pub target_name: String,
    pub point: RecoveryPoint,
}

impl Shelf {
    pub fn open(node: Node, at: At) -> Result<Self, Failure> {
        if let Some(name) = &at.target {
            node.target(name)?;
        }
        let workshop = Workshop::open(node)?;
        let signers = workshop.signers()?;
        Ok(Self {
            workshop,
            signers,
            target: at.target,
            cluster: at.cluster.map(ClusterName::new),
        })
    }

    pub fn documents(&self) -> impl Iterator<Item = &Located<TargetDocument>> {
        self.workshop.node.documents.targets().filter(|target| {
            self.target
                .as_ref()
                .is_none_or(|name| target.value.name.as_str() == name)
        })
    }

    /// The clusters to look for: the named one, or all that documents define.
    pub fn clusters(&self) -> Vec<ClusterName> {
        match &self.cluster {
            Some(cluster) => vec![cluster.clone()],
            None => self
                .workshop
                .node
                .documents
                .clusters()
                .map(|cluster| cluster.value.name.clone())
                .collect(),
        }
    }

    pub fn target(&self, document: &Located<TargetDocument>) -> Result<StoreTarget, Failure> {
        let cluster = self.cluster.clone().unwrap_or_else(|| ClusterName::new(""));
        self.workshop.idle_target(document, &cluster)
    }

    /// The first target that has a believable recovery point of this name.
    pub async fn find(&self, name: &str) -> Result<Found, Failure> {
        let name = RecoveryPointName::new(name);
        let mut refused: Option<RepositoryError> = None;
        let mut looked_at = 0;
        for document in self.documents() {
            let target = self.target(document)?;
            for cluster in self.clusters() {
                let repository = Repository::new(&target, &self.signers);
                match repository.load(&cluster, &name).await {
                    Ok(point) => {
                        return Ok(Found {
                            target_name: document.value.name.to_string(),
                            target,
                            point,
                        });
                    }
                    Err(RepositoryError::NoRecoveryPoint { .. }) => looked_at += 1,
                    // Something is there and cannot be believed: that is the better answer.
                    Err(error) => refused = Some(error),
                }
            }
        }
        Err(match refused {
            Some(error) => Failure::failed(error),
            None if looked_at > 0 => self.unknown(&name).await?,
            None => Failure::usage(anyhow::anyhow!(
                "the documents define no target and no cluster to look for {name}"
            )),
        })
    }

    /// No target has a recovery point of this name: which ones there are.
    async fn unknown(&self, name: &RecoveryPointName) -> Result<Failure, Failure> {
        let mut known = Vec::new();
        for document in self.documents() {
            let target = self.target(document)?;
            let repository = Repository::new(&target, &self.signers);
            let listed = repository.list(self.cluster.as_ref(), LISTED_MAX).await?;
            known.extend(listed.iter().map(|entry| entry.folder.name().to_string()));
        }
        let targets: Vec<_> = self.documents().map(|t| t.value.name.as_str()).collect();
        let hint = match nearest(name.as_str(), known.iter().map(String::as_str)) {
            Some(near) => format!("; did you mean {near}?"),
            None if known.is_empty() => "; there is none at all".to_owned(),
            None => "; `drydock recovery-point list` shows those that are there".to_owned(),
        };
        Ok(Failure::failed(anyhow::anyhow!(
            "there is no recovery point {name} at {}{hint}",
            targets.join(", ")
        )))
    }
}

async fn list(output: Output, shelf: &Shelf) -> Outcome {
    let mut values = Vec::new();
    let mut rows = Vec::new();
    let mut notes = Vec::new();
    for document in shelf.documents() {
        let target = shelf.target(document)?;
        let repository = Repository::new(&target, &shelf.signers);
        let listed = repository.list(shelf.cluster.as_ref(), LISTED_MAX).await?;
        for entry in &listed {
            let name = document.value.name.as_str();
            values.push(list_value(name, entry));
            rows.push(list_row(name, entry));
            if let Standing::Refused(error) = &entry.standing {
                notes.push(chain(error));
            }
        }
    }
    let header = [
        "RECOVERY POINT",
        "CLUSTER",
        "TARGET",
        "TAKEN",
        "REVISION",
        "TOTAL KEYS",
        "TOTAL SIZE",
        "ARTIFACTS",
        "STATE",
        "MARK",
    ];
    print::rows(output, &values, &header, rows)?;
    notes.iter().for_each(|note| print::note(note));
    Ok(Exit::Done)
}

fn list_value(target: &str, entry: &Listed) -> Value {
    let mut value = json!({
        "recoveryPoint": entry.folder.name(),
        "cluster": entry.folder.cluster(),
        "target": target,
    });
    match &entry.standing {
        Standing::Sound(point) => {
            value["state"] = json!("Sound");
            value["taken"] = json!(point.manifest.taken.to_string());
            value["etcd"] = json!(point.manifest.etcd);
            value["artifacts"] = point
                .manifest
                .artifacts
                .iter()
                .map(listed_artifact)
                .collect();
            value["manifestSha256"] = json!(point.manifest_sha256.to_string());
            value["mark"] = json!(entry.mark.as_ref().map(mark_value));
        }
        Standing::Refused(error) => {
            value["state"] = json!("Refused");
            value["reason"] = json!(chain(error));
        }
    }
    value
}

fn listed_artifact(artifact: &Artifact) -> Value {
    json!({
        "name": artifact.name,
        "mediaType": artifact.media_type,
        "size": artifact.plain.size,
    })
}

fn list_row(target: &str, entry: &Listed) -> Vec<String> {
    let mut row = vec![
        entry.folder.name().to_string(),
        entry.folder.cluster().to_string(),
        target.to_owned(),
    ];
    match &entry.standing {
        Standing::Sound(point) => {
            row.push(point.manifest.taken.to_string());
            match &point.manifest.etcd {
                Some(etcd) => row.extend([
                    etcd.revision.to_string(),
                    etcd.total_keys.to_string(),
                    print::human_bytes(etcd.total_size),
                ]),
                None => row.extend(["-", "-", "-"].map(str::to_owned)),
            }
            row.push(point.manifest.artifacts.len().to_string());
            row.push("Sound".to_owned());
        }
        Standing::Refused(_) => row.extend(["-", "-", "-", "-", "-", "Refused"].map(str::to_owned)),
    }
    row.push(entry.mark.as_ref().map_or_else(|| "-".to_owned(), marked));
    row
}

/// What a mark says, and when it was found, e.g. `drilled 2026-01-03T03:04:05Z`.
fn marked(mark: &FoundMark) -> String {
    let word = mark.name.kind().word();
    match &mark.standing {
        MarkStanding::Sound { mark, .. } => format!("{word} {}", mark.at),
        MarkStanding::Refused(why) => format!("{word}, which says nothing: {why}"),
    }
}

fn mark_value(mark: &FoundMark) -> Value {
    match &mark.standing {
        MarkStanding::Sound { mark, signer } => json!({
            "mark": mark.mark,
            "at": mark.at.to_string(),
            "node": mark.node,
            "reason": mark.reason,
            "recoveryMilliseconds": mark.recovery_milliseconds,
            "signer": signer.to_string(),
        }),
        MarkStanding::Refused(why) => json!({
            "mark": mark.name.kind(),
            "refused": why,
        }),
    }
}

async fn show(output: Output, shelf: &Shelf, name: &str) -> Outcome {
    let found = shelf.find(name).await?;
    let manifest = &found.point.manifest;
    match output {
        Output::Json => print::line(&serde_json::to_string_pretty(manifest)?),
        Output::Table => {
            let mut rows = vec![
                pair("recovery point", &manifest.recovery_point),
                pair("cluster", &manifest.cluster),
                pair("target", &found.target_name),
                pair("signed by", found.point.signer),
                pair("taken", manifest.taken),
                pair("lineage", &manifest.lineage.id),
            ];
            if let Some(etcd) = &manifest.etcd {
                rows.push(pair("hash", format!("{:x}", etcd.hash)));
                rows.push(pair("revision", etcd.revision));
                rows.push(pair("total keys", etcd.total_keys));
                rows.push(pair("total size", print::human_bytes(etcd.total_size)));
            }
            rows.push(pair("consistency", consistency(&manifest.consistency)));
            for artifact in &manifest.artifacts {
                rows.push(pair("artifact", &artifact.name));
                rows.push(pair("kind", kind(artifact)));
                rows.push(pair("size", print::human_bytes(artifact.plain.size)));
                rows.push(pair("object", &artifact.object));
                rows.push(pair("sealed", told(artifact)));
            }
            let repository = Repository::new(&found.target, &shelf.signers);
            for mark in repository.marks(&found.point, MARKS_SHOWN_MAX).await? {
                rows.push(pair("mark", marked(&mark)));
            }
            print::line(&print::table(&["FIELD", "VALUE"], rows));
        }
    }
    Ok(Exit::Done)
}

/// What an artifact is, for people.
fn kind(artifact: &Artifact) -> &str {
    match artifact.media_type.as_str() {
        MEDIA_TYPE_ETCD => "etcd snapshot",
        MEDIA_TYPE_TAR => "tar archive",
        other => other,
    }
}

fn consistency(consistency: &Consistency) -> String {
    match consistency.level {
        ConsistencyLevel::SingleSnapshot => "one snapshot, of one instant".to_owned(),
        ConsistencyLevel::SeparateCuts => format!(
            "taken one after the other, within {} s",
            consistency.skew_milliseconds.div_ceil(1000)
        ),
        ConsistencyLevel::Other => "of a kind that this version does not know".to_owned(),
    }
}

fn pair(field: &str, value: impl ToString) -> Vec<String> {
    vec![field.to_owned(), value.to_string()]
}

fn told(artifact: &Artifact) -> String {
    let how = match artifact.sealing {
        Sealing::Age => "age",
        Sealing::None => "not sealed",
    };
    format!("{} ({how})", print::human_bytes(artifact.sealed.size))
}

async fn verify(
    output: Output,
    shelf: &Shelf,
    name: &str,
    identities: Option<Arc<Identities>>,
) -> Outcome {
    let found = shelf.find(name).await?;
    let repository = Repository::new(&found.target, &shelf.signers);
    let manifest = &found.point.manifest;
    let verified = repository
        .verify(&manifest.cluster, &manifest.recovery_point, identities)
        .await?;
    let rows: Vec<Vec<String>> = verified
        .artifacts
        .iter()
        .map(|check| {
            let state = match &check.outcome {
                Ok(Some(_)) => "sound, opened",
                Ok(None) => "sound, still sealed",
                Err(_) => "damaged",
            };
            vec![
                check.artifact.clone(),
                found.target_name.clone(),
                state.to_owned(),
            ]
        })
        .collect();
    let value = verify_value(&found.target_name, &verified);
    print::rows(output, &value, &["ARTIFACT", "TARGET", "STATE"], rows)?;
    for check in &verified.artifacts {
        if let Err(error) = &check.outcome {
            print::note(&fetch::told_of(error));
        }
    }
    Ok(if verified.pass() {
        Exit::Done
    } else {
        Exit::Failed
    })
}

fn verify_value(target: &str, verified: &Verified) -> Value {
    let artifacts: Vec<Value> = verified
        .artifacts
        .iter()
        .map(|check| {
            json!({
                "artifact": check.artifact,
                "sound": check.outcome.is_ok(),
                "opened": matches!(&check.outcome, Ok(Some(_))),
                "reason": check.outcome.as_ref().err().map(|error| chain(error)),
            })
        })
        .collect();
    json!({
        "recoveryPoint": verified.point.manifest.recovery_point,
        "target": target,
        "pass": verified.pass(),
        "artifacts": artifacts,
    })
}

pub(super) fn identities(path: &Path) -> Result<Arc<Identities>, Failure> {
    let read = || -> anyhow::Result<String> {
        let size = fs::metadata(path)?.len();
        anyhow::ensure!(
            size <= IDENTITY_BYTES_MAX,
            "it is too large to be an identity file"
        );
        String::from_utf8(fs::read(path)?).map_err(|_| {
            anyhow::anyhow!(
                "it is not text; give an age identity file or an ssh-ed25519 private key"
            )
        })
    };
    let text = read()
        .with_context(|| format!("the identity {} cannot be read", path.display()))
        .map_err(Failure::usage)?;
    let identities =
        Identities::parse(&path.display().to_string(), &text).map_err(Failure::usage)?;
    Ok(Arc::new(identities))
}
