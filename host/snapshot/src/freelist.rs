//! The stored freelist, which etcd does not write but other tools do.
//!
//! It is a run of pages with the numbers of the free ones as u64. A count of
//! 0xFFFF says that the first number is the true count.

use crate::bytes::u64_at;
use crate::meta::Geometry;
use crate::page::{HEAD_BYTES, Head};
use crate::pageset::PageSet;
use crate::problem::Problem;

/// The count that says that the true one stands in front of the numbers.
const COUNT_IN_BODY: u16 = 0xFFFF;

/// Reads the freelist in `run`, the bytes of page `page`.
pub(crate) fn freed(
    geometry: &Geometry,
    page: u64,
    run: &[u8],
    report: &dyn Fn(Problem),
) -> Result<PageSet, Problem> {
    let set = PageSet::new(geometry.pages);
    for id in ids(page, run)?.chunks_exact(8).map(|id| u64_at(id, 0)) {
        if !(2..geometry.pages).contains(&id) {
            report(Problem::FreedOutOfBounds { page: id });
        } else if !set.insert(id) {
            report(Problem::FreedTwice { page: id });
        }
    }
    Ok(set)
}

fn ids(page: u64, run: &[u8]) -> Result<&[u8], Problem> {
    let damaged = Problem::FreelistPage { page };
    let head = Head::of(run);
    if !head.is_freelist(page) {
        return Err(damaged);
    }
    let body = &run[HEAD_BYTES..];
    let (count, body) = match head.count {
        COUNT_IN_BODY if body.len() < 8 => return Err(damaged),
        COUNT_IN_BODY => (u64_at(body, 0), &body[8..]),
        count => (u64::from(count), body),
    };
    usize::try_from(count)
        .ok()
        .and_then(|count| body.get(..count.checked_mul(8)?))
        .ok_or(damaged)
}

#[cfg(test)]
mod tests {
    use super::ids;
    use crate::problem::Problem;

    const PAGE: u64 = 5;

    fn run(count: u16, body: &[u64]) -> Vec<u8> {
        let head = [
            &PAGE.to_le_bytes()[..],
            &[0x10, 0],
            &count.to_le_bytes(),
            &[0; 4],
        ]
        .concat();
        let body = body.iter().flat_map(|number| number.to_le_bytes());
        head.into_iter().chain(body).collect()
    }

    #[test]
    fn a_count_that_does_not_fit_its_field_stands_before_the_numbers() {
        let short = run(2, &[7, 8, 0]);
        assert_eq!(ids(PAGE, &short), Ok(&short[16..32]));
        let numbers: Vec<u64> = (0..0x1_0000).collect();
        let long = run(0xFFFF, &[&[0xFFFF], &numbers[..]].concat());
        assert_eq!(ids(PAGE, &long).map(<[u8]>::len), Ok(0xFFFF * 8));
    }

    #[test]
    fn a_count_past_the_page_is_refused() {
        let damaged = Err(Problem::FreelistPage { page: PAGE });
        assert_eq!(ids(PAGE, &run(3, &[7, 8])), damaged);
        for count in [2, u64::MAX, u64::MAX / 8 + 1] {
            assert_eq!(ids(PAGE, &run(0xFFFF, &[count, 8])), damaged);
        }
        assert_eq!(ids(PAGE, &run(0xFFFF, &[])), damaged);
        assert_eq!(
            ids(PAGE + 1, &run(1, &[7])),
            Err(Problem::FreelistPage { page: PAGE + 1 })
        );
    }
}
