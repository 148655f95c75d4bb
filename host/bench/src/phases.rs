//! The phases that a run of Drydock tells of in its log.

use serde_json::Value;

/// The fields of log lines that are phases, and what they are called here.
const FIELDS: [(&str, &str); 8] = [
    ("stream_ms", "stream"),
    ("tree_ms", "tree"),
    ("figures_ms", "figures"),
    ("members_ms", "HashKV of the members"),
    ("hash_ms", "HashKV of the snapshot"),
    ("sealing_ms", "sealing, after the stream"),
    ("complete_ms", "completing with read-back"),
    ("guest_ms", "CPU of the plugin's threads"),
];

/// The phases that the peers have nothing like: counted, and told apart.
pub const APART: [&str; 3] = [
    "HashKV of the members",
    "HashKV of the snapshot",
    "completing with read-back",
];

/// The phases in a log of JSON lines, in seconds.
pub fn read(log: &str) -> Vec<(String, f64)> {
    let lines: Vec<Value> = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let total = |field: &str| {
        let told: Vec<f64> = lines
            .iter()
            .filter_map(|line| line.get(field)?.as_f64())
            .collect();
        (!told.is_empty()).then(|| told.iter().sum::<f64>() / 1000.0)
    };
    let named = FIELDS.into_iter();
    named
        .filter_map(|(field, name)| Some((name.to_owned(), total(field)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_are_read_from_json_lines_and_other_lines_are_passed_over() {
        let log =
            "no json\n{\"stream_ms\":1500,\"x\":1}\n{\"complete_ms\":250}\n{\"complete_ms\":250}";
        let expected = [
            ("stream".to_owned(), 1.5),
            ("completing with read-back".to_owned(), 0.5),
        ];
        assert_eq!(read(log), expected);
    }
}
