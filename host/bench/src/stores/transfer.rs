//! One file to a store and back: the plugin, the same natively, and who else does it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use drydock_testkit::azurite::{ACCOUNT, ACCOUNT_KEY};
use drydock_testkit::program::run;
use drydock_testkit::tools;
use drydock_testkit::versitygw::{BUCKET, ROOT};

use super::clear;
use super::servers::{AZURE, CONTAINER, S3, Servers};
use crate::arguments::Arguments;
use crate::data::DataSet;
use crate::measure::{self, Side};
use crate::phases;
use crate::report::{Compared, Ratio};
use crate::stage::{Stage, shell};

/// The object in each store.
const OBJECT: &str = "bench/object";

/// Where restic has its repository below the bucket.
const REPOSITORY: &str = "restic";

/// What restic encrypts with; its contents are of no value.
const PASSWORD: &str = "bench";

const UPLOADED: &str = "All in the clear over loopback, parts of 8 MiB. Ours: start, the built-in plugin out of \
    the compile cache, 4 parts in flight, CRC-64/NVME (S3) or MD5 (Azure) of each part compared by \
    the server, completion if absent. object_store: the same parts in flight; CRC-64/NVME at S3, \
    and no checksum of its own at Azure. aws s3 cp: as it is without configuration. restic: a new \
    repository, chunked and encrypted.";

const DOWNLOADED: &str = "The bytes are taken and dropped. Ours: ranges of 8 MiB, one after the other, as a fetch \
    does. object_store and aws s3 cp: the whole object. restic: dump of the newest snapshot.";

struct Transfer<'a> {
    arguments: &'a Arguments,
    data: &'a DataSet,
    stage: &'a Stage,
    servers: &'a Servers,
    /// Of the file, in hex: in a run the sealing tells it.
    sha256: String,
}

pub fn compare(
    arguments: &Arguments,
    data: &DataSet,
    stage: &Stage,
    servers: &Servers,
) -> Result<Vec<Compared>> {
    let summed = run(Command::new("sha256sum").arg(&data.file))?;
    let sha256 = summed.stdout.split(' ').next().unwrap_or_default();
    let transfer = Transfer {
        arguments,
        data,
        stage,
        servers,
        sha256: sha256.to_owned(),
    };
    let uploaded = transfer.compared("upload to S3", UPLOADED, transfer.uploads_to_s3()?)?;
    run(&mut transfer.native("upload", S3))?;
    run(&mut transfer.restic("restic init -q; restic backup -q \"$1\"")?)?;
    let downloads = transfer.downloads_from_s3()?;
    let downloaded = transfer.compared("download from S3", DOWNLOADED, downloads)?;
    clear(&servers.folder("bench"))?;
    clear(&servers.folder(REPOSITORY))?;
    let to_azure = transfer.uploads_to_azure();
    let to_azure = transfer.compared("upload to Azure", UPLOADED, to_azure)?;
    run(&mut transfer.native("upload", AZURE))?;
    let from_azure = transfer.downloads_from_azure();
    let from_azure = transfer.compared("download from Azure", DOWNLOADED, from_azure)?;
    run(&mut transfer.native("delete", AZURE))?;
    Ok(vec![uploaded, downloaded, to_azure, from_azure])
}

