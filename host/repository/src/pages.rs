//! The pages of a listing, one after the other: the one place where they come in, and where
//! they are held to the contract. What a store lists decides what exists, so a listing that
//! contradicts itself is an error and never a shorter or longer list.

use drydock_core::store::{ObjectStat, PassedOver, SessionInfo};
use drydock_core::{ErrorCode, Fault};

use crate::target::Target;

/// Objects of one listing: ten thousand pages of a thousand keys.
pub const OBJECTS_MAX: u64 = 10_000_000;

/// Pages without an object or upload that are followed one after the other. A store may
/// look through many keys for one, and has to come to an end all the same.
const PAGES_EMPTY_MAX: u32 = 1000;

/// Things of one listing that it passed over: a folder that holds so many others is none
/// for backups, and each is told and remembered.
const PASSED_OVER_MAX: u64 = 100_000;

/// Uploads that are under way at once; each run has a handful.
const SESSIONS_MAX: u64 = 100_000;

/// Pages of uploads: they come in no order by which a listing that goes round in a circle
/// could be told, and a store that gives twenty at once is a slow one.
const SESSION_PAGES_MAX: u64 = SESSIONS_MAX / 20;

/// Follows the objects of a prefix.
pub struct ObjectPages<'t> {
    target: &'t dyn Target,
    progress: Progress,
    /// The last key that was listed.
    last: Option<String>,
    passed_over: Vec<PassedOver>,
}

/// Follows the uploads of a prefix that are under way. They come in no order.
pub struct SessionPages<'t> {
    target: &'t dyn Target,
    progress: Progress,
}

/// How far a listing got.
struct Progress {
    prefix: String,
    cursor: Option<String>,
    ended: bool,
    entries: u64,
    entries_max: u64,
    pages: u64,
    pages_max: u64,
    passed_over: u64,
    empty: u32,
}

impl<'t> ObjectPages<'t> {
    #[must_use]
    pub fn new(target: &'t dyn Target, prefix: &str) -> Self {
        Self {
            target,
            // Each page has an object that comes later in the order, or is an empty one.
            progress: Progress::new(prefix, OBJECTS_MAX, u64::MAX),
            last: None,
            passed_over: Vec::new(),
        }
    }

    /// What the page that came last tells of beside its objects. Objects may be behind it
    /// that nobody saw.
    #[must_use]
    pub fn passed_over(&self) -> &[PassedOver] {
        &self.passed_over
    }

    /// Whether the last page came.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.progress.ended
    }

    /// The next page; none behind the last.
    ///
    /// # Errors
    /// What the target says; `bad-answer` for keys that are not below the prefix, not in
    /// their order, or listed twice; `endless-listing`.
    pub async fn next(&mut self) -> Result<Option<Vec<ObjectStat>>, Fault> {
        let progress = &mut self.progress;
        if progress.ended {
            return Ok(None);
        }
        let page = self
            .target
            .list(&progress.prefix, progress.cursor.as_deref())
            .await?;
        progress.advance(page.objects.len(), page.passed_over.len(), page.next)?;
        self.passed_over = page.passed_over;
        for stat in &page.objects {
            let key = &stat.object;
            if !key.starts_with(&progress.prefix) {
                return Err(progress.bad(&format!("names {key:?}, which is not below it")));
            }
            match &self.last {
                Some(last) if last == key => {
                    return Err(progress.bad(&format!("names {key:?} twice")));
                }
                Some(last) if last > key => {
                    return Err(progress.bad(&format!("names {key:?} behind {last:?}")));
                }
                _ => self.last = Some(key.clone()),
            }
        }
        Ok(Some(page.objects))
    }
}

impl<'t> SessionPages<'t> {
    #[must_use]
    pub fn new(target: &'t dyn Target, prefix: &str) -> Self {
        Self {
            target,
            progress: Progress::new(prefix, SESSIONS_MAX, SESSION_PAGES_MAX),
        }
    }

    /// The next page; none behind the last.
    ///
    /// # Errors
    /// What the target says; `bad-answer` for uploads of objects that are not below the
    /// prefix; `endless-listing`.
    pub async fn next(&mut self) -> Result<Option<Vec<SessionInfo>>, Fault> {
        let progress = &mut self.progress;
        if progress.ended {
            return Ok(None);
        }
        let page = self
            .target
            .list_sessions(&progress.prefix, progress.cursor.as_deref())
            .await?;
        progress.advance(page.sessions.len(), 0, page.next)?;
        let stray = |info: &&SessionInfo| !info.object.starts_with(&progress.prefix);
        match page.sessions.iter().find(stray) {
            Some(SessionInfo { object, .. }) => {
                Err(progress.bad(&format!("names {object:?}, which is not below it")))
            }
            None => Ok(Some(page.sessions)),
        }
    }
}

impl Progress {
    fn new(prefix: &str, entries_max: u64, pages_max: u64) -> Self {
        Self {
            prefix: prefix.to_owned(),
            cursor: None,
            ended: false,
            entries: 0,
            entries_max,
            pages: 0,
            pages_max,
            passed_over: 0,
            empty: 0,
        }
    }

    /// Takes a page's counts and its cursor, which must lead on. What was passed over makes
    /// no progress: nothing says that it is not the same every time.
    fn advance(
        &mut self,
        entries: usize,
        passed_over: usize,
        next: Option<String>,
    ) -> Result<(), Fault> {
        self.entries += entries as u64;
        self.passed_over += passed_over as u64;
        self.pages += 1;
        self.empty = if entries == 0 { self.empty + 1 } else { 0 };
        let goes_on = next.is_some();
        let stands = goes_on && next == self.cursor;
        let too_many = self.entries > self.entries_max || self.passed_over > PASSED_OVER_MAX;
        let too_long = goes_on && (self.empty > PAGES_EMPTY_MAX || self.pages >= self.pages_max);
        if stands || too_many || too_long {
            return Err(self.endless());
        }
        self.ended = next.is_none();
        self.cursor = next;
        Ok(())
    }

    fn bad(&self, what: &str) -> Fault {
        Fault::permanent(
            ErrorCode::BadAnswer,
            format!(
                "the listing of {} at the target {what}: its plugin does not keep the contract, so ask the plugin's author",
                self.place()
            ),
        )
    }

    fn endless(&self) -> Fault {
        Fault::permanent(
            ErrorCode::EndlessListing,
            format!(
                "the listing of {} at the target does not end after {} entries: remove what is old there, or ask the author of its plugin",
                self.place(),
                self.entries + self.passed_over
            ),
        )
    }

    fn place(&self) -> String {
        match self.prefix.as_str() {
            "" => "everything".to_owned(),
            prefix => drydock_core::plain(prefix, 200),
        }
    }
}

#[cfg(test)]
mod tests;
