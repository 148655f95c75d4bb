//! Reading rows: gathering them, and making values of the words that columns hold.

use rusqlite::types::Type;
use rusqlite::{Connection, Error, Row};

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
pub fn unreadable(why: String) -> Error {
    Error::FromSqlConversionFailure(0, Type::Text, why.into())
}

/// What a row held that no value can be made of; none where the database itself failed.
pub fn what_is_unreadable(error: &Error) -> Option<String> {
    match error {
        Error::FromSqlConversionFailure(_, _, why) => Some(why.to_string()),
        Error::InvalidColumnType(..) | Error::IntegralValueOutOfRange(..) => {
            Some(error.to_string())
        }
        _ => None,
    }
}

fn known<T>(word: &str, column: &str, of: fn(&str) -> Option<T>) -> rusqlite::Result<T> {
    of(word).ok_or_else(|| unreadable(format!("{word:?} is no {column} that is known")))
}
