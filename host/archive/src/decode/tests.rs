use std::io::Read as _;
use std::process::Command;

use proptest::prelude::*;

use super::*;

/// Everything that an archive holds, or why it cannot be read.
pub(crate) fn decode(archive: &[u8], piece_bytes: usize) -> Result<Vec<(Entry, Vec<u8>)>, Damage> {
    let mut decoder = Decoder::new();
    let mut entries = Vec::new();
    for mut piece in archive.chunks(piece_bytes) {
        while let Some(event) = decoder.next(&mut piece)? {
            match event {
                Event::Entry(entry) => entries.push((*entry, Vec::new())),
                Event::Data(bytes) => entries.last_mut().unwrap().1.extend_from_slice(bytes),
                Event::EntryEnd => {
                    let (entry, bytes) = entries.last().unwrap();
                    assert_eq!(entry.size, bytes.len() as u64);
                }
            }
        }
    }
    decoder.finish().map(|()| entries)
}

/// A folder with all that GNU tar can be asked to store.
fn furnished() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir(path("pki")).unwrap();
    std::fs::write(path("pki/ca.crt"), "certificate").unwrap();
    std::fs::write(path("pki/empty"), "").unwrap();
    std::fs::write(path("block"), [7; 512]).unwrap();
    std::fs::write(path(&"long".repeat(50)), [1; 513]).unwrap();
    std::fs::hard_link(path("pki/ca.crt"), path("second")).unwrap();
    std::os::unix::fs::symlink("x".repeat(150), path("link")).unwrap();
    rustix::fs::setxattr(
        path("pki/ca.crt"),
        "user.a=b%",
        b"one\ntwo",
        rustix::fs::XattrFlags::empty(),
    )
    .unwrap();
    folder
}

