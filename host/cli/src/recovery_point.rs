//! `drydock recovery-point`: looks at what is stored, and brings it back.

mod extract;
mod fetch;
mod summary;
mod verify;

pub(super) use fetch::snapshot_of;

use drydock_api_types::recovery_point::RecoveryPointSummary;
use drydock_core::{TargetName, chain, nature::EtcdSection};
use drydock_documents::{Located, Target as TargetDocument};
use drydock_repository::{
    Repository, Sealing,
    manifest::{Artifact, Consistency, ConsistencyLevel, MediaType},
    recovery_point::{Listed, Standing},
};
use drydock_terminal::print::{self, Output};

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
    points: Vec<RecoveryPointSummary>,
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
    let rows = shown.points.iter().map(summary::row);
    print::rows(output, &shown.points, &summary::HEADER, rows)?;
    if shown.points.is_empty() && !shown.is_partial {
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
        shown.points.push(summary::of(name, entry));
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
            let name = TargetName::new(&found.target_name);
            let state = summary::stated(&summary::of(&name, &listed));
            rows.push(pair("state", state));
            rows.extend(listed.state.why().map(|why| pair("reason", why)));
            for mark in repository.marks(&found.point, MARKS_SHOWN_MAX).await? {
                let mark = summary::mark(&mark);
                rows.push(pair("mark", summary::marked(&mark)));
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
            let damage = &etcd.damage;
            let mut rows = vec![
                pair("trailer", damage.trailer.word()),
                pair("problems", damage.problems_total),
            ];
            rows.extend(damage.not_etcd.iter().map(|why| pair("not etcd's", why)));
            let problems = damage.problems.iter();
            let others = problems.filter(|problem| Some(*problem) != damage.not_etcd.as_ref());
            rows.extend(others.map(|problem| pair("damage", problem)));
            rows
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
