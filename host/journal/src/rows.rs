//! Reading rows: gathering them, and making values of the words that columns hold.

use std::error::Error;

use rusqlite::types::Type;
use rusqlite::{Connection, Row};

/// Runs a query and gathers its rows.
pub fn collect<T>(
    connection: &Connection,
    sql: &str,
    values: &[&dyn rusqlite::ToSql],
    row: fn(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    connection
        .prepare_cached(sql)?
        .query_map(values, row)?
        .collect()
}

/// The value that a column's word stands for.
pub fn word<T>(row: &Row<'_>, column: &str, of: fn(&str) -> Option<T>) -> rusqlite::Result<T> {
    known(&row.get::<_, String>(column)?, column, of)
}

/// The same of a column that may be null.
pub fn optional_word<T>(
    row: &Row<'_>,
    column: &str,
    of: fn(&str) -> Option<T>,
) -> rusqlite::Result<Option<T>> {
    let word: Option<String> = row.get(column)?;
    word.map(|word| known(&word, column, of)).transpose()
}

/// What stands in a column cannot be made sense of.
pub fn unreadable(why: impl Into<Box<dyn Error + Send + Sync>>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Text, why.into())
}

fn known<T>(word: &str, column: &str, of: fn(&str) -> Option<T>) -> rusqlite::Result<T> {
    of(word).ok_or_else(|| unreadable(format!("{word:?} is no {column} that is known")))
}
