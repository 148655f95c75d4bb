//! What a run did, for whoever reads it or takes it as an input.

use drydock_plugin_sdk::{Error, Value, outcome};
use serde::Serialize;

use crate::tell;

/// What was done so far.
#[derive(Debug, Default)]
pub struct Record {
    /// The revision that was compacted to; 0 where none was.
    pub compact_revision: i64,
    pub members: Vec<Defragmented>,
}

/// A member that was defragmented.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Defragmented {
    /// In hex, as etcd writes it.
    pub id: String,
    pub name: String,
    pub endpoint: String,
    /// Whether it led meanwhile.
    pub led: bool,
    pub bytes_before: u64,
    pub bytes_after: u64,
    pub seconds: u64,
}

impl Record {
    /// The outputs, and a sentence.
    pub fn tell(&self) -> Result<(), Error> {
        let sum = |bytes: fn(&Defragmented) -> u64| self.members.iter().map(bytes).sum::<u64>();
        let before = sum(|member| member.bytes_before);
        let after = sum(|member| member.bytes_after);
        let members = serde_json::to_string(&self.members).map_err(|error| {
            Error::permanent("bad-output", format!("the members are no JSON: {error}"))
        })?;
        let number = |bytes| Value::Integer(i64::try_from(bytes).unwrap_or(i64::MAX));
        outcome::output("bytes-before", &number(before))?;
        outcome::output("bytes-after", &number(after))?;
        outcome::output("bytes-freed", &number(before.saturating_sub(after)))?;
        outcome::output("compact-revision", &Value::Integer(self.compact_revision))?;
        outcome::output("members", &Value::Json(members))?;
        for member in &self.members {
            outcome::found(&tell::defragmented(member));
        }
        Ok(())
    }

    /// The error, and how far the run came before.
    pub fn so_far(&self, mut error: Error) -> Error {
        if !self.members.is_empty() {
            let names = self.members.iter().map(|member| member.name.as_str());
            let names: Vec<&str> = names.collect();
            error.message = format!(
                "{} (defragmented before: {})",
                error.message,
                names.join(", ")
            );
        }
        error
    }
}
