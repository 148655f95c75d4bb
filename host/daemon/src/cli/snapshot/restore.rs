//! `drydock snapshot restore`: data folders of all members, or of one, that etcd can be
//! started on.

use std::cell::Cell;
use std::path::PathBuf;

use drydock_repository::Repository;
use drydock_repository::recovery_point::{RecoveryPoint, Standing};
use drydock_snapshot::SnapshotFile;
use drydock_snapshot::restore::{
    Bump, InitialCluster, Request, RestoreError, Restored, RestoredMember, restore_watched,
};
use serde_json::{Value, json};

use super::source::{self, Opened};
use crate::cli::args::{At, BumpRevision, Global, RestoreArgs};
use crate::cli::shelf::{Purpose, Shelf};
use crate::cli::{block_on, print};
use crate::crash::Kill;
use crate::exit::{Exit, Failure, Outcome};

/// What etcd listens on for its peers where nothing else is said.
const PEER_URL_DEFAULT: &str = "http://localhost:2380";

/// Recovery points that are asked for the newest revision of their cluster. They come newest
/// first, and revisions only grow within one lineage.
const NEWEST_ASKED_MAX: usize = 16;

pub fn restore(global: &Global, args: &RestoreArgs) -> Outcome {
    let mut request = request(args).map_err(Failure::usage)?;
    let Opened { file, point } = source::open(global, &args.source, &args.opening)?;
    if let (Some(point), BumpRevision::Auto) = (&point, args.bump_revision) {
        request.bump = Bump::Auto {
            last_known_revision: block_on(last_known(global, &args.opening.at, point))?,
        };
    }
    let restored = carry_out(&file, &request)?;
    let header = ["MEMBER", "ID", "DATA DIR"];
    let rows = restored.members.iter().map(row);
    print::rows(global.output, &data(&restored), &header, rows)?;
    for line in next_steps(&request, &restored) {
        print::note(&line);
    }
    Ok(Exit::Done)
}

/// The newest revision that the recovery points of the same lineage tell of: the cluster
/// was at least so far when it was lost.
async fn last_known(
    global: &Global,
    at: &At,
    point: &RecoveryPoint,
) -> Result<Option<i64>, Failure> {
    let manifest = &point.manifest;
    let at = At {
        cluster: Some(manifest.cluster.to_string()),
        ..at.clone()
    };
    let shelf = Shelf::open(global, &at)?;
    let name = manifest.recovery_point.as_str();
    let found = shelf.find(name, Purpose::Look).await?;
    let repository = Repository::new(&found.target, &shelf.signers);
    let listed = repository.list(Some(&manifest.cluster), NEWEST_ASKED_MAX);
    let listed = listed.await?;
    for why in &listed.unread {
        print::note(&format!("warning: {why}"));
    }
    let points = listed.points.into_iter();
    let same = points.filter_map(|listed| match listed.standing {
        Standing::Sound(other) if other.manifest.lineage == manifest.lineage => Some(other),
        Standing::Unread(error) => {
            let why = crate::exit::chain(&error);
            print::note(&format!("warning: its revision is not known: {why}"));
            None
        }
        Standing::Sound(_) | Standing::Refused(_) => None,
    });
    let revisions = same.filter_map(|other| Some(other.manifest.etcd?.revision));
    Ok(revisions.max())
}

/// Restores, and dies on the way if a test wants that.
fn carry_out(file: &SnapshotFile, request: &Request) -> Result<Restored, Failure> {
    let kill = Kill::from_environment();
    let phases = Cell::new(0);
    let watch = |_| {
        phases.set(phases.get() + 1);
        if let Some(kill) = &kill {
            kill.after_phase(phases.get());
        }
    };
    restore_watched(file, request, &watch).map_err(|error| refused(file, error))
}

