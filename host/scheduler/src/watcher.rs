//! Looks after the documents: one task compares what the files look like with what they
//! looked like when they were last read, and reads everything anew when that changed or
//! when somebody asks. What is sound goes to the scheduler as a whole; what is not is told
//! with every mistake and changes nothing. Whether a run could be started with it is found
//! out afterwards ([`super::checks`]): a plugin that hangs keeps no change out.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use drydock_core::chain;
use drydock_documents::{NodeConfig, Source};
use drydock_node::{Configuration, LoadError, Need, RegistryError, files_of};
use drydock_runs::RunService;
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_blocking;

use super::checks::{Check, Checks};
use super::health::Health;

/// Time between two looks at the files. Looking costs a stat a file.
const LOOK_INTERVAL: Duration = Duration::from_secs(3);

/// Time between two looks while the files are being changed.
const SETTLE_INTERVAL: Duration = Duration::from_millis(300);

/// Looks until the files stand still; whoever writes for longer is read midway, and again
/// at the next look.
const SETTLE_LOOKS_MAX: usize = 20;

/// Time between two checks of schedules that cannot run: what they lack may be a file that
/// no document's fingerprint tells of, such as a certificate.
const RECHECK_INTERVAL: Duration = Duration::from_secs(30);

/// What files look like from outside. Equal fingerprints are taken for equal contents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fingerprint(Vec<Seen>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Seen {
    path: PathBuf,
    size: u64,
    modified: (i64, i64),
    inode: u64,
    changed: (i64, i64),
}

/// What came of a look.
pub enum DocumentUpdate {
    /// Everything is sound and can be put in force.
    Sound(Box<Reload>),
    /// Something is wrong; the sentences, a line each.
    Refused(String),
    /// How checks of schedules stand.
    Checks(Vec<Check>),
}

/// Documents that can be put in force.
pub struct Reload {
    pub service: Arc<RunService>,
    /// Keys of the node's configuration that changed and wait for a restart.
    pub waiting: Vec<&'static str>,
}

/// The task's own state.
pub struct DocumentWatcher {
    pub config: PathBuf,
    pub service: watch::Receiver<Arc<RunService>>,
    /// What the documents in force looked like.
    pub seen: Fingerprint,
    pub news: mpsc::Sender<DocumentUpdate>,
    pub health: watch::Receiver<Health>,
}

impl DocumentWatcher {
    /// Looks until nobody can ask any more. Each request is answered by one news.
    pub async fn run(mut self, mut asked: mpsc::Receiver<()>) {
        let mut checks = Checks::none();
        checks.begin(&self.service());
        let mut checked = Instant::now();
        let mut look = tokio::time::Instant::now() + LOOK_INTERVAL;
        loop {
            let is_asked = tokio::select! {
                request = asked.recv() => match request {
                    Some(()) => true,
                    None => return,
                },
                heard = checks.hear() => match self.news.send(DocumentUpdate::Checks(heard)).await {
                    Ok(()) => continue,
                    Err(_) => return,
                },
                () = tokio::time::sleep_until(look) => false,
            };
            look = tokio::time::Instant::now() + LOOK_INTERVAL;
            let now = self.settled(is_asked).await;
            let news = if is_asked || now != self.seen {
                self.seen = now;
                self.read().await
            } else {
                if self.needs_check(checked) && checks.are_over() {
                    checked = Instant::now();
                    checks.begin(&self.service());
                }
                continue;
            };
            let renewed = match &news {
                DocumentUpdate::Sound(renewed) => Some(Arc::clone(&renewed.service)),
                _ => None,
            };
            // The scheduler takes no news once it is draining.
            if self.news.send(news).await.is_err() {
                return;
            }
            if let Some(service) = renewed {
                checked = Instant::now();
                checks.begin(&service);
            }
        }
    }

    fn service(&self) -> Arc<RunService> {
        Arc::clone(&self.service.borrow())
    }

    fn needs_check(&self, checked: Instant) -> bool {
        let health = self.health.borrow();
        let open = !health.cannot_run.is_empty() || !health.unchecked.is_empty();
        checked.elapsed() >= RECHECK_INTERVAL && open
    }

    /// What the files look like, once they have stopped changing.
    async fn settled(&self, is_asked: bool) -> Fingerprint {
        let mut last = self.look().await;
        if last == self.seen && !is_asked {
            return last;
        }
        for _ in 0..SETTLE_LOOKS_MAX {
            tokio::time::sleep(SETTLE_INTERVAL).await;
            let next = self.look().await;
            if next == last {
                break;
            }
            last = next;
        }
        last
    }

    async fn look(&self) -> Fingerprint {
        let config = self.config.clone();
        let service = self.service();
        let look =
            spawn_blocking(move || Fingerprint::of(&config, &service.registry.node.config.value));
        // A look that panicked saw nothing new.
        look.await.unwrap_or_else(|_| self.seen.clone())
    }

