//! `drydock recovery-point`: looks at what is stored, and brings it back.

mod extract;
mod fetch;
mod verify;

pub(super) use fetch::snapshot_of;

use drydock_core::chain;
use drydock_documents::{Located, Target as TargetDocument};
use drydock_repository::{
    Repository, Sealing,
    manifest::{Artifact, Consistency, ConsistencyLevel, EtcdSection, MediaType},
    recovery_point::{FoundMark, Listed, MarkStanding, Standing, State},
};
use drydock_terminal::print::{self, Output};
use serde_json::{Value, json};

use super::args::{Global, RecoveryPointVerb};
use super::catalog::{Catalog, Purpose, Strangers, warn_of};
use crate::runtime::block_on;
use crate::{Exit, Failure, Outcome};

/// Recovery points that one list shows: hourly ones of more than a year.
const LISTED_MAX: usize = 10_000;

/// Marks of one recovery point that are shown: daily drills of three months.
const MARKS_SHOWN_MAX: usize = 100;

/// Reasons that one list spells out below itself; all of them stand in its JSON.
const REASONS_TOLD_MAX: usize = 16;

pub fn dispatch(global: &Global, verb: RecoveryPointVerb) -> Outcome {
    let output = global.output;
    block_on(async move {
        match verb {
            RecoveryPointVerb::List { at } => list(output, &Catalog::open(global, &at)?).await,
            RecoveryPointVerb::Show { name, at } => {
                show(output, &Catalog::open(global, &at)?, &name).await
            }
            RecoveryPointVerb::Verify(asked) => verify::verify(global, *asked).await,
            RecoveryPointVerb::Fetch(asked) => fetch::fetch(global, *asked).await,
        }
    })
}

/// What is told of all targets together.
#[derive(Default)]
struct Shown {
    values: Vec<Value>,
    rows: Vec<Vec<String>>,
    /// Why recovery points are not what they should be.
    reasons: Vec<String>,
    notes: Vec<String>,
    strangers: Strangers,
    /// Whether there may be more than is shown.
    is_partial: bool,
}

async fn list(output: Output, catalog: &Catalog) -> Outcome {
    let mut shown = Shown::default();
    let mut failure = None;
    let mut targets = 0;
    for document in catalog.documents() {
        match list_target(catalog, document, &mut shown).await {
            Ok(()) => targets += 1,
            Err(error) => {
                // A target that fails hides what it has, and must not hide what others have.
                warn_of(document, &error);
                shown.is_partial = true;
                failure = Some(error);
            }
        }
    }
    match failure {
        Some(failure) if targets == 0 => return Err(failure),
        None if targets == 0 => return Err(catalog.no_target()),
        _ => {}
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
    let is_empty = shown.rows.is_empty();
    print::rows(output, &shown.values, &header, shown.rows)?;
    if is_empty && !shown.is_partial {
        print::note(
            "no recovery point is there; if there should be some, see that what holds them is mounted, and that it is the right folder",
        );
    }
    let told = shown.reasons.iter().take(REASONS_TOLD_MAX);
    told.for_each(|reason| print::note(reason));
    if let more @ 1.. = shown.reasons.len().saturating_sub(REASONS_TOLD_MAX) {
        print::note(&format!("and {more} more: --output json tells of each"));
    }
    shown.notes.extend(shown.strangers.sentences());
    shown.notes.iter().for_each(|note| print::note(note));
    Ok(if shown.is_partial {
        Exit::Degraded
    } else {
        Exit::Done
    })
}

async fn list_target(
    catalog: &Catalog,
    document: &Located<TargetDocument>,
    shown: &mut Shown,
) -> Result<(), Failure> {
    let target = catalog.target(document)?;
    let name = &document.value.name;
    let repository = Repository::new(&target, &catalog.signers);
    let listed = repository
        .list(catalog.cluster.as_ref(), LISTED_MAX)
        .await?;
    for entry in &listed.points {
        shown.values.push(list_value(name.as_str(), entry));
        shown.rows.push(list_row(name.as_str(), entry));
        match &entry.standing {
            Standing::Signed(_) => shown.reasons.extend(reason_of(entry)),
            Standing::Refused(error) if shown.strangers.count(error) => {}
            Standing::Refused(error) => shown.reasons.push(chain(error)),
            Standing::Unread(error) => shown.misses(chain(error)),
        }
    }
    for why in listed.unread {
        shown.misses(format!("target {name}: {why}"));
    }
    let warning = super::target::warning(&catalog.registry.node, &target, name);
    if let Some(why) = warning.await {
        shown.misses(why);
    }
    let foreign = listed.foreign.note();
    let foreign = foreign.map(|note| format!("Target {name}: {note}."));
    shown.notes.extend(foreign);
    Ok(())
}

impl Shown {
    fn misses(&mut self, why: String) {
        self.is_partial = true;
        self.notes.push(format!("warning: {why}"));
    }
}

/// Why a recovery point is not what it should be, in a sentence that names it.
fn reason_of(entry: &Listed) -> Option<String> {
    let word = entry.state.word();
    let why = entry.state.why()?;
    let point = format!("{}/{}", entry.folder.cluster(), entry.folder.name());
    Some(format!("recovery point {point} is {word}: {why}"))
}

fn list_value(target: &str, entry: &Listed) -> Value {
    let mut value = json!({
        "recoveryPoint": entry.folder.name(),
        "cluster": entry.folder.cluster(),
        "target": target,
        "state": entry.state.word(),
        "reason": entry.state.why(),
    });
    match &entry.standing {
        Standing::Signed(point) => {
            value["taken"] = json!(point.manifest.taken.to_string());
            value["etcd"] = json!(point.manifest.etcd);
            value["artifacts"] = point
                .manifest
                .artifacts
                .iter()
                .map(listed_artifact)
                .collect();
            value["manifestSha256"] = json!(point.manifest_sha256.to_string());
            value["verified"] = json!(verified_at(&entry.state));
            value["mark"] = json!(entry.drill.as_ref().map(mark_value));
        }
        Standing::Refused(error) | Standing::Unread(error) => {
            value["reason"] = json!(chain(error));
        }
    }
    value
}

fn verified_at(state: &State) -> Option<String> {
    match state {
        State::Verified { at } => Some(at.to_string()),
        _ => None,
    }
}

/// The word of a state, and its date where it has one.
fn stated(state: &State) -> String {
    match verified_at(state) {
        Some(at) => format!("{} {at}", state.word()),
        None => state.word().to_owned(),
    }
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
        Standing::Signed(point) => {
            row.push(point.manifest.taken.to_string());
            match point.manifest.figures() {
                Some(etcd) => row.extend([
                    etcd.revision.to_string(),
                    etcd.total_keys.to_string(),
                    drydock_core::human_bytes(etcd.total_size),
                ]),
                None => row.extend(["-", "-", "-"].map(str::to_owned)),
            }
            row.push(point.manifest.artifacts.len().to_string());
        }
        Standing::Refused(_) | Standing::Unread(_) => {
            row.extend(["-", "-", "-", "-", "-"].map(str::to_owned));
        }
    }
    row.push(stated(&entry.state));
    let mark = entry.drill.as_ref();
    row.push(mark.map_or_else(|| "-".to_owned(), marked));
    row
}

