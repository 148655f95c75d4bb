//! Snapshots that arrive in pieces.

use drydock_core::nature::Trailer;
use drydock_snapshot::{Limit, Problem, StreamCheck, StreamRefused, status, verify};
use sha2::{Digest as _, Sha256};

use crate::build::built;
use crate::files::{FREELIST_STORED, Image, SERVERS, bytes, offset, open, stream, stream_problems};
use crate::tools::etcdutl_status;

#[test]
fn pieces_of_any_size_give_the_verdict_of_the_whole() {
    for name in SERVERS.into_iter().chain([FREELIST_STORED]) {
        let bytes = bytes(name);
        let whole = verify(&open(name)).expect("a sound file");
        for piece in [1, 7, 31, 32, 33, 512, 4095, 4096, 32 * 1024, bytes.len()] {
            let summary = stream(&bytes, piece).expect("a sound stream");
            assert_eq!(summary.sha256, whole.sha256, "{name} in pieces of {piece}");
            assert_eq!(
                summary.pages_used, whole.pages_used,
                "{name} in pieces of {piece}"
            );
            assert_eq!(summary.bytes, bytes.len() as u64);
        }
    }
}

#[test]
fn a_stream_that_ends_early_is_refused() {
    let bytes = bytes("etcd-3.6.16");
    for end in [
        0,
        1,
        31,
        32,
        100,
        4096,
        40_000,
        bytes.len() - 512,
        bytes.len() - 1,
    ] {
        assert!(!stream_problems(&bytes[..end], 1024).is_empty());
    }
    let sectors = stream_problems(&bytes[..bytes.len() - 4096], 1024);
    assert!(
        matches!(sectors.listed()[0], Problem::Truncated { .. }),
        "{sectors:?}"
    );
}

#[test]
fn what_is_no_snapshot_is_refused_before_it_ends() {
    let mut check = StreamCheck::new();
    let refused = check.push(&vec![0; 1 << 20]);
    assert_eq!(refused, Err(Problem::MetaInvalid));
    assert_eq!(check.push(&[0]), Err(Problem::MetaInvalid));
    let Err(StreamRefused::Damaged { trailer, problems }) = check.finish() else {
        panic!("nothing can mend it");
    };
    assert!(problems.listed().contains(&Problem::MetaInvalid));
    assert_eq!(trailer, Trailer::Missing);
}

/// What the trailer says does not depend on what the pages say.
#[test]
fn the_trailer_is_told_beside_damaged_pages() {
    let told = |bytes: &[u8]| match stream(bytes, 4096) {
        Err(StreamRefused::Damaged { trailer, problems }) => (trailer, problems.total()),
        other => panic!("damaged bytes must be refused as such: {other:?}"),
    };
    let heads = || {
        let mut image = Image::of("etcd-3.6.16");
        for page in [0, 1] {
            // The magic number of each meta page.
            image.bytes[offset(page) + 16] ^= 1;
        }
        image
    };
    assert_eq!(told(&heads().sealed()), (Trailer::Match, 1));
    let bent = heads().bytes;
    assert_eq!(told(&bent), (Trailer::Mismatch, 2));
    assert_eq!(told(&bent[..bent.len() - 32]), (Trailer::Missing, 2));
    // What was cut off is one problem, whatever stands at its end.
    let sound = bytes("etcd-3.6.16");
    let cut = &sound[..sound.len() - 4096];
    assert_eq!(told(cut), (Trailer::Mismatch, 1));
    assert_eq!(told(&cut[..cut.len() - 32]), (Trailer::Missing, 1));
    let cut = Image {
        bytes: cut.to_vec(),
    };
    assert_eq!(told(&cut.sealed()), (Trailer::Match, 1));
}

#[test]
fn the_digest_is_of_all_bytes_whatever_they_are() {
    let sound = bytes("etcd-3.6.16");
    let noise = vec![7; 100_001];
    for bytes in [&sound[..], &noise, &[1; 31], &[2; 33], &[]] {
        for piece in [1, 32, 4096, 100_000] {
            let mut check = StreamCheck::new();
            for piece in bytes.chunks(piece) {
                // What it says of the pages is another test's matter.
                let _ = check.push(piece);
            }
            let expected: [u8; 32] = Sha256::digest(bytes).into();
            assert_eq!(check.digest(), expected, "{} in {piece}", bytes.len());
        }
    }
}

#[test]
fn files_of_any_page_size_are_read_as_etcdutl_reads_them() {
    for page_bytes in [1024, 4096, 16_384, 65_536] {
        let file = built(page_bytes, 100_000);
        let theirs: serde_json::Value =
            serde_json::from_slice(&etcdutl_status(&file).stdout).expect("etcdutl's JSON");
        let ours = verify(&file).expect("a sound file").status;
        assert_eq!(serde_json::to_value(ours).expect("plain data"), theirs);
        let summary = stream(&file, 10_000).expect("a sound stream");
        assert_eq!(summary.geometry.page_bytes as usize, page_bytes);
    }
}

#[test]
fn a_run_of_pages_longer_than_the_window_is_left_to_the_file() {
    let fits = built(4096, 15 << 20);
    stream(&fits, 32 * 1024).expect("it fits the window");
    let long = built(4096, 17 << 20);
    let refused = stream(&long, 32 * 1024).expect_err("it does not fit");
    assert!(
        matches!(
            refused,
            StreamRefused::Unjudged(Limit::RunTooLong { page: 3, .. })
        ),
        "{refused:?}"
    );
    verify(&long).expect("the file check reads it");
}

#[test]
fn damage_is_told_as_damage_beside_a_run_that_is_too_long() {
    let mut image = Image {
        bytes: built(4096, 17 << 20),
    };
    image.bytes[1 << 20] ^= 1;
    let problems = stream_problems(&image.bytes, 32 * 1024);
    assert!(
        matches!(problems.listed(), [Problem::TrailerMismatch { .. }]),
        "{problems:?}"
    );
    // Below the run that the stream does not look at, the file is looked at.
    let sealed = image.sealed();
    stream(&sealed, 32 * 1024).expect_err("it does not fit");
    verify(&sealed).expect("a value may be anything");
}

#[test]
fn a_stale_header_in_a_free_page_hides_nothing() {
    let mut image = Image::of("etcd-3.6.16");
    let before = status(&image.bytes).expect("a sound file");
    let pages = (image.bytes.len() / 4096) as u32;
    let free = image.free_pages();
    assert!(!free.is_empty());
    for (number, range) in free.into_iter().enumerate() {
        let page = (range.start / 4096) as u32;
        image.set_u64(offset(page.into()), page.into());
        image.set_u16(range.start + 8, 1 + (number % 2) as u16);
        image.set_u32(
            range.start + 12,
            [1, pages - page - 1, u32::MAX][number % 3],
        );
    }
    let bytes = image.sealed();
    assert_eq!(status(&bytes).expect("a sound file"), before);
    stream(&bytes, 4096).expect("a sound stream");
}
