//! Asking the living members what they hold: hash, revision, and how many keys of each
//! kind, at the revision that the manifest names.

use drydock_api_types::drill::{Phase, Verdict};
use drydock_core::{ErrorCode, Fault, nature::EtcdFigures};
use drydock_objects::resource;
use drydock_scratch::etcd::Members;

use super::data::Figures;
use super::report::Report;
use super::{Asked, DrillError, Stop};

/// Resources that are counted one by one: each takes a few milliseconds.
const RESOURCES_MAX: usize = 256;

pub(super) async fn members(
    asked: &Asked<'_>,
    members: &Members,
    figures: &Figures,
    report: &mut Report,
) -> Result<(), Stop> {
    let begun = std::time::Instant::now();
    let compared = each(asked, members, figures, report).await;
    report.spent(Phase::Compare, begun.elapsed());
    compared.map_err(|fault| DrillError::Member(fault).into())
}

async fn each(
    asked: &Asked<'_>,
    members: &Members,
    figures: &Figures,
    report: &mut Report,
) -> Result<(), Fault> {
    let etcd = asked.point.manifest.figures();
    let revision = etcd.map_or(figures.revision, |etcd| etcd.revision);
    for (name, endpoint) in members.each() {
        hash(members, name, endpoint, figures, etcd, report).await?;
    }
    let Some(first) = members.endpoints().first() else {
        return Ok(());
    };
    // Members with one hash hold the same; so one is enough for the counts.
    if report.has_failed() {
        return Ok(());
    }
    let access = members.access();
    let keys = access.count(first, "", revision).await?;
    report.compare("keys in etcd", figures.named_keys, keys);
    let prefixes = &figures.resources.prefixes;
    for (resource, expected) in figures.resources.resources().iter().take(RESOURCES_MAX) {
        let mut found = 0;
        for prefix in prefixes.keys() {
            let prefix = format!("{}{resource}/", prefix.as_str());
            found += access.count(first, &prefix, revision).await?;
        }
        let name = format!("{} in etcd", resource::word(resource));
        report.compare(name, expected, found);
    }
    Ok(())
}

/// One member's hash at the revision of the manifest, and its own revision.
async fn hash(
    members: &Members,
    name: &str,
    endpoint: &str,
    figures: &Figures,
    etcd: Option<&EtcdFigures>,
    report: &mut Report,
) -> Result<(), Fault> {
    let known = etcd.and_then(|etcd| etcd.hash_kv);
    // Where the manifest's hash is of another compaction, the file's own has to do.
    let expected = known
        .filter(|hash| hash.compact_revision == figures.hash_kv.compact_revision)
        .map_or(figures.hash_kv.hash, |hash| hash.hash);
    let revision = etcd.map_or(figures.revision, |etcd| etcd.revision);
    let answer = match members.access().hash_kv(endpoint, revision).await {
        Err(fault) if matches!(fault.code, ErrorCode::FutureRevision | ErrorCode::Compacted) => {
            report.note(
                format!("HashKV of {name}"),
                format!("{expected} at revision {revision}"),
                fault.message,
                Verdict::Fail,
            );
            return Ok(());
        }
        answer => answer?,
    };
    report.compare(format!("HashKV of {name}"), expected, answer.hash);
    // Leases run on: keys that ran out meanwhile have moved it further.
    let pass = answer.revision >= revision;
    let expected = format!("{revision} or later");
    let found = answer.revision.to_string();
    report.note(
        format!("revision of {name}"),
        expected,
        found,
        Verdict::from(pass),
    );
    Ok(())
}
