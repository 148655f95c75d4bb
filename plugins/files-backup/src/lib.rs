//! Archives folders of the node, e.g. the certificates, keys and manifests of a control
//! plane, into one tar file.
//!
//! Every configured folder is walked, each folder before what it holds; [`ledger`] decides
//! what is archived, [`tar`] writes the headers, and the host appends the bytes of the
//! files, which never pass through here. A file that changed between being looked at and
//! being read is looked at again. Names stand in the archive as they stand on the node,
//! without the leading `/`.
//!
//! **Invariant:** an output is finished only when everything that was there could be read
//! and all that is `required` was among it.
//! **Invariant:** the artifact is secret, whatever is in it.
//!
//! A crash leaves an unfinished output, which the host discards.

mod config;
mod ledger;
mod tar;

use drydock_plugin_sdk::{
    Backup, Error, Finding, Folder, Item, Output, Report, Sensitivity, clock, info, plugin,
    progress,
};

use config::{Config, Order};
use ledger::{Ledger, Step};

/// Headers that are gathered before they are handed over, in bytes.
const PENDING_BYTES_MAX: usize = 256 * 1024;

/// Times that a file is looked at anew because it changed before it was read.
const LOOKS_MAX: u32 = 6;

/// Time to wait before each, times how often it was looked at.
const WAIT_MILLISECONDS: u32 = 20;

struct FilesBackup;

impl Backup for FilesBackup {
    type Config = Config;

    fn check_config(config: &Config) -> Result<Vec<Finding>, Error> {
        config.check().map(|_| Vec::new())
    }

    fn run(config: Config) -> Result<Report, Error> {
        let order = config.check()?;
        let mut archive = Archive {
            output: Output::create(&order.artifact, Sensitivity::Secret)?,
            ledger: Ledger::new(&order),
            pending: Vec::new(),
            seen: 0,
        };
        for folder in &order.folders {
            archive.add_folder(folder, &order)?;
        }
        archive.finish(&order.artifact).map(Report::with)
    }
}

plugin! { world: backup, step: FilesBackup, requests: ["files.read"] }

/// The archive under way.
struct Archive<'a> {
    output: Output,
    ledger: Ledger<'a>,
    /// Headers and padding that were not handed over yet.
    pending: Vec<u8>,
    /// Items that were handed out so far: a sign of life, whatever becomes of them.
    seen: u64,
}

impl Archive<'_> {
    fn add_folder(&mut self, path: &str, order: &Order) -> Result<(), Error> {
        let folder = Folder::open(path, false)?;
        let walk = folder.walk(order.one_file_system)?;
        loop {
            if progress::cancelled() {
                return Err(Error::cancelled());
            }
            let page = walk.next()?;
            if page.is_empty() {
                return Ok(());
            }
            self.seen += page.len() as u64;
            for item in page {
                match self.ledger.see(path, &item) {
                    Step::Archive => self.add(&folder, path, item)?,
                    Step::Leave => {}
                    Step::LeaveFolder => walk.skip(&item.path)?,
                }
            }
            progress::report(self.seen, 0, "items");
        }
    }

    /// Archives an item in the state that it is in now, which may be a newer one.
    fn add(&mut self, folder: &Folder, path: &str, mut item: Item) -> Result<(), Error> {
        let whole = ledger::whole(path, &item.path);
        for looks in 1..=LOOKS_MAX {
            match self.put(folder, &whole, &item) {
                Ok(()) => {
                    self.ledger.archived(&whole[1..], &item);
                    return Ok(());
                }
                Err(error) if error.is("not-found") => {
                    self.ledger.vanished(&whole);
                    return Ok(());
                }
                Err(error) if error.is("changed-meanwhile") && looks == LOOKS_MAX => {
                    self.ledger.cannot_read(error.class, &error.message);
                }
                Err(error) if error.is("changed-meanwhile") => {
                    clock::wait(looks * WAIT_MILLISECONDS);
                    match folder.look(&item.path) {
                        Ok(newer) => item = newer,
                        Err(error) if error.is("not-found") => continue,
                        Err(error) => {
                            self.ledger.cannot_read(error.class, &error.message);
                            return Ok(());
                        }
                    }
                    if self.ledger.see(path, &item) != Step::Archive {
                        return Ok(());
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes an entry whole, or nothing.
    fn put(&mut self, folder: &Folder, whole: &[u8], item: &Item) -> Result<(), Error> {
        let Some(entry) = self.ledger.entry(&whole[1..], item) else {
            return Ok(());
        };
        let size = entry.size();
        let before = self.pending.len();
        self.pending.extend(entry.header());
        if size > 0 {
            let appended = folder.append(&item.path, &item.version, &self.pending, &self.output);
            if appended.is_err() {
                self.pending.truncate(before);
            }
            appended?;
            self.pending.clear();
            self.pending.resize(tar::padding(size), 0);
            self.ledger.bytes += size;
        }
        if self.pending.len() > PENDING_BYTES_MAX {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        for piece in self.pending.chunks(PENDING_BYTES_MAX) {
            self.output.write(piece)?;
        }
        self.pending.clear();
        Ok(())
    }

    /// Early returns drop the output, which discards it.
    fn finish(mut self, artifact: &str) -> Result<Vec<Finding>, Error> {
        let findings = self.ledger.close()?;
        self.pending
            .resize(self.pending.len() + 2 * tar::BLOCK_BYTES, 0);
        self.flush()?;
        self.output.finish()?;
        info!("{artifact}: {}", self.ledger.summary());
        Ok(findings)
    }
}
