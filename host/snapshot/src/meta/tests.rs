use super::{Geometry, HEAD_WANTED_BYTES, fnv1a, page_sizes};
use crate::error::Limit;
use crate::problem::Problem;

const PAGES: u64 = 9;

/// The first bytes of a file of pages of `page_bytes`, with two valid metas.
fn head(page_bytes: u32) -> Vec<u8> {
    let mut head = vec![0; HEAD_WANTED_BYTES];
    for page in 0..2 {
        meta(
            &mut head[page * page_bytes as usize..],
            page_bytes,
            PAGES,
            3,
            u64::MAX,
            7 - page as u64,
        );
    }
    head
}

fn meta(at: &mut [u8], page_bytes: u32, pages: u64, root: u64, freelist: u64, txid: u64) {
    let fields = [
        &0xED0C_DAED_u32.to_le_bytes()[..],
        &2_u32.to_le_bytes(),
        &page_bytes.to_le_bytes(),
        &0_u32.to_le_bytes(),
        &root.to_le_bytes(),
        &0_u64.to_le_bytes(),
        &freelist.to_le_bytes(),
        &pages.to_le_bytes(),
        &txid.to_le_bytes(),
    ]
    .concat();
    at[16..72].copy_from_slice(&fields);
    at[72..80].copy_from_slice(&fnv1a(&fields).to_le_bytes());
}

#[test]
fn the_hash_is_fnv_1a() {
    assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
    assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
}

#[test]
fn every_page_size_is_found_from_either_meta() {
    for page_bytes in page_sizes() {
        let head = head(page_bytes);
        let expected = Geometry {
            page_bytes,
            pages: PAGES,
            root: 3,
            freelist: None,
            txid: 7,
        };
        assert_eq!(Geometry::find(&head), Ok(expected));
        let mut second_only = head.clone();
        second_only[17] ^= 1;
        assert_eq!(
            Geometry::find(&second_only),
            Ok(Geometry {
                txid: 6,
                ..expected
            })
        );
        let mut first_only = head;
        first_only[page_bytes as usize + 70] ^= 1;
        assert_eq!(Geometry::find(&first_only), Ok(expected));
    }
}

#[test]
fn the_newer_meta_counts() {
    let mut head = head(4096);
    meta(&mut head[4096..], 4096, 20, 4, 5, 8);
    let expected = Geometry {
        page_bytes: 4096,
        pages: 20,
        root: 4,
        freelist: Some(5),
        txid: 8,
    };
    assert_eq!(Geometry::find(&head), Ok(expected));
}

#[test]
fn fields_that_lead_out_of_the_file_are_refused() {
    for (pages, root, freelist, field) in [
        (2, 2, u64::MAX, "the number of pages"),
        (9, 9, u64::MAX, "the root page"),
        (9, 1, u64::MAX, "the root page"),
        (9, 3, 9, "the freelist page"),
        (9, 3, 0, "the freelist page"),
    ] {
        let mut head = head(4096);
        meta(&mut head, 4096, pages, root, freelist, 9);
        let refused = Geometry::find(&head).expect_err("it leads out of the file");
        assert!(matches!(refused, Problem::MetaField { field: found, .. } if found == field));
    }
}

#[test]
fn more_pages_than_can_be_numbered_are_no_damage() {
    let mut head = head(4096);
    meta(&mut head, 4096, 1 << 31, 3, u64::MAX, 9);
    let found = Geometry::find(&head).expect("a layout that keeps to its own pages");
    assert_eq!(
        found.counted(),
        Err(Limit::PagesTooMany {
            pages: 1 << 31,
            pages_max: 1 << 30
        })
    );
}

#[test]
fn a_short_or_foreign_head_is_no_file() {
    let whole = head(4096);
    for end in [0, 15, 16, 79] {
        assert_eq!(Geometry::find(&whole[..end]), Err(Problem::MetaInvalid));
    }
    assert_eq!(
        Geometry::find(&vec![0; HEAD_WANTED_BYTES]),
        Err(Problem::MetaInvalid)
    );
    let mut odd_size = whole;
    meta(&mut odd_size, 4097, PAGES, 3, u64::MAX, 9);
    odd_size[4096 + 16] ^= 1;
    assert_eq!(Geometry::find(&odd_size), Err(Problem::MetaInvalid));
}
