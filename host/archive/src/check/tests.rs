use std::process::Command;

use proptest::prelude::*;

use super::super::BLOCK_BYTES;
use super::*;

/// What stands in a made-up archive.
enum Thing<'a> {
    File(&'a str, &'a [u8]),
    Folder(&'a str),
    Link(&'a str, &'a str),
    HardLink(&'a str, &'a str),
    Letter(u8, &'a str),
}

/// Writes names as they are, which no decent library does.
fn archive(things: &[Thing<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for thing in things {
        let (kind, name, link, content): (u8, &str, &str, &[u8]) = match thing {
            Thing::File(name, content) => (b'0', name, "", content),
            Thing::Folder(name) => (b'5', name, "", b""),
            Thing::Link(name, to) => (b'2', name, to, b""),
            Thing::HardLink(name, to) => (b'1', name, to, b""),
            Thing::Letter(letter, name) => (*letter, name, "", b""),
        };
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(tar::EntryType::new(kind));
        header.set_mode(0o600);
        header.set_size(content.len() as u64);
        header.set_cksum();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(BLOCK_BYTES), 0);
    }
    bytes.resize(bytes.len() + 2 * BLOCK_BYTES, 0);
    bytes
}

fn check(archive: &[u8]) -> ArchiveSummary {
    check_in_pieces(archive, 1000)
}

fn check_in_pieces(archive: &[u8], piece_bytes: usize) -> ArchiveSummary {
    let mut check = ArchiveCheck::new();
    archive
        .chunks(piece_bytes)
        .for_each(|piece| check.push(piece));
    check.finish()
}

/// The only problem of an archive.
fn problem(things: &[Thing<'_>]) -> String {
    let summary = check(&archive(things));
    assert_eq!(summary.problems_total, 1, "{:?}", summary.problems);
    summary.problems[0].clone()
}

fn sound() -> Vec<u8> {
    archive(&[
        Thing::Folder("etc/"),
        Thing::File("etc/ca.crt", b"certificate"),
        Thing::File("etc/large", &[5; 3 * BLOCK_BYTES]),
        Thing::Link("etc/way-out", "../../../etc/shadow"),
        Thing::Link("etc/absolute", "/etc/shadow"),
        Thing::HardLink("etc/ca2.crt", "etc/ca.crt"),
        Thing::HardLink("etc/way-out-2", "etc/way-out"),
    ])
}

#[test]
fn a_sound_archive_is_counted() {
    let wanted = ArchiveSummary {
        entries: 7,
        bytes: 11 + 3 * 512,
        ..ArchiveSummary::default()
    };
    assert_eq!(check(&sound()), wanted);
    assert_eq!(check(&[0; 1024]), ArchiveSummary::default());
}

#[test]
fn names_that_lead_out_are_problems() {
    assert_eq!(
        problem(&[Thing::File("/etc/passwd", b"x")]),
        "\"/etc/passwd\" at byte 0: its name is absolute"
    );
    assert_eq!(
        problem(&[Thing::Folder("a"), Thing::File("a/../../b", b"x")]),
        "\"a/../../b\" at byte 512: its name holds `..` and leads out of the archive"
    );
    assert_eq!(
        problem(&[Thing::Link("a", "/etc"), Thing::File("a/passwd", b"x")]),
        "\"a/passwd\" at byte 512: it lies below an entry that is no folder"
    );
}

#[test]
fn names_that_come_twice_are_problems() {
    for second in [
        Thing::File("a/./b", b"y"),
        Thing::Folder("a/b/"),
        Thing::Link("a//b", "c"),
    ] {
        let told = problem(&[Thing::File("a/b", b"x"), second]);
        assert!(
            told.ends_with("at byte 1024: an entry of this name came before"),
            "{told}"
        );
    }
}

#[test]
fn hard_links_need_a_file_before_them() {
    for (name, to) in [
        ("b", "missing"),
        ("b", "later"),
        ("b", "folder"),
        ("b", "b"),
        ("b", "../x"),
    ] {
        let told = problem(&[
            Thing::Folder("folder"),
            Thing::HardLink(name, to),
            Thing::File("later", b"x"),
        ]);
        assert!(told.contains("which is no file before it"), "{told}");
    }
}

#[test]
fn kinds_that_nobody_can_unpack_are_problems() {
    let told = problem(&[Thing::Letter(b'Z', "a")]);
    assert_eq!(
        told,
        "\"a\" at byte 0: it is of the kind 'Z', which cannot be unpacked"
    );
    assert!(problem(&[Thing::Link("a", "")]).contains("to nowhere"));
}

#[test]
fn an_archive_that_was_cut_off_is_told_wherever_it_was() {
    let sound = sound();
    for length in 0..sound.len() {
        let summary = check(&sound[..length]);
        assert_eq!(summary.problems_total, 1, "cut at {length}");
    }
}

#[test]
fn every_changed_bit_of_a_header_is_told() {
    let sound = sound();
    for header in [0, 512, 1536, 3584] {
        for at in header..header + BLOCK_BYTES {
            for bit in 0..8 {
                let mut damaged = sound.clone();
                damaged[at] ^= 1 << bit;
                let summary = check(&damaged);
                let checksum = 148..156;
                // The ends of the checksum's digits may be spaces as well as NULs.
                let told = summary.problems_total > 0 || checksum.contains(&(at - header));
                assert!(told, "byte {at}, bit {bit}");
            }
        }
    }
}

#[test]
fn what_follows_the_end_is_told() {
    let mut padded = sound();
    padded.resize(10240, 0);
    assert_eq!(check(&padded).problems_total, 0);
    padded.extend_from_slice(&sound());
    assert!(check(&padded).problems[0].contains("follows the archive's end"));
    let mut lone = vec![0; BLOCK_BYTES];
    lone.extend_from_slice(&sound());
    assert!(check(&lone).problems[0].contains("lone block of zeros"));
}

#[test]
fn problems_are_spelled_out_up_to_a_bound() {
    let names: Vec<String> = (0..100).map(|n| format!("/{n}")).collect();
    let things: Vec<_> = names.iter().map(|name| Thing::File(name, b"")).collect();
    let summary = check(&archive(&things));
    assert_eq!(
        (summary.problems.len(), summary.problems_total),
        (PROBLEMS_MAX, 100)
    );
}

/// GNU tar lists as many entries as are counted, and complains where we do.
#[test]
fn gnu_tar_counts_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("archive.tar");
    let listed = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let output = Command::new("tar").arg("-tf").arg(&path).output().unwrap();
        let lines = String::from_utf8(output.stdout).unwrap().lines().count() as u64;
        output.status.success().then_some(lines)
    };
    let sound = sound();
    assert_eq!(listed(&sound), Some(check(&sound).entries));
    let mut damaged = sound.clone();
    damaged[512 + 20] ^= 1;
    assert_eq!(listed(&damaged), None);
    assert_eq!(check(&damaged).entries, 1);
    // After an entry's header and half of its bytes.
    assert_eq!(listed(&sound[..2200]), None);
}

proptest! {
    #[test]
    fn how_the_bytes_are_cut_does_not_matter(
        damaged_at in 0_usize..6000, bit in 0_u8..8, piece_bytes in 1_usize..2000,
    ) {
        let mut bytes = sound();
        if let Some(byte) = bytes.get_mut(damaged_at) {
            *byte ^= 1 << bit;
        }
        prop_assert_eq!(check_in_pieces(&bytes, piece_bytes), check(&bytes));
    }

    #[test]
    fn no_bytes_pass_that_are_no_archive(bytes in proptest::collection::vec(any::<u8>(), 1..3000)) {
        prop_assert!(check(&bytes).problems_total > 0 || bytes.iter().all(|byte| *byte == 0));
    }
}
