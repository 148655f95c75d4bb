//! Which target it was that recovery points were stored at. The name in a document says
//! where it is looked for; what answers there may be another one.

use drydock_core::{TargetId, TargetName, UnixTime};
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::Journal;
use crate::error::JournalError;

impl Journal {
    /// The id of the target under this name at which recovery points were stored; none
    /// when none were.
    ///
    /// # Errors
    /// The database fails.
    pub fn target_id(&self, target: &TargetName) -> Result<Option<TargetId>, JournalError> {
        self.read("look up a target", |connection| id_of(connection, target))
    }

    /// From now on the target under this name is the one with this id. What was known of
    /// the recovery points at another one is forgotten. Answers which one it was before.
    ///
    /// # Errors
    /// The database fails.
    pub fn set_target_id(
        &self,
        target: &TargetName,
        id: &TargetId,
        at: UnixTime,
    ) -> Result<Option<TargetId>, JournalError> {
        self.write("enter a target", |transaction| {
            let before = id_of(transaction, target)?;
            if before.as_ref() == Some(id) {
                return Ok(before);
            }
            transaction.execute(
                "INSERT OR REPLACE INTO targets (target, id, since) VALUES (?1, ?2, ?3)",
                params![target.as_str(), id.as_str(), at.0],
            )?;
            if before.is_some() {
                transaction.execute(
                    "DELETE FROM recovery_points WHERE target = ?1",
                    [target.as_str()],
                )?;
            }
            Ok(before)
        })
    }
}

fn id_of(connection: &Connection, target: &TargetName) -> rusqlite::Result<Option<TargetId>> {
    connection
        .query_row(
            "SELECT id FROM targets WHERE target = ?1",
            [target.as_str()],
            |row| row.get::<_, String>(0),
        )
        .optional()
        .map(|id| id.map(TargetId::new))
}