impl Transfer<'_> {
    fn compared(
        &self,
        name: &'static str,
        counted: &'static str,
        sides: Vec<Side<'_>>,
    ) -> Result<Compared> {
        let place = self.stage.place.path();
        let sides = measure::in_turn(sides, self.arguments.runs, &[], place)?;
        Ok(Compared {
            name,
            data: self.data.name.clone(),
            data_bytes: self.data.bytes,
            counted,
            ratios: Ratio::of_first(&sides),
            sides,
            aim: "within 1.05 of object_store, ahead of the others",
            apart: &[],
        })
    }

    fn uploads_to_s3(&self) -> Result<Vec<Side<'_>>> {
        let gone = |prefix: &'static str| move || clear(&self.servers.folder(prefix));
        let aws = self.aws(&["s3", "cp", "--quiet", "FILE", "OBJECT"])?;
        let restic = self.restic("restic init -q; restic backup -q \"$1\"")?;
        Ok(vec![
            side("store-s3", || self.ours("upload", S3), gone("s3/bench")),
            side("object_store", || self.native("upload", S3), gone("bench")),
            side("aws s3 cp", move || again(&aws), gone("bench")),
            side("restic", move || again(&restic), gone(REPOSITORY)),
        ])
    }

    fn downloads_from_s3(&self) -> Result<Vec<Side<'_>>> {
        run(&mut self.ours("upload", S3))?;
        let aws = self.aws(&["s3", "cp", "--quiet", "OBJECT", "/dev/null"])?;
        let restic = self.restic("restic dump -q latest \"$1\" > /dev/null")?;
        Ok(vec![
            side("store-s3", || self.ours("download", S3), kept),
            side("object_store", || self.native("download", S3), kept),
            side("aws s3 cp", move || again(&aws), kept),
            side("restic", move || again(&restic), kept),
        ])
    }

    fn uploads_to_azure(&self) -> Vec<Side<'_>> {
        let gone = || run(&mut self.native("delete", AZURE)).map(drop);
        vec![
            side("store-azure-blob", || self.ours("upload", AZURE), gone),
            side("object_store", || self.native("upload", AZURE), gone),
        ]
    }

    fn downloads_from_azure(&self) -> Vec<Side<'_>> {
        vec![
            side("store-azure-blob", || self.ours("download", AZURE), kept),
            side("object_store", || self.native("download", AZURE), kept),
        ]
    }

    fn ours(&self, act: &str, target: &str) -> Command {
        let mut command = self.stage.carry(act, target, OBJECT);
        command.arg(&self.data.file).arg(&self.sha256);
        command
    }

    fn native(&self, act: &str, service: &str) -> Command {
        let (endpoint, place, id, secret) = if service == AZURE {
            let endpoint = self.servers.azure.url(&format!("/{ACCOUNT}"));
            (endpoint, CONTAINER, ACCOUNT, ACCOUNT_KEY)
        } else {
            (self.servers.s3.url(""), BUCKET, ROOT.id, ROOT.secret)
        };
        let mut command = Command::new(&self.arguments.native);
        command
            .args([act, service, &endpoint, place, OBJECT])
            .arg(&self.data.file)
            .env("NATIVE_ID", id)
            .env("NATIVE_SECRET", secret);
        command
    }

    fn aws(&self, words: &[&str]) -> Result<Command> {
        let mut command = Command::new(tools::aws()?);
        command.args(["--endpoint-url", &self.servers.s3.url("")]);
        for word in words {
            match *word {
                "FILE" => command.arg(&self.data.file),
                "OBJECT" => command.arg(format!("s3://{BUCKET}/{OBJECT}")),
                word => command.arg(word),
            };
        }
        Servers::identified(&mut command);
        Ok(command)
    }

    /// A script that calls `restic`; `$1` is the file.
    fn restic(&self, script: &str) -> Result<Command> {
        let program = tools::restic()?;
        let folder = program.parent().context("it lies in a folder")?;
        let script = format!("PATH=\"$RESTIC_FOLDER:$PATH\"; {script}");
        let mut command = shell(&script, &[&self.data.file]);
        let repository = self.servers.s3.url(&format!("/{BUCKET}/{REPOSITORY}"));
        command
            .env("RESTIC_FOLDER", folder)
            .env("RESTIC_REPOSITORY", format!("s3:{repository}"))
            .env("RESTIC_PASSWORD", PASSWORD)
            .env("RESTIC_CACHE_DIR", self.cache());
        Servers::identified(&mut command);
        Ok(command)
    }

    fn cache(&self) -> PathBuf {
        self.stage.place.join("restic-cache")
    }
}

fn side<'a>(
    name: &str,
    command: impl Fn() -> Command + 'a,
    after: impl Fn() -> Result<()> + 'a,
) -> Side<'a> {
    Side {
        name: name.to_owned(),
        command: Box::new(command),
        after: Box::new(move |measured, _, stderr| {
            measured.phases = phases::read(stderr);
            after()
        }),
    }
}

fn kept() -> Result<()> {
    Ok(())
}

/// The same program with the same words and variables.
fn again(command: &Command) -> Command {
    let mut again = Command::new(Path::new(command.get_program()));
    again.args(command.get_args());
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            again.env(name, value);
        }
    }
    again
}
