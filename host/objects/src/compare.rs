//! Which fields of two objects differ.

use serde_json::{Map, Value};

/// A field that is not the same in both.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldDifference {
    /// Names joined by dots, places in lists in brackets: `spec.containers[0].image`.
    pub field: String,
    /// None where only the second object has it.
    pub before: Option<Value>,
    /// None where only the first object has it.
    pub after: Option<Value>,
}

/// The fields that differ, in the order of their names. Who wrote which field is left out:
/// `metadata.managedFields` changes with every write.
#[must_use]
pub fn fields(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<FieldDifference> {
    let mut differences = Vec::new();
    maps(before, after, "", &mut differences);
    differences.retain(|difference| !difference.field.starts_with("metadata.managedFields"));
    differences
}

fn maps(
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    path: &str,
    differences: &mut Vec<FieldDifference>,
) {
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for name in names {
        let path = match path {
            "" => name.clone(),
            path => format!("{path}.{name}"),
        };
        values(before.get(name), after.get(name), path, differences);
    }
}

fn values(
    before: Option<&Value>,
    after: Option<&Value>,
    field: String,
    differences: &mut Vec<FieldDifference>,
) {
    match (before, after) {
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            maps(before, after, &field, differences);
        }
        (Some(Value::Array(before)), Some(Value::Array(after))) => {
            for at in 0..before.len().max(after.len()) {
                let field = format!("{field}[{at}]");
                values(before.get(at), after.get(at), field, differences);
            }
        }
        _ if before == after => {}
        _ => differences.push(FieldDifference {
            field,
            before: before.cloned(),
            after: after.cloned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_told_by_their_path() {
        let before = json!({"a": 1, "b": {"c": [1, {"d": 2}]}, "metadata": {"managedFields": [1]}});
        let after = json!({"b": {"c": [1, {"d": 3}, 4]}, "metadata": {"managedFields": [2]}});
        let (before, after) = (before.as_object().unwrap(), after.as_object().unwrap());
        let told: Vec<_> = fields(before, after)
            .into_iter()
            .map(|one| (one.field, one.before, one.after))
            .collect();
        let expected = [
            ("a".to_owned(), Some(json!(1)), None),
            ("b.c[1].d".to_owned(), Some(json!(2)), Some(json!(3))),
            ("b.c[2]".to_owned(), None, Some(json!(4))),
        ];
        assert_eq!(told, expected);
        assert!(fields(before, before).is_empty());
    }
}
