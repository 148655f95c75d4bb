//! What golden files hold of what a command said: no log, and a placeholder for whatever
//! differs from run to run.

/// What stands in a golden file instead of something that differs from run to run.
type Rule = fn(&str) -> Option<(usize, &'static str)>;

const RULES: [Rule; 8] = [
    instant,
    run_stamp,
    local_stamp,
    by_hand,
    sha256,
    key_id,
    port,
    recipient,
];

/// The lines that do not begin with an instant, as every log line does.
pub fn without_log(stderr: &str) -> String {
    stderr
        .lines()
        // What to do next is told with instants and commands, and has tests of its own.
        .filter(|line| instant(line).is_none() && !line.starts_with("Next: "))
        .map(|line| format!("{line}\n"))
        .collect()
}

/// Digests, ids, instants and ports by their placeholders.
pub fn with_placeholders(text: &str, hides_numbers: bool) -> String {
    let mut told = String::new();
    let mut rest = text;
    let mut before = ' ';
    while let Some(next) = rest.chars().next() {
        let at_word = !before.is_ascii_alphanumeric();
        let number = || hides_numbers.then(|| long_number(rest)).flatten();
        let found = RULES.iter().find_map(|rule| rule(rest)).or_else(number);
        match found.filter(|_| at_word) {
            Some((length, placeholder)) => {
                told.push_str(placeholder);
                before = rest[..length].chars().next_back().unwrap();
                rest = &rest[length..];
            }
            None => {
                told.push(next);
                before = next;
                rest = &rest[next.len_utf8()..];
            }
        }
    }
    told
}

/// Whether text begins like `pattern`, in which `0` stands for a digit.
fn like(text: &str, pattern: &str) -> bool {
    text.len() >= pattern.len()
        && text.bytes().zip(pattern.bytes()).all(|(byte, wanted)| {
            if wanted == b'0' {
                byte.is_ascii_digit()
            } else {
                byte == wanted
            }
        })
}

fn span(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

fn instant(text: &str) -> Option<(usize, &'static str)> {
    let pattern = "0000-00-00T00:00:00";
    if !like(text, pattern) {
        return None;
    }
    let fraction = span(&text[pattern.len()..], |c| c.is_ascii_digit() || c == '.');
    let end = pattern.len() + fraction;
    text[end..]
        .starts_with('Z')
        .then_some((end + 1, "<instant>"))
}

/// The instant in a run's id.
fn run_stamp(text: &str) -> Option<(usize, &'static str)> {
    like(text, "00000000T000000Z").then_some((16, "<instant>"))
}

/// The instant in the name that a member gives its snapshot.
fn local_stamp(text: &str) -> Option<(usize, &'static str)> {
    like(text, "00000000_000000").then_some((15, "<instant>"))
}

/// The end of the id of a run by hand.
fn by_hand(text: &str) -> Option<(usize, &'static str)> {
    let hex = text.strip_prefix('m')?;
    (span(hex, |c| c.is_ascii_alphanumeric()) == 8 && span(hex, |c| c.is_ascii_hexdigit()) == 8)
        .then_some((9, "<by-hand>"))
}

fn sha256(text: &str) -> Option<(usize, &'static str)> {
    (span(text, |c| c.is_ascii_hexdigit()) == 64).then_some((64, "<sha256>"))
}

/// Ids of keys, of members and of uploads, and the digests in names of objects.
fn key_id(text: &str) -> Option<(usize, &'static str)> {
    let digits = span(text, |c| c.is_ascii_hexdigit());
    matches!(digits, 16 | 32).then_some((digits, "<id>"))
}

fn port(text: &str) -> Option<(usize, &'static str)> {
    let host = "127.0.0.1:";
    let digits = span(text.strip_prefix(host)?, |c| c.is_ascii_digit());
    // A port of a test's own is a long one; those that cases write stay as they are.
    (digits >= 4).then_some((host.len() + digits, "127.0.0.1:<port>"))
}

fn recipient(text: &str) -> Option<(usize, &'static str)> {
    let length = span(text, |c| c.is_ascii_alphanumeric());
    (text.starts_with("age1") && length > 50).then_some((length, "<recipient>"))
}

fn long_number(text: &str) -> Option<(usize, &'static str)> {
    let digits = span(text, |c| c.is_ascii_digit());
    (digits >= 4).then_some((digits, "<number>"))
}

#[test]
fn placeholders_stand_for_what_differs() {
    let digest = "ab".repeat(32);
    let text = format!(
        "etcd_20261121_075824.db of s1.20261121T075824Z.m1a2b3c4d at 2026-11-21T07:58:24.5Z, sha256:{digest}, https://127.0.0.1:40123, key 0123456789ABCDEF, 12345 bytes, member"
    );
    assert_eq!(
        with_placeholders(&text, false),
        "etcd_<instant>.db of s1.<instant>.<by-hand> at <instant>, sha256:<sha256>, https://127.0.0.1:<port>, key <id>, 12345 bytes, member"
    );
    assert!(with_placeholders(&text, true).contains("<number> bytes"));
    let stderr = "2026-11-21T07:58:24.123456Z DEBUG loud\nerror: one\n";
    assert_eq!(without_log(stderr), "error: one\n");
}
