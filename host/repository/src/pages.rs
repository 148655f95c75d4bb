//! The pages of a listing, one after the other: the one place where they come in, and where
//! they are held to the contract. What a store lists decides what exists, so a listing that
//! contradicts itself is an error and never a shorter or longer list.

use drydock_core::Fault;
use drydock_core::store::{ObjectStat, PassedOver, SessionInfo};

use crate::target::Target;

/// Objects of one listing: ten thousand pages of a thousand keys.
pub const OBJECTS_MAX: u64 = 10_000_000;

/// Pages without an entry that are followed one after the other. A store may look through
/// many keys for one, and has to come to an end all the same.
const PAGES_EMPTY_MAX: u32 = 1000;

/// Uploads that are under way at once; each run has a handful.
const SESSIONS_MAX: u64 = 100_000;

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
    empty: u32,
}

impl<'t> ObjectPages<'t> {
    #[must_use]
    pub fn new(target: &'t dyn Target, prefix: &str) -> Self {
        Self {
            target,
            progress: Progress::new(prefix, OBJECTS_MAX),
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
        let told = page.objects.len() + page.passed_over.len();
        progress.advance(told, page.next)?;
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
            progress: Progress::new(prefix, SESSIONS_MAX),
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
        progress.advance(page.sessions.len(), page.next)?;
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
    fn new(prefix: &str, entries_max: u64) -> Self {
        Self {
            prefix: prefix.to_owned(),
            cursor: None,
            ended: false,
            entries: 0,
            entries_max,
            empty: 0,
        }
    }

    /// Takes a page's count and its cursor, which must lead on.
    fn advance(&mut self, entries: usize, next: Option<String>) -> Result<(), Fault> {
        self.entries += entries as u64;
        self.empty = if entries == 0 { self.empty + 1 } else { 0 };
        let stands = next.is_some() && next == self.cursor;
        let too_many = self.entries > self.entries_max;
        if stands || too_many || (next.is_some() && self.empty > PAGES_EMPTY_MAX) {
            return Err(self.endless());
        }
        self.ended = next.is_none();
        self.cursor = next;
        Ok(())
    }

    fn bad(&self, what: &str) -> Fault {
        Fault::permanent(
            "bad-answer",
            format!(
                "the listing of {} at the target {what}: its plugin does not keep the contract, so ask the plugin's author",
                self.place()
            ),
        )
    }

    fn endless(&self) -> Fault {
        Fault::permanent(
            "endless-listing",
            format!(
                "the listing of {} at the target does not end after {} entries: remove what is old there, or ask the author of its plugin",
                self.place(),
                self.entries
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
