//! JSON values as YAML, in blocks, for people.
//!
//! A text that YAML could take for something else is written in double quotes as in JSON,
//! which is YAML as well (YAML 1.2, chapter 5.7).

use std::fmt::Write as _;

use serde_json::Value;

/// The value as a YAML document, with a newline at its end.
#[must_use]
pub fn to_yaml(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Object(object) if !object.is_empty() => write(value, 0, &mut text),
        Value::Array(array) if !array.is_empty() => write(value, 0, &mut text),
        scalar => {
            text.push_str(&inline(scalar));
            text.push('\n');
        }
    }
    text
}

fn write(value: &Value, indent: usize, text: &mut String) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                entry(&format!("{}:", quoted(name)), value, indent, 2, text);
            }
        }
        Value::Array(array) => {
            for value in array {
                entry("-", value, indent, 2, text);
            }
        }
        _ => {}
    }
}

/// A name or a dash, and the value beside or below it.
fn entry(head: &str, value: &Value, indent: usize, step: usize, text: &mut String) {
    let is_block = match value {
        Value::Object(object) => !object.is_empty(),
        Value::Array(array) => !array.is_empty(),
        _ => false,
    };
    let pad = " ".repeat(indent);
    if !is_block {
        writeln!(text, "{pad}{head} {}", inline(value)).expect("a String takes everything");
        return;
    }
    if head != "-" {
        // As kubectl does, elements stand below the name without further indentation.
        let inner = if value.is_array() { 0 } else { step };
        writeln!(text, "{pad}{head}").expect("a String takes everything");
        return write(value, indent + inner, text);
    }
    let mut below = String::new();
    write(value, indent + step, &mut below);
    // The first line of the element stands behind the dash.
    let first = below.get(indent + step..).unwrap_or_default();
    write!(text, "{pad}- {first}").expect("a String takes everything");
}

fn inline(value: &Value) -> String {
    match value {
        Value::String(string) => quoted(string),
        other => other.to_string(),
    }
}

/// Plain where it can only be a text.
fn quoted(string: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    let begins = string.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let reserved = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let is_reserved = reserved.contains(&string.to_ascii_lowercase().as_str());
    if begins && string.chars().all(is_word) && !is_reserved {
        return string.to_owned();
    }
    Value::from(string).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_is_written_in_blocks() {
        let value = json!({
            "kind": "Pod", "empty": {}, "none": null, "list": [],
            "metadata": {"labels": {"a/b": "true", "n": "1"}, "names": ["x", {"y": 1, "z": [2]}]},
            "text": "two\nlines",
        });
        let text = "empty: {}\nkind: Pod\nlist: []\nmetadata:\n  labels:\n    a/b: \"true\"\n    \"n\": \"1\"\n  names:\n  - x\n  - \"y\": 1\n    z:\n    - 2\nnone: null\ntext: \"two\\nlines\"\n";
        assert_eq!(to_yaml(&value), text);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let nested = json!([[1, [2, {"a": []}]], {"b": [[]]}, "-", "a: b", "#", "~", " x", "é", "1e3", "0x1", "*a"]);
        for value in [
            nested,
            json!({}),
            json!("x"),
            json!({"": "", "k:": [null, true, -1.5]}),
        ] {
            let read: Value = serde_saphyr::from_str(&to_yaml(&value)).unwrap();
            assert_eq!(read, value, "{}", to_yaml(&value));
        }
    }
}
