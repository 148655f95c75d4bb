//! A kube-apiserver on the scratch members: it has to become ready, and to read every
//! object of a few resources, which decodes and, where they are encrypted, decrypts them.

use std::fs::File;
use std::path::{Path, PathBuf};

use drydock_api_types::drill::{Phase, Verdict};
use drydock_scratch::{
    ScratchError,
    api_server::{ApiServer, BootError, ListError, Means},
    etcd::Members,
};
use drydock_snapshot::{Prefix, ResourceCounts};

use super::data::{Brought, Figures, again};
use super::report::Report;
use super::{Asked, DrillError, Lab, Stop, encryption};

/// What is listed: where it lies in etcd, and where the API server has it. Namespaces,
/// which everything is in; what is encrypted as a rule; what is written most.
const LISTS: [(&str, &str); 6] = [
    ("namespaces", "/api/v1/namespaces"),
    ("secrets", "/api/v1/secrets"),
    ("configmaps", "/api/v1/configmaps"),
    ("pods", "/api/v1/pods"),
    ("deployments", "/apis/apps/v1/deployments"),
    ("serviceaccounts", "/api/v1/serviceaccounts"),
];

pub(super) async fn list(
    asked: &Asked<'_>,
    lab: &Lab,
    members: &Members,
    brought: &Brought,
    figures: &Figures,
    report: &mut Report,
) -> Result<(), Stop> {
    asked.enters(Phase::ApiServer);
    let begun = std::time::Instant::now();
    let listed = on_top(asked, lab, members, brought, figures, report).await;
    report.spent(Phase::ApiServer, begun.elapsed());
    listed
}

async fn on_top(
    asked: &Asked<'_>,
    lab: &Lab,
    members: &Members,
    brought: &Brought,
    figures: &Figures,
    report: &mut Report,
) -> Result<(), Stop> {
    let encryption = configuration(asked.encryption.as_deref(), lab, &brought.archives).await?;
    let prefix = main_prefix(asked, &figures.resources)?;
    let server = match boot(lab, members, encryption.as_deref(), &prefix).await {
        Ok(server) => server,
        // Without its keys an encrypted object is unreadable, which may be because they were
        // not backed up: nobody recovers from such a recovery point.
        Err(BootError::Unreadable(why)) => {
            report.note("API server", "ready", why, Verdict::Fail);
            return Ok(());
        }
        Err(BootError::Scratch(error)) => return Err(error.into()),
    };
    report.compare("API server", "ready", "ready");
    if LISTS
        .iter()
        .all(|(resource, _)| stored(figures, &prefix, resource) == 0)
    {
        report.nothing_to_compare(
            "the API server was started on a snapshot that holds none of the objects that it lists",
        );
    }
    for (resource, path) in LISTS {
        let stored = stored(figures, &prefix, resource);
        // An API server makes some objects of its own when it starts.
        let expected = format!("{stored} or more");
        let name = format!("{resource} listed");
        match server.count(path).await {
            Ok(count) => {
                let verdict = match stored {
                    0 => Verdict::Skipped,
                    _ => Verdict::from(count >= stored),
                };
                report.note(name, expected, count.to_string(), verdict);
            }
            Err(ListError::Refused(why)) => report.note(name, expected, why, Verdict::Fail),
            Err(ListError::Silent(why)) => {
                let name = "kube-apiserver".to_owned();
                return Err(ScratchError::Silent { name, why }.into());
            }
        }
    }
    Ok(())
}

/// The prefix under which the API server looks: one that nothing lies under would list
/// nothing, and find that sound.
///
/// # Errors
/// [`DrillError::NoObjects`], [`DrillError::OtherPrefix`].
pub fn main_prefix(asked: &Asked<'_>, counts: &ResourceCounts) -> Result<Prefix, DrillError> {
    let Some(found) = counts.main_prefix() else {
        return Err(DrillError::NoObjects);
    };
    let Some(named) = &asked.etcd_prefix else {
        return Ok(found.clone());
    };
    if counts.prefixes.contains_key(named) {
        return Ok(named.clone());
    }
    Err(DrillError::OtherPrefix {
        named: named.to_string(),
        has: counts.prefixes.keys().map(Prefix::to_string).collect(),
    })
}

fn stored(figures: &Figures, prefix: &Prefix, resource: &str) -> u64 {
    figures.resources.under(prefix, resource)
}

/// The file with the EncryptionConfiguration in the scratch folder, if there is one.
///
/// # Errors
/// [`encryption::EncryptionError`].
pub async fn configuration(
    named: Option<&Path>,
    lab: &Lab,
    archives: &[(String, File)],
) -> Result<Option<PathBuf>, DrillError> {
    let named = named.map(Path::to_owned);
    let archives = archives
        .iter()
        .map(|(name, file)| Ok((name.clone(), again(file)?)))
        .collect::<Result<Vec<_>, DrillError>>()?;
    let found = tokio::task::spawn_blocking(move || match named {
        Some(path) => encryption::of_file(&path).map(Some),
        None => encryption::of_archives(&archives),
    });
    let Some(found) = found.await?? else {
        return Ok(None);
    };
    tracing::info!("values are decrypted by {}", found.name);
    Ok(Some(lab.scratch.write("encryption.yaml", &found.text)?))
}

/// Starts an API server on the members that looks for its keys under this prefix.
///
/// # Errors
/// [`BootError`].
pub async fn boot(
    lab: &Lab,
    members: &Members,
    encryption: Option<&Path>,
    prefix: &Prefix,
) -> Result<ApiServer, BootError> {
    let program = lab.api_server.as_deref().ok_or(ScratchError::NoProgram {
        name: "kube-apiserver",
        key: "apiServer",
    })?;
    ApiServer::boot(&Means {
        scratch: &lab.scratch,
        nursery: &lab.nursery,
        program,
        authority: &lab.authority,
        etcd_pair: &lab.pair,
        etcd_endpoints: members.endpoints(),
        encryption,
        etcd_prefix: prefix.flag(),
    })
    .await
}
