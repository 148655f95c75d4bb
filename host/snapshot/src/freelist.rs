//! The stored freelist, which etcd does not write but other tools do.
//!
//! It is a run of pages with the numbers of the free ones as u64. A count of
//! 0xFFFF says that the first number is the true count.

use std::ops::Range;

use crate::bytes::u64_at;
use crate::error::Fault;
use crate::meta::Geometry;
use crate::page::{HEAD_BYTES, Head};
use crate::pageset::PageSet;
use crate::problem::Problem;
use crate::reader::Reader;
use crate::source;

/// The count that says that the true one stands in front of the numbers.
const COUNT_IN_BODY: u16 = 0xFFFF;

/// Read at once of a list that is read where it stands: a large file has many free pages.
const PIECE_BYTES: usize = 256 * 1024;

/// The pages that a freelist names.
struct Freed<'a> {
    set: PageSet,
    pages: u64,
    report: &'a dyn Fn(Problem),
}

/// Reads the freelist in `run`, the bytes of page `page`.
pub(crate) fn freed(
    geometry: &Geometry,
    page: u64,
    run: &[u8],
    report: &dyn Fn(Problem),
) -> Result<PageSet, Problem> {
    let numbers = numbers(page, run, run.len() as u64)?;
    let freed = Freed::new(geometry, report);
    freed.add(&run[numbers.start as usize..numbers.end as usize]);
    Ok(freed.set)
}

/// Reads the freelist of page `page` from the file, piece by piece.
pub(crate) fn read(
    reader: &mut Reader<'_>,
    geometry: &Geometry,
    page: u64,
    report: &dyn Fn(Problem),
) -> Result<(PageSet, Head), Fault> {
    let head = reader.head(page, 1)?;
    let run = reader.whole(page, head, u64::MAX)?;
    let mut piece = vec![0; run.bytes.min(PIECE_BYTES as u64) as usize];
    source::read(run.source, &mut piece, run.offset)?;
    let Range { mut start, end } = numbers(page, &piece, run.bytes)?;
    let freed = Freed::new(geometry, report);
    while start < end {
        let bytes = (end - start).min(piece.len() as u64 & !7);
        let piece = &mut piece[..bytes as usize];
        source::read(run.source, piece, run.offset + start)?;
        freed.add(piece);
        start += bytes;
    }
    Ok((freed.set, head))
}

impl<'a> Freed<'a> {
    fn new(geometry: &Geometry, report: &'a dyn Fn(Problem)) -> Self {
        Self {
            set: PageSet::new(geometry.pages),
            pages: geometry.pages,
            report,
        }
    }

    fn add(&self, numbers: &[u8]) {
        for id in numbers.chunks_exact(8).map(|id| u64_at(id, 0)) {
            if !(2..self.pages).contains(&id) {
                (self.report)(Problem::FreedOutOfBounds { page: id });
            } else if !self.set.insert(id) {
                (self.report)(Problem::FreedTwice { page: id });
            }
        }
    }
}

/// Where the numbers stand in a run of so many bytes, of which `head` is the beginning.
fn numbers(page: u64, head: &[u8], run_bytes: u64) -> Result<Range<u64>, Problem> {
    let damaged = Problem::FreelistPage { page };
    let found = Head::of(head);
    if !found.is_freelist(page) {
        return Err(damaged);
    }
    let (start, count) = match found.count {
        COUNT_IN_BODY if head.len() < HEAD_BYTES + 8 => return Err(damaged),
        COUNT_IN_BODY => (HEAD_BYTES as u64 + 8, u64_at(head, HEAD_BYTES)),
        count => (HEAD_BYTES as u64, u64::from(count)),
    };
    count
        .checked_mul(8)
        .and_then(|bytes| start.checked_add(bytes))
        .filter(|end| *end <= run_bytes)
        .map(|end| start..end)
        .ok_or(damaged)
}

#[cfg(test)]
mod tests {
    use super::numbers;
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

    fn of(page: u64, run: &[u8]) -> Result<std::ops::Range<u64>, Problem> {
        numbers(page, run, run.len() as u64)
    }

    #[test]
    fn a_count_that_does_not_fit_its_field_stands_before_the_numbers() {
        let short = run(2, &[7, 8, 0]);
        assert_eq!(of(PAGE, &short), Ok(16..32));
        let numbers: Vec<u64> = (0..0x1_0000).collect();
        let long = run(0xFFFF, &[&[0xFFFF], &numbers[..]].concat());
        assert_eq!(of(PAGE, &long), Ok(24..24 + 0xFFFF * 8));
    }

    #[test]
    fn a_count_past_the_page_is_refused() {
        let damaged = Err(Problem::FreelistPage { page: PAGE });
        assert_eq!(of(PAGE, &run(3, &[7, 8])), damaged);
        for count in [2, u64::MAX, u64::MAX / 8 + 1] {
            assert_eq!(of(PAGE, &run(0xFFFF, &[count, 8])), damaged);
        }
        assert_eq!(of(PAGE, &run(0xFFFF, &[])), damaged);
        assert_eq!(
            of(PAGE + 1, &run(1, &[7])),
            Err(Problem::FreelistPage { page: PAGE + 1 })
        );
    }
}