fn refused(file: &SnapshotFile, error: RestoreError) -> Failure {
    match error {
        RestoreError::Cluster(_) | RestoreError::BumpUnmarked | RestoreError::MarkWithoutBump => {
            Failure::usage(error)
        }
        RestoreError::Busy { .. } => Failure::try_later(error),
        RestoreError::Snapshot(_) | RestoreError::TrailerMissing | RestoreError::Newer { .. } => {
            let file = file.path().display().to_string();
            Failure::failed(anyhow::Error::new(error).context(format!("{file} is not restored")))
        }
        _ => Failure::failed(error),
    }
}

fn request(args: &RestoreArgs) -> anyhow::Result<Request> {
    let cluster = cluster(args)?;
    if let Some(name) = &args.name {
        cluster.member(name)?;
    }
    Ok(Request {
        cluster,
        only: args.name.clone(),
        data_dir: data_dir(args)?,
        wal_dir: args.wal_dir.clone(),
        bump: match args.bump_revision {
            BumpRevision::Auto => Bump::Auto {
                last_known_revision: None,
            },
            BumpRevision::By(revisions) => Bump::By {
                revisions,
                mark_compacted: args.mark_compacted,
            },
        },
        keep_alarms: args.keep_alarms,
        skip_hash_check: args.skip_hash_check,
    })
}

/// The cluster as etcdutl understands the flags, except that nothing is made up where no
/// member is named.
fn cluster(args: &RestoreArgs) -> anyhow::Result<InitialCluster> {
    let token = &args.initial_cluster_token;
    let cluster = match (&args.initial_cluster, &args.name) {
        (Some(text), _) => InitialCluster::parse(text, token)?,
        (None, Some(name)) => InitialCluster::parse(&format!("{name}={PEER_URL_DEFAULT}"), token)?,
        (None, None) => anyhow::bail!(
            "say with --initial-cluster which members to restore, or with --name which one alone"
        ),
    };
    match (&args.initial_advertise_peer_urls, &args.name) {
        (Some(urls), Some(name)) => {
            let urls: Vec<String> = urls.split(',').map(str::to_owned).collect();
            cluster.check_advertised(name, &urls)?;
        }
        (Some(_), None) => anyhow::bail!(
            "--initial-advertise-peer-urls is about one member: name it with --name, or leave the \
             flag out to restore all members"
        ),
        (None, _) => {}
    }
    Ok(cluster)
}

fn data_dir(args: &RestoreArgs) -> anyhow::Result<PathBuf> {
    match (&args.data_dir, &args.name) {
        (Some(folder), _) => Ok(folder.clone()),
        (None, Some(name)) => Ok(PathBuf::from(format!("{name}.etcd"))),
        (None, None) => anyhow::bail!("say with --data-dir where the members' folders are to go"),
    }
}

fn row(member: &RestoredMember) -> Vec<String> {
    vec![
        member.name.clone(),
        format!("{:x}", member.id),
        member.data_dir.display().to_string(),
    ]
}

fn data(restored: &Restored) -> Value {
    let members = restored.members.iter().map(|member| {
        json!({
            "name": member.name,
            "id": format!("{:x}", member.id),
            "dataDir": member.data_dir,
            "walDir": member.wal_dir,
        })
    });
    json!({
        "clusterId": format!("{:x}", restored.cluster_id),
        "members": members.collect::<Vec<_>>(),
        "revision": restored.revision,
        "bumpedTo": restored.bumped_to,
        "alarmsCleared": restored.alarms_cleared,
        "databaseBytes": restored.database_bytes,
        "copiedBy": restored.copied_by,
        "clonedBy": restored.cloned_by,
        "seconds": {
            "copied": restored.times.copied.as_secs_f64(),
            "written": restored.times.written.as_secs_f64(),
            "placed": restored.times.placed.as_secs_f64(),
        },
    })
}

/// What was done that nobody asked for by name, and what to do now.
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
    if restored.bumped_to.is_some() {
        lines.push(
            "Then restart the API servers, controller managers, schedulers and kubelets, so that \
             none goes on with what it remembers."
                .to_owned(),
        );
    }
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
