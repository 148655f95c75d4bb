//! Judging the trees of a stream from the ledger, once all pages are noted.

use std::cell::RefCell;

use crate::claims::Claims;
use crate::error::{Limit, Trouble};
use crate::meta::Geometry;
use crate::page::Bounds;
use crate::problem::{Problem, Problems};
use crate::stream::ledger::{Body, Entry, Ledger};
use crate::stream::pager::Noted;
use crate::tree::LEVELS_MAX;

struct Judge<'n> {
    ledger: &'n Ledger,
    claims: Claims,
    found: RefCell<Found<'n>>,
}

struct Found<'n> {
    problems: &'n mut Problems,
    /// The first run that was too long; what lies below it was not looked at.
    limit: Option<Limit>,
}

#[derive(Clone, Copy)]
struct Place<'a> {
    page: u64,
    bounds: Bounds<'a>,
    level: u32,
}

/// Judges all trees, adds what is wrong to `problems`, and gives the number of
/// pages in use, or why not all of them were looked at.
pub(super) fn judge(
    geometry: Geometry,
    noted: Noted,
    problems: &mut Problems,
) -> Result<u64, Limit> {
    let mut claims = Claims::new(geometry);
    claims.set_freed(noted.freed);
    noted
        .freelist_problems
        .into_iter()
        .for_each(|problem| problems.add(problem));
    let judge = Judge {
        ledger: &noted.ledger,
        claims,
        found: RefCell::new(Found {
            problems,
            limit: None,
        }),
    };
    if let Some(page) = geometry.freelist {
        judge.note(judge.freelist(page));
    }
    judge.tree(Place {
        page: geometry.root,
        bounds: Bounds::default(),
        level: 0,
    });
    if let Some(limit) = judge.found.borrow_mut().limit.take() {
        return Err(limit);
    }
    judge
        .claims
        .report_unreachable(&mut |problem| judge.report(problem));
    Ok(judge.claims.used())
}

impl Judge<'_> {
    fn report(&self, problem: Problem) {
        self.found.borrow_mut().problems.add(problem);
    }

    fn note(&self, result: Result<(), Trouble>) {
        match result {
            Ok(()) => {}
            Err(Trouble::Damage(problem)) => self.report(problem),
            Err(Trouble::Limit(limit)) => {
                let first = &mut self.found.borrow_mut().limit;
                *first = first.take().or(Some(limit));
            }
        }
    }

    fn freelist(&self, page: u64) -> Result<(), Trouble> {
        let entry = self
            .ledger
            .get(page)
            .ok_or(Problem::FreelistPage { page })?;
        self.claim(page, &entry)?;
        match entry.body {
            Body::Freelist => Ok(()),
            Body::Damaged(problem) => Err(problem.into()),
            Body::TooLong(limit) => Err(limit.into()),
            Body::Branch(_) | Body::Leaf { .. } => Err(Problem::FreelistPage { page }.into()),
        }
    }

    fn tree(&self, place: Place<'_>) {
        self.note(self.page(place));
    }

    fn page(&self, place: Place<'_>) -> Result<(), Trouble> {
        let Place {
            page,
            bounds,
            level,
        } = place;
        if level > LEVELS_MAX {
            return Err(Trouble::Damage(Problem::TooDeep {
                page,
                levels_max: LEVELS_MAX,
            }));
        }
        let entry = self.entry(page)?;
        self.claim(page, &entry)?;
        match entry.body {
            Body::Branch(children) => self.children(place, &children),
            Body::Leaf { keys, buckets } => {
                keys.map_or(Ok(()), |(first, last)| bounds.hold(page, &first, &last))?;
                buckets.iter().for_each(|root| {
                    self.tree(Place {
                        page: *root,
                        bounds: Bounds::default(),
                        level: level + 1,
                    });
                });
                Ok(())
            }
            Body::Freelist => Err(Problem::PageDamaged { page }.into()),
            Body::Damaged(problem) => Err(problem.into()),
            Body::TooLong(limit) => Err(limit.into()),
        }
    }

    fn children(&self, place: Place<'_>, children: &[(u64, Vec<u8>)]) -> Result<(), Trouble> {
        let (first, last) = (children.first(), children.last());
        let (Some((_, first)), Some((_, last))) = (first, last) else {
            return Err(Problem::BranchEmpty { page: place.page }.into());
        };
        place.bounds.hold(place.page, first, last)?;
        for (number, (page, key)) in children.iter().enumerate() {
            let next = children.get(number + 1).map(|(_, key)| key.as_slice());
            let bounds = Bounds {
                min: Some(key),
                max: next.or(place.bounds.max),
            };
            self.tree(Place {
                page: *page,
                bounds,
                level: place.level + 1,
            });
        }
        Ok(())
    }

    fn entry(&self, page: u64) -> Result<Entry, Problem> {
        let last = self.claims.pages() - 1;
        if page > last {
            return Err(Problem::PageOutOfBounds { page, last });
        }
        self.ledger.get(page).ok_or(Problem::PageDamaged { page })
    }

    fn claim(&self, page: u64, entry: &Entry) -> Result<(), Problem> {
        self.claims
            .claim(page, entry.overflow, &|problem| self.report(problem))
    }
}
