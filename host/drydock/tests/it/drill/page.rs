//! The report as people get it: on the terminal, and as a page.

use std::path::PathBuf;

use super::kit::Node;

/// What a drill of the shared cluster prints, its figures replaced by `#`.
const GOLDEN: &str = include_str!("golden/drill.txt");

/// Every run of digits and of hex as `#`, every run of spaces as one.
fn plain(text: &str) -> String {
    let word = |word: &str| {
        let hex = word.len() >= 8 && word.chars().all(|c| c.is_ascii_hexdigit());
        if hex {
            return "#".to_owned();
        }
        let mut out = String::new();
        for character in word.chars() {
            if !character.is_ascii_digit() {
                out.push(character);
            } else if !out.ends_with('#') {
                out.push('#');
            }
        }
        out
    };
    let line = |line: &str| {
        let words: Vec<String> = line.split_whitespace().map(word).collect();
        words.join(" ")
    };
    let lines: Vec<String> = text.lines().map(line).collect();
    lines.join("\n") + "\n"
}

fn pages(folder: &str, node: &Node) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(node.world.scratch.join(folder)).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

#[test]
fn the_terminal_shows_every_check_and_every_phase() {
    let node = Node::new();
    let answer = node.drill(&[]).code(0);
    let told = plain(&answer.stdout);
    let name = plain(&node.point);
    let told = told
        .replace(name.trim_end(), "POINT")
        .replace("# min # s", "# s");
    assert!(told == GOLDEN, "the report changed; it is now:\n{told}");
    let marks = node.marks();
    assert!(
        answer.stderr.contains(&format!("mark: {}", marks[0])),
        "{}",
        answer.stderr
    );
}

#[test]
fn the_report_is_written_as_json_and_as_a_page_of_its_own() {
    let node = Node::new();
    let folder = node.world.path("printed");
    let answer = node
        .drill(&["--report", &folder, "--output", "json", "--no-mark"])
        .code(0);
    assert_eq!(node.marks(), Vec::<String>::new());
    let written = pages("printed", &node);
    let [html, json] = written.as_slice() else {
        panic!("{written:?}");
    };
    assert_eq!(std::fs::read_to_string(json).unwrap(), answer.stdout);
    let page = std::fs::read_to_string(html).unwrap();
    assert_well_formed(&page);
    let report: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
    for check in report["checks"].as_array().unwrap() {
        assert!(page.contains(check["name"].as_str().unwrap()));
    }
    assert!(page.contains("PASSED") && page.contains(&node.point));
    // Nothing is loaded from anywhere, and nothing runs.
    for word in ["http:", "https:", "src=", "<script", "url(", "@import"] {
        assert!(!page.contains(word), "{word}");
    }
    crate::daemon::kit::assert_no_secret(&node.world, &page);
    crate::daemon::kit::assert_no_secret(&node.world, &answer.stdout);
}

/// Every element that is opened is closed, in order, but for those that hold nothing.
fn assert_well_formed(page: &str) {
    let mut open = Vec::new();
    for piece in page.split('<').skip(1) {
        let (tag, _) = piece.split_once('>').unwrap();
        let name = tag.split_whitespace().next().unwrap();
        match name.strip_prefix('/') {
            _ if matches!(name, "!DOCTYPE" | "meta") => {}
            Some(closed) => assert_eq!(open.pop(), Some(closed), "{tag}"),
            None => open.push(name),
        }
    }
    assert_eq!(open, Vec::<&str>::new());
}