    async fn read(&self) -> DocumentUpdate {
        let config = self.config.clone();
        let service = self.service();
        let read = spawn_blocking(move || renewed(&config, &service)).await;
        match read {
            Ok(Ok((service, waiting))) => {
                DocumentUpdate::Sound(Box::new(Reload { service, waiting }))
            }
            Ok(Err(error)) => DocumentUpdate::Refused(chain(&error)),
            Err(_) => DocumentUpdate::Refused(
                "reading the documents ended in a panic: report what the log says of it".to_owned(),
            ),
        }
    }
}

impl Fingerprint {
    /// Everything that a reload reads: the configuration, the folders and plugin files
    /// that it names, the signing key. Whatever cannot be seen is simply not there.
    pub fn of(config: &Path, node: &NodeConfig) -> Self {
        let spec = &node.spec;
        let folders = spec.schedules.iter().chain(&spec.grants);
        let documents = folders.flat_map(|path| files_of(path));
        let plugins = spec.plugins.values().map(|plugin| plugin.file.clone());
        let key = spec.signing_key.as_ref();
        let key = key.and_then(|key| match &key.value_from {
            Source::File(path) => Some(path.clone()),
            Source::Env(_) => None,
        });
        let paths = documents
            .chain(plugins)
            .chain(key)
            .chain([config.to_owned()]);
        let mut seen: Vec<Seen> = paths.filter_map(Seen::of).collect();
        seen.sort();
        Self(seen)
    }
}

impl Seen {
    fn of(path: PathBuf) -> Option<Self> {
        let metadata = std::fs::metadata(&path).ok()?;
        Some(Self {
            path,
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            inode: metadata.ino(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

/// New documents are not put in force.
#[derive(Debug, thiserror::Error)]
enum ReloadError {
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

fn renewed(
    config: &Path,
    service: &RunService,
) -> Result<(Arc<RunService>, Vec<&'static str>), ReloadError> {
    let deps = service.registry.node.deps.clone();
    let mut node = Configuration::load(config, &Need::ALL, deps)?;
    let waiting = keep_fixed(&mut node.config.value, &service.registry.node.config.value);
    Ok((Arc::new(service.renewed(node)?), waiting))
}

/// Puts back what cannot change while the daemon runs, and names it.
fn keep_fixed(new: &mut NodeConfig, old: &NodeConfig) -> Vec<&'static str> {
    let (new, old) = (&mut new.spec, &old.spec);
    let mut waiting = Vec::new();
    let mut fixed = |name, changed: bool| {
        if changed {
            waiting.push(name);
        }
    };
    fixed("spec.state", new.state != old.state);
    fixed("spec.daemon", new.daemon != old.daemon);
    fixed("spec.limits", new.limits != old.limits);
    fixed("spec.log", new.log != old.log);
    new.state.clone_from(&old.state);
    new.daemon.clone_from(&old.daemon);
    new.limits.clone_from(&old.limits);
    new.log.clone_from(&old.log);
    waiting
}

#[cfg(test)]
mod tests {
    use std::fs;

    use drydock_documents as documents;

    use super::*;

    const NODE: &str = "apiVersion: drydock.dev/v1\nkind: NodeConfig\nmetadata: {name: n}\nspec:\n  state: state\n  schedules: [schedules]\n  signingKey: {valueFrom: {file: key}}\n";

    fn node(folder: &Path, more: &str) -> NodeConfig {
        let file = folder.join("drydock.yaml").display().to_string();
        documents::parse_node_config(&file, &format!("{NODE}{more}"), &drydock_node::CAPABILITIES)
            .unwrap()
            .value
    }

    #[test]
    fn every_change_of_a_file_changes_the_fingerprint() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("schedules")).unwrap();
        let node = node(folder.path(), "");
        let look = || Fingerprint::of(&at("drydock.yaml"), &node);
        let mut last = look();
        let mut changed = |what: &str| {
            let next = look();
            assert_ne!(next, last, "{what}");
            last = next;
        };
        fs::write(at("drydock.yaml"), "1").unwrap();
        changed("the configuration appeared");
        fs::write(at("schedules/a.yaml"), "one").unwrap();
        changed("a file appeared");
        fs::write(at("schedules/a.yaml"), "two").unwrap();
        changed("same size, other contents");
        fs::write(at("schedules/b.tmp"), "two").unwrap();
        fs::rename(at("schedules/b.tmp"), at("schedules/a.yaml")).unwrap();
        changed("another file took the name");
        fs::write(at("key"), "k").unwrap();
        changed("the key appeared");
        fs::remove_file(at("schedules/a.yaml")).unwrap();
        changed("a file went");
        fs::write(at("schedules/notes.txt"), "n").unwrap();
        assert_eq!(look(), last, "a file that is not read does not count");
    }

    #[test]
    fn what_cannot_change_is_put_back_and_named() {
        let old = node(Path::new("/a"), "");
        let mut new = node(
            Path::new("/b"),
            "  daemon: {drainSeconds: 1}\n  trustedSigners: []\n",
        );
        assert_eq!(keep_fixed(&mut new, &old), ["spec.state", "spec.daemon"]);
        assert_eq!(new.spec.state, Path::new("/a/state"));
        assert_eq!(new.spec.daemon, old.spec.daemon);
        assert_eq!(new.spec.schedules, [Path::new("/b/schedules")]);
    }
}
