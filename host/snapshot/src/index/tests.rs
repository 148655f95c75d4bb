use std::collections::HashMap;
use std::path::Path;

use super::{KeyIndex, RowPlace};
use crate::error::SnapshotError;
use crate::prefix::Prefixes;

const KEYS: u32 = 3000;
const ROWS: u32 = 40_000;

fn index_of(bytes_max: usize, folder: Option<&Path>) -> Result<KeyIndex, SnapshotError> {
    KeyIndex::new(bytes_max, folder, &Prefixes::default())
}

/// Puts `ROWS` rows over `KEYS` keys into an index, from two gatherers that
/// take turns, and gives the newest row of each key as a plain map finds it.
fn fill(index: &KeyIndex) -> Vec<RowPlace> {
    let mut newest = HashMap::new();
    let mut gathers = [index.gather(), index.gather()];
    for row in 0..ROWS {
        let key = (row.wrapping_mul(2_654_435_761) >> 7) % KEYS;
        let place = RowPlace::new(
            row / 10_000,
            row % 10_000 / 16,
            (row % 16) as u16,
            row % 5 == 0,
        );
        gathers[row as usize % 2].add(&key.to_be_bytes(), place);
        newest.insert(key, place);
    }
    gathers
        .into_iter()
        .for_each(|gather| gather.finish().expect("nothing to fail"));
    let mut newest: Vec<_> = newest.into_values().collect();
    newest.sort_unstable();
    newest
}

fn drain(index: KeyIndex) -> Vec<RowPlace> {
    let mut places = Vec::new();
    index
        .newest(|place, _| places.push(place))
        .expect("nothing to fail");
    places.sort_unstable();
    places
}

#[test]
fn the_newest_row_of_each_key_remains() {
    let index = index_of(usize::MAX, None).expect("memory alone");
    let expected = fill(&index);
    assert_eq!(drain(index), expected);
}

#[test]
fn an_index_on_disk_gives_the_same() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for bytes_max in [0, 100_000] {
        let index = index_of(bytes_max, Some(folder.path())).expect("a spill file");
        let expected = fill(&index);
        let spilled = index
            .spill
            .as_ref()
            .map(|spill| spill.end.load(super::Ordering::Relaxed));
        assert_ne!(spilled, Some(0), "nothing was spilled at {bytes_max} bytes");
        assert_eq!(drain(index), expected);
    }
    assert_eq!(
        std::fs::read_dir(folder.path())
            .expect("the folder")
            .count(),
        0
    );
}

#[test]
fn memory_stays_near_the_number_of_keys() {
    let index = index_of(usize::MAX, None).expect("memory alone");
    let mut gather = index.gather();
    let keys = 400_000_u32;
    for row in 0..4 * keys {
        let place = RowPlace::new(0, row, 0, false);
        gather.add(&(row % keys).to_be_bytes(), place);
    }
    gather.finish().expect("nothing to fail");
    let bytes: usize = index
        .partitions
        .iter()
        .map(|partition| super::lock(partition).records.capacity() * super::RECORD_BYTES)
        .sum();
    let allowed = 32 * 1024 * 1024 + 32 * keys as usize;
    assert!(bytes <= allowed, "{bytes} bytes for {keys} keys");
}

#[test]
fn a_place_comes_back_as_it_went_in() {
    for (unit, leaf, index) in [
        (0, 0, 0),
        (1, 2, 3),
        ((1 << 17) - 1, (1 << 30) - 1, u16::MAX),
    ] {
        for deleted in [false, true] {
            let place = RowPlace::new(unit, leaf, index, deleted);
            assert_eq!(place.unit(), unit as usize);
            assert_eq!(place.leaf(), leaf as usize);
            assert_eq!(place.index(), index);
            assert_eq!(place.deleted(), deleted);
        }
    }
    assert!(RowPlace::new(1, 0, 0, false) > RowPlace::new(0, 9, 9, true));
    assert!(RowPlace::new(0, 1, 0, false) > RowPlace::new(0, 0, 9, true));
}

#[test]
fn a_spill_folder_that_is_missing_is_an_error() {
    let error = index_of(0, Some("/nonexistent/spill".as_ref()))
        .err()
        .expect("no folder");
    assert_eq!(
        error.to_string(),
        "cannot write the key index to the spill folder; give it more space or another folder"
    );
}
