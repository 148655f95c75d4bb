//! Values on the command line: JSON where it is JSON, `@FILE` for bytes, text otherwise.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use drydock_core::{FactValue, Facts, Value, reason};

use super::pair;
use crate::Failure;

/// The inputs by their names.
pub fn inputs(words: &[String]) -> Result<BTreeMap<String, Value>, Failure> {
    let pairs = words.iter().map(|word| {
        let (name, text) = pair("--input", word)?;
        Ok((name.to_owned(), value(text)?))
    });
    pairs.collect()
}

/// Adds the facts.
pub fn add_facts(words: &[String], facts: &mut Facts) -> Result<(), Failure> {
    for word in words {
        let (name, text) = pair("--fact", word)?;
        facts.set(name, fact(value(text)?));
    }
    Ok(())
}

fn fact(value: Value) -> FactValue {
    match value {
        Value::Text(text) => FactValue::Text(text),
        Value::Flag(flag) => FactValue::Flag(flag),
        Value::Bytes(bytes) => FactValue::Bytes(bytes),
        Value::Json(json) => FactValue::Text(json.to_string()),
        Value::Integer(number) => match u64::try_from(number) {
            Ok(number) => FactValue::Unsigned(number),
            Err(_) => FactValue::Signed(number),
        },
    }
}

fn value(text: &str) -> Result<Value, Failure> {
    if let Some(file) = text.strip_prefix('@') {
        return Ok(Value::Bytes(bytes_of(Path::new(file))?));
    }
    let Ok(json) = serde_json::from_str::<serde_json::Value>(text) else {
        return Ok(Value::Text(text.to_owned()));
    };
    Ok(match json {
        serde_json::Value::String(text) => Value::Text(text),
        serde_json::Value::Bool(flag) => Value::Flag(flag),
        other => match other.as_i64() {
            Some(number) => Value::Integer(number),
            None => Value::Json(other),
        },
    })
}

/// The value as it was written, for what takes words alone: a handle may look like a number.
pub fn word_of(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Flag(flag) => Some(flag.to_string()),
        Value::Json(json) => Some(json.to_string()),
        Value::Bytes(bytes) => String::from_utf8(bytes.clone()).ok(),
    }
}

/// The text of a flag, which may be in a file.
pub fn text_or_file(text: &str) -> Result<String, Failure> {
    let Some(file) = text.strip_prefix('@') else {
        return Ok(text.to_owned());
    };
    text_of(Path::new(file))
}

pub fn text_of(file: &Path) -> Result<String, Failure> {
    let bytes = bytes_of(file)?;
    let no_text = |_| Failure::usage(format!("{} is no text", file.display()));
    String::from_utf8(bytes).map_err(no_text)
}

pub fn bytes_of(file: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(file).map_err(|error| {
        Failure::usage(format!(
            "{} cannot be read: {}",
            file.display(),
            reason(&error)
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_json_is_that_and_the_rest_is_text() {
        let words = ["n=-7", "f=true", "t=plain", "q=\"7\"", "j={\"a\":1}", "e="];
        let found = inputs(&words.map(str::to_owned)).unwrap();
        let expected = [
            ("n", Value::Integer(-7)),
            ("f", Value::Flag(true)),
            ("t", Value::Text("plain".to_owned())),
            ("q", Value::Text("7".to_owned())),
            ("j", Value::Json(serde_json::json!({"a": 1}))),
            ("e", Value::Text(String::new())),
        ];
        for (name, value) in expected {
            assert_eq!(found[name], value, "{name}");
        }
        assert!(inputs(&["x".to_owned()]).is_err());
        assert!(inputs(&["=x".to_owned()]).is_err());
        assert!(inputs(&["b=@/nonexistent".to_owned()]).is_err());
    }
}
