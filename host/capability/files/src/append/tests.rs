use drydock_core::ErrorCode;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::*;
use crate::{Access, FolderGrant, FolderGrants};
use drydock_capability_artifact::{OutputSink, Outputs};

/// What came out, and what is done to a file when its first piece arrives.
#[derive(Clone, Default)]
struct Shelf {
    bytes: Arc<Mutex<Vec<u8>>>,
    /// `finished`, or the code that the output was discarded with.
    end: Arc<Mutex<String>>,
    meddle: Option<fn(&Path)>,
    file: PathBuf,
}

impl OutputSink for Shelf {
    fn open(&mut self, _name: &str, _secret: bool) -> Result<(), Fault> {
        Ok(())
    }

    fn write(&mut self, bytes: Vec<u8>) -> Result<(), Fault> {
        if let Some(meddle) = self.meddle.take() {
            meddle(&self.file);
        }
        lock(&self.bytes).extend(bytes);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Fault> {
        *lock(&self.end) = "finished".to_owned();
        Ok(())
    }

    fn discard(&mut self, reason: Fault) {
        *lock(&self.end) = reason.code.into();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Place {
    scratch: tempfile::TempDir,
    folder: Folder,
}

fn place(bytes: &[u8]) -> Place {
    let scratch = tempfile::tempdir().unwrap();
    std::fs::write(scratch.path().join("file"), bytes).unwrap();
    let grant = FolderGrant {
        directory: scratch.path().to_owned(),
        access: Access::Read,
    };
    let folder = FolderGrants::new(vec![grant])
        .open(scratch.path().to_str().unwrap(), false)
        .unwrap();
    Place { scratch, folder }
}

impl Place {
    /// Appends `path` in the state that `file` has now, after `change` of it.
    async fn append(
        &self,
        path: &str,
        change: impl FnOnce(&Path),
        meddle: Option<fn(&Path)>,
    ) -> (Result<(), Fault>, Shelf) {
        let file = self.scratch.path().join("file");
        let version = self.folder.look(b"file").unwrap().version;
        change(&file);
        let shelf = Shelf {
            meddle,
            file,
            ..Shelf::default()
        };
        let outputs = Outputs::start(Box::new(shelf.clone()));
        let output = outputs.opener().create("a.tar", true).await.unwrap();
        let header = b"header".to_vec();
        let appended = self
            .folder
            .append(path.as_bytes(), version.as_bytes(), header, &output)
            .await;
        // Whatever went wrong, an output of which bytes are missing never counts.
        if appended.is_ok()
            || appended
                .as_ref()
                .is_err_and(|fault| fault.code == ErrorCode::ChangedMeanwhile)
        {
            output.finish().await.unwrap();
        } else {
            let _ = output.finish().await;
            output.discard().await;
        }
        drop(output);
        outputs.close().await.unwrap();
        (appended, shelf)
    }
}

fn nothing(_: &Path) {}

#[tokio::test]
async fn the_bytes_follow_the_header_whatever_their_number() {
    let whole = usize::try_from(WHOLE_BYTES_MAX).unwrap();
    for size in [0, 1, CALL_BYTES_MAX + 1, whole, whole + 1, 2 * whole + 77] {
        let bytes: Vec<u8> = (0..size).map(|n| u8::try_from(n % 251).unwrap()).collect();
        let (appended, shelf) = place(&bytes).append("file", nothing, None).await;
        appended.unwrap();
        let came = lock(&shelf.bytes);
        assert_eq!(&came[..6], b"header");
        assert!(came[6..] == bytes, "{size}");
        assert_eq!(*lock(&shelf.end), "finished");
    }
}

#[tokio::test]
async fn a_file_that_changed_costs_nothing() {
    let changes: [fn(&Path); 4] = [
        |file| std::fs::write(file, "other").unwrap(),
        |file| std::fs::write(file, "longer than it was").unwrap(),
        |file| std::fs::write(file, "").unwrap(),
        |file| {
            std::fs::copy(file, file.with_extension("new")).unwrap();
            std::fs::rename(file.with_extension("new"), file).unwrap();
        },
    ];
    for change in changes {
        let (appended, shelf) = place(b"bytes").append("file", change, None).await;
        let fault = appended.unwrap_err();
        assert_eq!(
            (fault.class, fault.code.as_str()),
            (ErrorClass::Transient, "changed-meanwhile")
        );
        assert!(lock(&shelf.bytes).is_empty());
    }
}

#[tokio::test]
async fn a_large_file_that_changes_in_the_middle_breaks_the_output() {
    let size = usize::try_from(WHOLE_BYTES_MAX).unwrap() * 8;
    let meddles: [fn(&Path); 3] = [
        |file| {
            File::options()
                .write(true)
                .open(file)
                .unwrap()
                .set_len(5_000_000)
                .unwrap()
        },
        |file| {
            let file = File::options().append(true).open(file).unwrap();
            std::io::Write::write_all(&mut &file, b"more").unwrap();
        },
        |file| {
            let file = File::options().write(true).open(file).unwrap();
            file.write_all_at(b"x", 0).unwrap();
        },
    ];
    for meddle in meddles {
        let place = place(&vec![1; size]);
        let (appended, shelf) = place.append("file", nothing, Some(meddle)).await;
        let fault = appended.unwrap_err();
        assert_eq!(
            (fault.class, fault.code.as_str()),
            (ErrorClass::Transient, "stream-broken")
        );
        assert!(
            fault.message.contains("/file changed while it was read"),
            "{}",
            fault.message
        );
        assert_eq!(*lock(&shelf.end), "stream-broken");
    }
}

#[tokio::test]
async fn nothing_but_a_file_is_read() {
    let place = place(b"bytes");
    let path = |name: &str| place.scratch.path().join(name);
    std::os::unix::fs::symlink("file", path("link")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        path("fifo"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    std::fs::create_dir(path("folder")).unwrap();
    let table = [
        ("link", "not-a-file"),
        ("fifo", "not-a-file"),
        ("folder", "not-a-file"),
        ("", "not-a-file"),
        ("missing", "not-found"),
        ("../file", "bad-path"),
        ("folder/../file", "bad-path"),
        ("link/x", "symbolic-link"),
    ];
    for (name, code) in table {
        let (appended, shelf) = place.append(name, nothing, None).await;
        assert_eq!(appended.unwrap_err().code.as_str(), code, "{name}");
        assert!(lock(&shelf.bytes).is_empty());
    }
    let output = Outputs::start(Box::new(Shelf::default()));
    let output = output.opener().create("a", true).await.unwrap();
    let large = vec![0; CALL_BYTES_MAX + 1];
    let version = place.folder.look(b"file").unwrap().version;
    let append = |version: Vec<u8>, header: Vec<u8>| {
        let (folder, output) = (&place.folder, &output);
        async move { folder.append(b"file", &version, header, output).await }
    };
    let refused = append(version.as_bytes().to_vec(), large).await;
    assert_eq!(refused.unwrap_err().code.as_str(), "too-large");
    let refused = append(b"nonsense".to_vec(), Vec::new()).await;
    assert_eq!(refused.unwrap_err().code.as_str(), "bad-version");
}
