//! What goes piece by piece: comparing and digesting, and what ends with its attempt.

use super::*;

/// A folder whose calls are part of `work`, with a file of so many bytes that are all hole.
fn with_hole(work: &Work, bytes: u64) -> (TempDir, Folder) {
    let scratch = tempfile::tempdir().unwrap();
    let file = File::create(scratch.path().join("hole")).unwrap();
    file.set_len(bytes).unwrap();
    let grants = granted(scratch.path(), Access::Write).part_of(work);
    let folder = grants
        .open(scratch.path().to_str().unwrap(), false)
        .unwrap();
    (scratch, folder)
}

/// Bytes of which some cannot be read.
struct Unreadable;

impl drydock_core::ReadAt for Unreadable {
    fn size(&self) -> u64 {
        8
    }

    fn read_exact_at(&self, _buffer: &mut [u8], _offset: u64) -> io::Result<()> {
        Err(io::ErrorKind::InvalidData.into())
    }
}

#[test]
fn a_file_is_compared_byte_by_byte_with_what_is_at_hand() {
    let (scratch, folder) = writable();
    let bytes: Vec<u8> = (0..2 * CALL_BYTES_MAX + 9)
        .map(|at| (at % 251) as u8)
        .collect();
    let at_hand = Slice::whole(Arc::new(bytes.clone()));
    folder.write_at("f", 0, &at_hand).unwrap();
    assert_eq!(folder.compare("f", &at_hand).unwrap(), None);
    for place in [0, CALL_BYTES_MAX - 1, CALL_BYTES_MAX, bytes.len() - 1] {
        let mut other = bytes.clone();
        other[place] ^= 1;
        let other = Slice::whole(Arc::new(other));
        let found = folder.compare("f", &other).unwrap();
        assert_eq!(found, Some(place as u64));
    }
    let shorter = Slice::whole(Arc::new(bytes[..9].to_vec()));
    assert_eq!(folder.compare("f", &shorter).unwrap(), Some(9));
    std::fs::write(scratch.path().join("empty"), b"").unwrap();
    assert_eq!(folder.compare("empty", &shorter).unwrap(), Some(0));
    let missing = folder.compare("nothing", &shorter).unwrap_err();
    assert_eq!(missing.code, ErrorCode::NotFound);
    std::fs::write(scratch.path().join("eight"), b"12345678").unwrap();
    let unreadable = Slice::whole(Arc::new(Unreadable));
    assert!(folder.compare("eight", &unreadable).is_err());
}

#[test]
fn a_digest_ends_with_the_attempt_that_asked_for_it() {
    let work = Work::default();
    let end = work.until_dropped();
    // Minutes of hashing, if nobody ended it.
    let (_scratch, folder) = with_hole(&work, WORK_BYTES_MAX);
    let digest = std::thread::spawn(move || folder.sha256("hole"));
    while work.beats() == 0 {
        std::thread::yield_now();
    }
    drop(end);
    assert_eq!(
        digest.join().unwrap().unwrap_err().code.as_str(),
        "cancelled"
    );
}

#[test]
fn nothing_that_goes_piece_by_piece_is_begun_after_the_end() {
    let work = Work::default();
    let (_scratch, folder) = with_hole(&work, 8);
    let slice = Slice::whole(Arc::new(vec![1; 8])).part_of(&work);
    folder.write_at("before", 0, &slice).unwrap();
    drop(work.until_dropped());
    let faults = [
        folder.sha256("hole").map(drop),
        folder.compare("hole", &slice).map(drop),
        folder.write_at("after", 0, &slice),
        folder.list("", None).map(drop),
        folder.walk(false).next().map(drop),
        slice.sha256().map(drop),
        slice.crc32c().map(drop),
        slice.read(0, 1).map(drop),
    ];
    for (number, fault) in faults.into_iter().enumerate() {
        assert_eq!(
            fault.unwrap_err().code.as_str(),
            "cancelled",
            "call {number}"
        );
    }
}

#[tokio::test]
async fn a_file_has_no_more_bytes_than_a_call_works_on() {
    let work = Work::default();
    let (scratch, folder) = with_hole(&work, WORK_BYTES_MAX + 1);
    let fault = folder.sha256("hole").unwrap_err();
    assert_eq!(
        fault.message,
        format!(
            "cannot digest {}/hole: it comes to 68719476737 bytes, and 68719476736 is the most of one file or artifact, which no document raises",
            scratch.path().display()
        )
    );
    folder
        .write_bytes_at("fits", WORK_BYTES_MAX - 1, b"x")
        .unwrap();
    let slice = Slice::whole(Arc::new(vec![1; 2]));
    for fault in [
        folder
            .write_bytes_at("new", WORK_BYTES_MAX, b"x")
            .unwrap_err(),
        folder.write_bytes_at("new", 8 << 40, b"x").unwrap_err(),
        folder.write_bytes_at("new", u64::MAX, b"x").unwrap_err(),
        folder
            .write_at("new", WORK_BYTES_MAX - 1, &slice)
            .unwrap_err(),
    ] {
        assert_eq!(
            (fault.code.as_str(), fault.class),
            ("too-large", ErrorClass::Permanent)
        );
    }
    // Refused before anything was made.
    assert!(!scratch.path().join("new").exists());
    let item = folder.look(b"hole").unwrap();
    let outputs = Outputs::start(Box::new(Nowhere));
    let output = outputs.opener().create("a", true).await.unwrap();
    let version = item.version.as_bytes();
    let fault = folder.append(b"hole", version, Vec::new(), &output).await;
    assert_eq!(fault.unwrap_err().code.as_str(), "too-large");
}

/// Takes everything.
struct Nowhere;

impl OutputSink for Nowhere {
    fn open(&mut self, _name: &str, _secret: bool) -> Result<(), Fault> {
        Ok(())
    }

    fn write(&mut self, _bytes: Vec<u8>) -> Result<(), Fault> {
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Fault> {
        Ok(())
    }

    fn discard(&mut self, _reason: Fault) {}
}
