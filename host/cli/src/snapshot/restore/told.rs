//! What a restore prints: the members, what was done that nobody asked for by name, and what
//! to do now.

use drydock_api_types::snapshot::{
    BumpMemory, CopyMethod, RestoreSeconds, RestoredCluster, RestoredFolders,
};
use drydock_snapshot::restore::{CopiedBy, Request, Restored, RestoredMember};
use drydock_terminal::print::{self, Output};

use super::memory::Remembered;

const HEADER: [&str; 3] = ["MEMBER", "ID", "DATA DIR"];

/// Data to stdout, the rest to stderr.
pub fn print(
    output: Output,
    request: &Request,
    restored: &Restored,
    remembered: &Remembered,
) -> Result<(), serde_json::Error> {
    let shape = shape(request, restored, remembered);
    print::rows(output, &shape, &HEADER, shape.members.iter().map(row))?;
    for line in next_steps(request, restored) {
        print::note(&line);
    }
    if let Some(bumped_to) = restored.bumped_to {
        memory(bumped_to, remembered)
            .iter()
            .for_each(|line| print::note(line));
    }
    Ok(())
}

fn row(member: &RestoredFolders) -> Vec<String> {
    vec![
        member.name.clone(),
        member.id.clone(),
        member.data_dir.clone(),
    ]
}

fn shape(request: &Request, restored: &Restored, remembered: &Remembered) -> RestoredCluster {
    let members = restored.members.iter().map(|member| RestoredFolders {
        name: member.name.clone(),
        id: format!("{:x}", member.id),
        data_dir: member.data_dir.display().to_string(),
        wal_dir: member.wal_dir.display().to_string(),
    });
    RestoredCluster {
        cluster_id: format!("{:x}", restored.cluster_id),
        token: request.cluster.token.clone(),
        members: members.collect(),
        revision: restored.revision,
        bumped_to: restored.bumped_to,
        remembered: BumpMemory {
            mark: remembered.by_mark,
            journal: remembered.in_journal,
        },
        storage_version: restored.storage_version.clone(),
        alarms_cleared: restored.alarms_cleared as u64,
        database_bytes: restored.database_bytes,
        copied_by: method(restored.copied_by),
        cloned_by: method(restored.cloned_by),
        seconds: RestoreSeconds {
            copied: restored.times.copied.as_secs_f64(),
            written: restored.times.written.as_secs_f64(),
            placed: restored.times.placed.as_secs_f64(),
        },
    }
}

fn method(by: CopiedBy) -> CopyMethod {
    match by {
        CopiedBy::Reflink => CopyMethod::Reflink,
        CopiedBy::Kernel => CopyMethod::Kernel,
        CopiedBy::ReadWrite => CopyMethod::ReadWrite,
    }
}

/// Where it is remembered what was bumped to, or what the next restore must be given.
fn memory(bumped_to: i64, remembered: &Remembered) -> Vec<String> {
    let give = format!("give the next restore of this cluster --known-revision {bumped_to}");
    let mut lines = remembered.failures.clone();
    match (remembered.by_mark, remembered.in_journal) {
        (true, _) => {}
        (false, true) => lines.push(format!(
            "That the cluster goes on from {bumped_to} is known to this node's journal alone: on another machine, {give}."
        )),
        (false, false) => lines.push(format!(
            "That the cluster goes on from {bumped_to} is remembered nowhere: {give}, or it lands on the same revisions."
        )),
    }
    lines
}

fn next_steps(request: &Request, restored: &Restored) -> Vec<String> {
    let mut lines = Vec::new();
    match restored.bumped_to {
        Some(revision) => lines.push(format!(
            "The snapshot's revision is {}; the new cluster goes on from {revision}, and whoever \
             asks for an older one is told that it is compacted.",
            restored.revision
        )),
        None => lines.push(format!(
            "The new cluster goes on from the snapshot's revision {}.",
            restored.revision
        )),
    }
    if restored.alarms_cleared > 0 {
        lines.push(format!(
            "Alarms of the old cluster that were cleared: {}. If the disk or the quota was full, it \
             still is.",
            restored.alarms_cleared
        ));
    }
    lines.push(
        "Make sure that no member of the old cluster runs; give each folder to the user that etcd \
         runs as, on the member's own machine; and start every member with these flags beside \
         its usual ones:"
            .to_owned(),
    );
    lines.extend(restored.members.iter().map(|member| start(request, member)));
    if let Some(version) = &restored.storage_version {
        lines.push(format!(
            "The snapshot is of etcd {version}: an older etcd does not start on it."
        ));
    }
    lines.push(
        "Then restart the API servers, controller managers, schedulers and kubelets, so that \
         none goes on with what it remembers."
            .to_owned(),
    );
    lines
}

/// The flags of etcd that a restored member needs.
fn start(request: &Request, member: &RestoredMember) -> String {
    let members = &request.cluster.members;
    let entries = members.iter().flat_map(|member| {
        let urls = member.peer_urls.iter();
        urls.map(|url| format!("{}={url}", member.name))
    });
    let entries = entries.collect::<Vec<_>>().join(",");
    let own = members.iter().find(|other| other.name == member.name);
    let own = own.map_or(String::new(), |member| member.peer_urls.join(","));
    let wal = match request.wal_dir {
        Some(_) => format!(" --wal-dir {}", member.wal_dir.display()),
        None => String::new(),
    };
    format!(
        "  etcd --name {} --data-dir {}{wal} --initial-advertise-peer-urls {own} \
         --initial-cluster {entries} --initial-cluster-token {}",
        member.name,
        member.data_dir.display(),
        request.cluster.token
    )
}
