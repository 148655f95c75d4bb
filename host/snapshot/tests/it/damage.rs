//! Files damaged on purpose, each in one way and with a right trailer: refused
//! by their structure alone, by the check of the file, by the check of the
//! stream, and by etcd's own tool.

use drydock_snapshot::{Problem, SnapshotError, status, verify};

use crate::files::{FREELIST_STORED, Image, offset, stream, stream_problems};
use crate::tools::etcdutl_status;

const SERVER: &str = "etcd-3.6.16";

/// All problems that the check of the file finds; the check of the stream must
/// refuse as well.
fn problems(bytes: &[u8]) -> Vec<Problem> {
    stream_problems(bytes, 1000);
    match verify(&bytes) {
        Err(SnapshotError::Damaged(problems)) => problems.listed().to_vec(),
        other => panic!("a damaged file must be refused: {other:?}"),
    }
}

fn assert_refused(image: Image, expected: impl Fn(&Problem) -> bool) {
    let bytes = image.sealed();
    let problems = problems(&bytes);
    assert!(problems.iter().any(expected), "{problems:?}");
    let etcdutl = etcdutl_status(&bytes);
    assert!(
        !etcdutl.status.success(),
        "etcdutl takes a file that we refuse"
    );
}

/// As [`assert_refused`] where bbolt does not look.
fn assert_refused_by_us(image: Image, expected: impl Fn(&Problem) -> bool) {
    let problems = problems(&image.sealed());
    assert!(problems.iter().any(expected), "{problems:?}");
}

#[test]
fn the_undamaged_files_are_taken_by_all() {
    for name in [SERVER, FREELIST_STORED] {
        let bytes = Image::of(name).sealed();
        let theirs: serde_json::Value =
            serde_json::from_slice(&etcdutl_status(&bytes).stdout).expect("etcdutl's JSON");
        let ours = status(&bytes).expect("a sound file");
        assert_eq!(serde_json::to_value(ours).expect("plain data"), theirs);
        verify(&bytes).expect("a sound file");
        stream(&bytes, 777).expect("a sound stream");
    }
}

#[test]
fn a_page_with_two_parents() {
    let mut image = Image::of(SERVER);
    let root = image.key_root();
    let first = image.child(root, 0);
    image.set_child(root, 1, first);
    assert_refused(image, |problem| {
        *problem == Problem::DoubleReference { page: first }
    });
}

#[test]
fn a_child_past_the_end() {
    let mut image = Image::of(SERVER);
    let root = image.key_root();
    image.set_child(root, 0, 1 << 40);
    assert_refused(image, |problem| {
        matches!(problem, Problem::PageOutOfBounds { .. })
    });
}

#[test]
fn a_key_out_of_order_in_its_page() {
    let mut image = Image::of(SERVER);
    let leaf = image.child(image.key_root(), 0);
    let (first, second) = (image.leaf_key(leaf, 0), image.leaf_key(leaf, 1));
    let key = image.bytes[second.start..second.start + 17].to_vec();
    image.bytes[first.start..first.start + 17].copy_from_slice(&key);
    assert_refused(
        image,
        |problem| matches!(problem, Problem::KeyOrder { page, .. } if *page == leaf),
    );
}

#[test]
fn a_key_below_what_its_parent_says() {
    let mut image = Image::of(SERVER);
    let root = image.key_root();
    let key = image.branch_key(root, 1);
    image.bytes[key.start + 16] += 1;
    let leaf = image.child(root, 1);
    assert_refused(image, |problem| {
        *problem == Problem::KeyBelowParent { page: leaf }
    });
}

#[test]
fn a_key_above_what_its_parent_says() {
    let mut image = Image::of(SERVER);
    let root = image.key_root();
    let leaf = image.child(root, 0);
    let last = image.leaf_key(leaf, image.count(leaf) - 1);
    image.bytes[last.start] = 1;
    assert_refused(image, |problem| {
        *problem == Problem::KeyAboveParent { page: leaf }
    });
}

#[test]
fn a_page_of_another_kind() {
    let mut image = Image::of(SERVER);
    let leaf = image.child(image.key_root(), 1);
    image.set_u16(offset(leaf) + 8, 0x04);
    assert_refused(image, |problem| {
        matches!(problem, Problem::PageType { flags: 4, .. })
    });
}

#[test]
fn a_page_that_calls_itself_another() {
    let mut image = Image::of(SERVER);
    let leaf = image.child(image.key_root(), 1);
    image.set_u64(offset(leaf), leaf + 1);
    assert_refused(image, |problem| {
        *problem
            == Problem::PageId {
                page: leaf,
                found: leaf + 1,
            }
    });
}

#[test]
fn a_page_with_too_many_overflow_pages() {
    let mut image = Image::of(SERVER);
    let leaf = image.child(image.key_root(), 1);
    image.set_u32(offset(leaf) + 12, u32::MAX);
    assert_refused_by_us(image, |problem| matches!(problem, Problem::Overflow { .. }));
}