/// The folder as GNU tar archives it.
fn gnu_tar(folder: &std::path::Path, options: &[&str]) -> Vec<u8> {
    let mut command = Command::new("tar");
    command
        .args(options)
        .args(["--sort=name", "-cf", "-", "-C"]);
    let output = command.arg(folder).arg(".").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

#[test]
fn archives_of_gnu_tar_are_read_in_its_formats() {
    let folder = furnished();
    let with_attributes: &[&str] = &["--format=posix", "--xattrs", "--xattrs-include=*"];
    for options in [with_attributes, &["--format=gnu"], &["--format=posix"]] {
        let archive = gnu_tar(folder.path(), options);
        let entries = decode(&archive, 700).unwrap();
        let paths: Vec<_> = entries
            .iter()
            .map(|(entry, _)| (String::from_utf8(entry.path.clone()).unwrap(), entry.kind))
            .collect();
        let long = format!("./{}", "long".repeat(50));
        let wanted = [
            ("./", Kind::Folder),
            ("./block", Kind::File),
            ("./link", Kind::SymbolicLink),
            (long.as_str(), Kind::File),
            ("./pki/", Kind::Folder),
            ("./pki/ca.crt", Kind::File),
            ("./pki/empty", Kind::File),
            ("./second", Kind::HardLink),
        ];
        let wanted = wanted.map(|(path, kind)| (path.to_owned(), kind));
        assert_eq!(paths, wanted, "{options:?}");
        assert_eq!(entries[2].0.link, "x".repeat(150).as_bytes());
        assert_eq!(entries[5].1, b"certificate");
        assert_eq!(entries[7].0.link, b"./pki/ca.crt");
    }
    let archive = gnu_tar(folder.path(), with_attributes);
    let (certificate, _) = &decode(&archive, 1 << 20).unwrap()[5];
    assert_eq!(
        certificate.attributes,
        [(b"user.a=b%".to_vec(), b"one\ntwo".to_vec())]
    );
    let metadata = std::fs::metadata(folder.path().join("pki/ca.crt")).unwrap();
    use std::os::unix::fs::MetadataExt as _;
    let (seconds, nanoseconds) = certificate.modified;
    assert_eq!(seconds, metadata.mtime());
    assert_eq!(i64::from(nanoseconds), metadata.mtime_nsec());
    assert_eq!(certificate.mode, metadata.mode() & 0o7777);
}

#[test]
fn files_stored_without_their_holes_are_not_taken_for_files() {
    let folder = tempfile::tempdir().unwrap();
    let file = std::fs::File::create(folder.path().join("sparse")).unwrap();
    file.set_len(1 << 20).unwrap();
    let archive = gnu_tar(folder.path(), &["--format=posix", "--sparse"]);
    let entries = decode(&archive, 512).unwrap();
    assert_eq!(entries[1].0.kind, Kind::Unknown(b'S'));
    let archive = gnu_tar(folder.path(), &["--format=gnu", "--sparse"]);
    decode(&archive, 512).unwrap_err();
}

#[test]
fn sizes_beyond_octal_are_read() {
    let mut header = tar::Header::new_gnu();
    header.set_path("large").unwrap();
    header.set_size(1 << 40);
    header.set_cksum();
    let mut decoder = Decoder::new();
    let mut bytes: &[u8] = header.as_bytes();
    let Some(Event::Entry(entry)) = decoder.next(&mut bytes).unwrap() else {
        panic!("no entry");
    };
    assert_eq!(entry.size, 1 << 40);
}

#[test]
fn bytes_after_what_is_no_file_end_the_reading() {
    for kind in [
        tar::EntryType::Link,
        tar::EntryType::Symlink,
        tar::EntryType::Directory,
    ] {
        let mut header = tar::Header::new_ustar();
        header.set_path("a").unwrap();
        header.set_entry_type(kind);
        header.set_size(3);
        header.set_cksum();
        decode(header.as_bytes(), 512).unwrap_err();
    }
}

#[test]
fn headers_that_speak_for_others_are_bounded() {
    for (kind, size) in [(b'x', META_BYTES_MAX + 1), (b'L', u64::MAX >> 1)] {
        let mut header = tar::Header::new_gnu();
        header.set_path("a").unwrap();
        header.set_entry_type(tar::EntryType::new(kind));
        header.set_size(size);
        header.set_cksum();
        let mut decoder = Decoder::new();
        decoder.next(&mut &header.as_bytes()[..]).unwrap_err();
    }
}

/// A pax header that announces nothing, and one that speaks for all.
#[test]
fn records_belong_to_one_entry() {
    let record = |kind: u8, text: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_path("PaxHeader").unwrap();
        header.set_entry_type(tar::EntryType::new(kind));
        header.set_size(text.len() as u64);
        header.set_cksum();
        let mut bytes = header.as_bytes().to_vec();
        bytes.extend_from_slice(text);
        bytes.resize(1024, 0);
        bytes
    };
    let mut alone = record(b'x', b"8 uid=7\n");
    alone.resize(alone.len() + 1024, 0);
    assert!(decode(&alone, 512).unwrap_err().what.contains("announces"));
    assert!(
        decode(&record(b'g', b"12 path=a/b\n"), 512)
            .unwrap_err()
            .what
            .contains("global")
    );
    let mut comment = record(b'g', b"15 comment=abc\n");
    comment.resize(comment.len() + 1024, 0);
    assert_eq!(decode(&comment, 512), Ok(Vec::new()));
}

proptest! {
    /// What the crate `tar` reads is what we read, however the bytes are cut.
    #[test]
    fn the_tar_crate_reads_the_same(
        files in proptest::collection::btree_map("[a-z]{1,8}(/[a-zä]{1,60}){0,4}", proptest::collection::vec(any::<u8>(), 0..2000), 0..8),
        piece_bytes in 1_usize..3000,
    ) {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, bytes) in &files {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o640);
            builder.append_data(&mut header, path, bytes.as_slice()).unwrap();
        }
        let archive = builder.into_inner().unwrap();
        let ours = decode(&archive, piece_bytes).unwrap();
        let mut theirs = Vec::new();
        for entry in tar::Archive::new(archive.as_slice()).entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            theirs.push((entry.path_bytes().into_owned(), bytes));
        }
        let ours: Vec<_> = ours.into_iter().map(|(entry, bytes)| (entry.path, bytes)).collect();
        prop_assert_eq!(ours, theirs);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..4000), piece_bytes in 1_usize..600) {
        let _ = decode(&bytes, piece_bytes);
    }
}
