//! Random damage: no panic, no hang, and never a wrong figure.

use drydock_snapshot::{Figures, Hints, Limits, Problem, SnapshotError, figures, verify};
use proptest::prelude::*;

use crate::files::{FREELIST_STORED, Image, SERVERS, stream};

fn all_figures(bytes: &[u8]) -> Option<Figures> {
    figures(
        &bytes,
        Hints::default(),
        &Limits {
            threads: 1,
            ..Limits::default()
        },
    )
    .ok()
}

fn names() -> impl Strategy<Value = &'static str> {
    prop::sample::select([SERVERS.as_slice(), &[FREELIST_STORED]].concat())
}

fn is_of_rows(problem: &Problem) -> bool {
    matches!(
        problem,
        Problem::RevisionKey { .. }
            | Problem::KeyValue { .. }
            | Problem::MetaValue { .. }
            | Problem::NotABucket { .. }
            | Problem::BucketMisplaced { .. }
            | Problem::NotEtcd { .. }
    )
}

/// Places that matter: headers and element tables more often than values.
fn place() -> impl Strategy<Value = (f64, Option<usize>)> {
    (0.0..1.0, prop::option::of(0_usize..256))
}

fn at(bytes: &[u8], (share, in_page): (f64, Option<usize>)) -> usize {
    let body = bytes.len() - 32;
    let at = (share * body as f64) as usize;
    in_page
        .map_or(at, |offset| at / 4096 * 4096 + offset)
        .min(body - 1)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn flips_are_seen_by_the_trailer_and_never_panic(
        name in names(),
        flips in prop::collection::vec((place(), 1_u8..), 1..4),
    ) {
        let mut image = Image::of(name);
        let before = image.bytes.clone();
        for (place, mask) in flips {
            let at = at(&image.bytes, place);
            image.bytes[at] ^= mask;
        }
        if image.bytes != before {
            verify(&image.bytes).expect_err("the trailer knows every byte");
            stream(&image.bytes, 5000).expect_err("the trailer knows every byte");
        }
    }

    #[test]
    fn both_checks_judge_the_structure_alike(name in names(), place in place(), mask in 1_u8..) {
        let mut image = Image::of(name);
        let at = at(&image.bytes, place);
        image.bytes[at] ^= mask;
        let bytes = image.sealed();
        match (verify(&bytes), stream(&bytes, 5000)) {
            (Ok(_), streamed) => prop_assert!(streamed.is_ok(), "{:?}", streamed),
            // The stream does not look into rows and top-level buckets.
            (Err(SnapshotError::Damaged(problems)), Ok(_)) => {
                prop_assert!(problems.listed().iter().all(is_of_rows), "{:?}", problems);
            }
            _ => {}
        }
    }

    #[test]
    fn a_truncated_file_is_refused(name in names(), share in 0.0..1.0) {
        let bytes = Image::of(name).bytes;
        let end = (share * bytes.len() as f64) as usize;
        verify(&bytes[..end].to_vec()).expect_err("it is not whole");
        stream(&bytes[..end], 3000).expect_err("it is not whole");
    }

    #[test]
    fn noise_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..20_000)) {
        verify(&bytes).expect_err("it is no snapshot");
        stream(&bytes, 1000).expect_err("it is no snapshot");
    }

    #[test]
    fn free_pages_may_hold_anything(name in names(), seed in any::<u64>()) {
        let mut image = Image::of(name);
        let figures_before = all_figures(&image.bytes);
        let mut random = seed | 1;
        for page in image.free_pages() {
            for byte in &mut image.bytes[page] {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                *byte = (random >> 56) as u8;
            }
        }
        let bytes = image.sealed();
        prop_assert_eq!(all_figures(&bytes), figures_before);
        prop_assert!(stream(&bytes, 5000).is_ok());
    }
}
