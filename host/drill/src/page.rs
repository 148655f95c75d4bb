//! A report as one page of HTML: nothing is loaded from anywhere, no script, and it prints
//! well in black and white. Everything that comes from outside is escaped.

use std::fmt::Write as _;

use drydock_api_types::drill::{Check, DrillReport, Timed, Verdict};
use drydock_core::human_bytes;

use super::report::title;

/// Colours mean nothing that a word does not say as well.
const STYLE: &str = "\
body{font:15px/1.45 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1b1b;background:#fff}\
h1{font-size:1.5rem;margin:0 0 .2rem}h2{font-size:1.1rem;margin:2rem 0 .5rem}\
.verdict{display:inline-block;padding:.2rem .7rem;border:2px solid;border-radius:.3rem;font-weight:700}\
.pass{color:#176b34}.fail{color:#a11212}.skipped{color:#666}\
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.25rem .6rem .25rem 0;border-bottom:1px solid #ddd;vertical-align:top;overflow-wrap:anywhere}\
th{font-weight:600}#checks td:last-child,#checks th:last-child{white-space:nowrap}td.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}\
.bar{height:.7rem;background:#4a6fa5;min-width:1px}td.wide{width:45%}\
.figures{display:flex;gap:2.5rem;flex-wrap:wrap;margin:1rem 0}.figures div b{display:block;font-size:1.4rem}\
code{font-family:ui-monospace,monospace;font-size:.9em}footer{margin-top:2rem;color:#555;font-size:.85rem}\
@media print{body{margin:0;max-width:none}tr{break-inside:avoid}.bar{print-color-adjust:exact}}";

/// The page.
pub fn html(report: &DrillReport) -> String {
    let heading = format!("Drill of {}", report.recovery_point);
    let title = escaped(&heading);
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
    );
    head(report, &mut page);
    identity(report, &mut page);
    phases(report, &mut page);
    checks(report, &mut page);
    let _ = write!(
        page,
        "<footer>Made by drydock {} on node {} with etcd {}. The time to recover is what this machine took from the first byte fetched to members that all have a leader; stopping the old cluster, and people, are not in it.</footer>\n</body>\n</html>\n",
        escaped(&report.drydock_version),
        escaped(&report.node),
        escaped(&report.etcd_version),
    );
    page
}

fn head(report: &DrillReport, page: &mut String) {
    let (class, word) = match report.verdict {
        Verdict::Pass => ("pass", "PASSED"),
        Verdict::Fail => ("fail", "FAILED"),
        Verdict::Skipped => ("skipped", "SKIPPED"),
    };
    let recovery = report
        .recovery_milliseconds
        .map_or_else(|| "not reached".to_owned(), seconds);
    let _ = write!(
        page,
        "<p><span class=\"verdict {class}\">{word}</span></p>\n{reason}<div class=\"figures\"><div><b id=\"rto\">{recovery}</b>time to recover (RTO)</div><div><b id=\"rpo\">{age}</b>age of the data (RPO)</div><div><b>{bytes}</b>of data</div></div>\n",
        reason = report
            .reason
            .as_ref()
            .map_or_else(String::new, |reason| format!(
                "<p class=\"{class}\">{}</p>\n",
                escaped(reason)
            )),
        age = drydock_core::span(report.data_age_seconds),
        bytes = human_bytes(report.data_bytes),
    );
}

fn identity(report: &DrillReport, page: &mut String) {
    let rows = [
        ("Cluster", report.cluster.as_str()),
        ("Recovery point", report.recovery_point.as_str()),
        ("Target", report.target.as_str()),
        ("Signed by key", report.signer.as_str()),
        ("SHA-256 of the manifest", report.manifest_sha256.as_str()),
    ];
    page.push_str("<table>\n");
    for (name, value) in rows {
        let _ = writeln!(
            page,
            "<tr><th>{name}</th><td><code>{}</code></td></tr>",
            escaped(value)
        );
    }
    let instants = [
        ("Data taken", report.data_taken),
        ("Drilled", report.started),
    ];
    for (name, at) in instants {
        let _ = writeln!(page, "<tr><th>{name}</th><td><code>{at}</code></td></tr>");
    }
    page.push_str("</table>\n");
}

fn phases(report: &DrillReport, page: &mut String) {
    let longest = report.phases.iter().map(|timed| timed.milliseconds).max();
    page.push_str("<h2>Where the time went</h2>\n<table id=\"phases\">\n");
    for timed in &report.phases {
        let Timed {
            phase,
            milliseconds,
        } = timed;
        let percent = milliseconds.saturating_mul(100) / longest.unwrap_or(1).max(1);
        let _ = writeln!(
            page,
            "<tr><th>{}</th><td class=\"number\">{}</td><td class=\"wide\"><div class=\"bar\" style=\"width:{percent}%\"></div></td></tr>",
            title(*phase),
            seconds(*milliseconds),
        );
    }
    page.push_str("</table>\n");
}

fn checks(report: &DrillReport, page: &mut String) {
    page.push_str("<h2>What was compared</h2>\n<table id=\"checks\">\n<tr><th>Check</th><th>Expected</th><th>Found</th><th>Verdict</th></tr>\n");
    for check in &report.checks {
        let Check {
            name,
            expected,
            found,
            verdict,
        } = check;
        let word = verdict.word();
        let _ = writeln!(
            page,
            "<tr><td>{}</td><td><code>{}</code></td><td><code>{}</code></td><td class=\"{word}\">{word}</td></tr>",
            escaped(name),
            escaped(expected),
            escaped(found),
        );
    }
    page.push_str("</table>\n");
}

/// Milliseconds as seconds with two digits, e.g. `4.21 s`.
pub fn seconds(milliseconds: u64) -> String {
    format!("{}.{:02} s", milliseconds / 1000, milliseconds % 1000 / 10)
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other if other.is_control() => out.push(char::REPLACEMENT_CHARACTER),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_becomes_markup() {
        assert_eq!(
            escaped("<img src=x onerror='a(\"b\")'>&\u{1b}"),
            "&lt;img src=x onerror=&#39;a(&quot;b&quot;)&#39;&gt;&amp;\u{fffd}"
        );
    }

    #[test]
    fn times_read_well() {
        assert_eq!(seconds(4_217), "4.21 s");
        assert_eq!(seconds(9), "0.00 s");
    }
}