#[test]
fn elements_that_leave_their_page() {
    for (field, value) in [(4, 1 << 20), (8, u32::MAX), (12, u32::MAX)] {
        let mut image = Image::of(SERVER);
        let leaf = image.child(image.key_root(), 1);
        image.set_u32(image.element(leaf, 2) + field, value);
        assert_refused_by_us(image, |problem| {
            matches!(problem, Problem::ElementBounds { index: 2, .. })
        });
    }
}

#[test]
fn elements_that_lie_over_each_other() {
    let mut image = Image::of(SERVER);
    let leaf = image.child(image.key_root(), 1);
    // The second row begins one byte early, on the last byte of the first, and
    // its key still sorts behind.
    let (element, key) = (image.element(leaf, 1), image.leaf_key(leaf, 1));
    let position = u32::try_from(key.start - element - 1).expect("it lies in the page");
    image.set_u32(element + 4, position);
    image.bytes[key.start - 1..key.end - 1].rotate_left(1);
    image.bytes[key.start - 1] = 0;
    assert_refused_by_us(image, |problem| {
        matches!(problem, Problem::ElementOverlap { index: 1, .. })
    });
}

#[test]
fn more_elements_than_fit() {
    let mut image = Image::of(SERVER);
    let leaf = image.child(image.key_root(), 1);
    image.set_u16(offset(leaf) + 10, u16::MAX);
    assert_refused_by_us(image, |problem| {
        matches!(problem, Problem::ElementTable { .. })
    });
}

#[test]
fn a_tree_that_contains_itself() {
    let mut image = Image::of(SERVER);
    let root = image.key_root();
    image.set_child(root, 0, root);
    assert_refused_by_us(image, |problem| {
        *problem == Problem::DoubleReference { page: root }
    });
}

#[test]
fn a_page_that_is_free_and_in_use() {
    let mut image = Image::of(FREELIST_STORED);
    let leaf = image.child(image.key_root(), 0);
    image.set_u64(offset(image.freelist()) + 16, leaf);
    assert_refused(image, |problem| {
        *problem == Problem::ReachableFreed { page: leaf }
    });
}

#[test]
fn a_freelist_that_names_itself() {
    let mut image = Image::of(FREELIST_STORED);
    let freelist = image.freelist();
    image.set_u64(offset(freelist) + 16, freelist);
    assert_refused_by_us(image, |problem| {
        *problem == Problem::ReachableFreed { page: freelist }
    });
}

#[test]
fn a_page_that_is_neither_free_nor_in_use() {
    let mut image = Image::of(FREELIST_STORED);
    let freelist = image.freelist();
    let (count, at) = (image.count(freelist), offset(freelist));
    let lost = image.u64(at + 16 + 8 * (count - 1));
    image.set_u16(at + 10, u16::try_from(count - 1).expect("it was a u16"));
    assert_refused(image, |problem| {
        *problem == Problem::Unreachable { page: lost }
    });
}

#[test]
fn a_page_that_is_free_twice() {
    let mut image = Image::of(FREELIST_STORED);
    let at = offset(image.freelist()) + 16;
    let first = image.u64(at);
    image.set_u64(at + 8, first);
    assert_refused(image, |problem| {
        *problem == Problem::FreedTwice { page: first }
    });
}

#[test]
fn a_freelist_that_is_none() {
    let mut image = Image::of(FREELIST_STORED);
    let page = image.freelist();
    image.set_u16(offset(page) + 8, 0x02);
    assert_refused(image, |problem| *problem == Problem::FreelistPage { page });
}

#[test]
fn one_changed_byte_breaks_the_trailer() {
    let mut bytes = Image::of(SERVER).sealed();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    assert!(
        problems(&bytes)
            .iter()
            .any(|p| matches!(p, Problem::TrailerMismatch { .. }))
    );
}

#[test]
fn a_file_without_trailer_still_has_figures() {
    let bytes = Image::of(SERVER).sealed();
    let body = &bytes[..bytes.len() - 32];
    assert_eq!(
        status(&body).expect("etcdutl takes it"),
        status(&bytes).expect("a sound file")
    );
    let problems = problems(body);
    assert_eq!(
        problems,
        [Problem::TrailerMissing {
            bytes: body.len() as u64
        }]
    );
}

#[test]
fn one_valid_meta_page_is_enough() {
    let whole = status(&Image::of(SERVER).sealed()).expect("a sound file");
    for page in 0..2 {
        let mut image = Image::of(SERVER);
        image.bytes[offset(page) + 16] ^= 1;
        let bytes = image.sealed();
        assert_eq!(status(&bytes).expect("the other meta page is valid"), whole);
        stream(&bytes, 4096).expect("the other meta page is valid");
    }
    let mut image = Image::of(SERVER);
    image.bytes[16] ^= 1;
    image.bytes[offset(1) + 16] ^= 1;
    assert_refused(image, |problem| *problem == Problem::MetaInvalid);
}