/// What a mark says, and when it was found, e.g. `drilled 2026-01-03T03:04:05Z`.
fn marked(mark: &FoundMark) -> String {
    let word = mark.name.kind().word();
    match &mark.standing {
        MarkStanding::Sound { mark, .. } => format!("{word} {}", mark.at),
        MarkStanding::Refused(why) => format!("{word}, which says nothing: {why}"),
        MarkStanding::Unread(why) => format!("{word}, which cannot be read: {why}"),
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
        MarkStanding::Unread(why) => json!({
            "mark": mark.name.kind(),
            "unread": why,
        }),
    }
}

async fn show(output: Output, catalog: &Catalog, name: &str) -> Outcome {
    let found = catalog.find(name, Purpose::Look).await?;
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
            rows.extend(manifest.etcd.as_ref().map_or_else(Vec::new, etcd_rows));
            rows.push(pair("consistency", consistency(&manifest.consistency)));
            for artifact in &manifest.artifacts {
                rows.push(pair("artifact", &artifact.name));
                rows.push(pair("kind", kind(artifact)));
                rows.push(pair("size", drydock_core::human_bytes(artifact.plain.size)));
                rows.push(pair("object", &artifact.object));
                rows.push(pair("sealed", told(artifact)));
            }
            let repository = Repository::new(&found.target, &catalog.signers);
            let listed = repository.listed(found.point.clone()).await?;
            rows.push(pair("state", stated(&listed.state)));
            rows.extend(listed.state.why().map(|why| pair("reason", why)));
            for mark in repository.marks(&found.point, MARKS_SHOWN_MAX).await? {
                rows.push(pair("mark", marked(&mark)));
            }
            print::line(&print::table(&["FIELD", "VALUE"], rows));
        }
    }
    Ok(Exit::Done)
}

fn etcd_rows(etcd: &EtcdSection) -> Vec<Vec<String>> {
    match etcd {
        EtcdSection::Sound(etcd) => vec![
            pair("hash", format!("{:x}", etcd.hash)),
            pair("revision", etcd.revision),
            pair("total keys", etcd.total_keys),
            pair("total size", drydock_core::human_bytes(etcd.total_size)),
        ],
        EtcdSection::Damaged(etcd) => {
            let problems = etcd.damage.problems.iter();
            problems.map(|problem| pair("damage", problem)).collect()
        }
    }
}

/// What an artifact is, for people.
fn kind(artifact: &Artifact) -> &str {
    match &artifact.media_type {
        MediaType::EtcdSnapshot => "etcd snapshot",
        MediaType::Tar => "tar archive",
        other => other.as_str(),
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
    format!(
        "{} ({how})",
        drydock_core::human_bytes(artifact.sealed.size)
    )
}
