//! What came of a call, for people and for programs.

use drydock_api_types::plugin::PluginCall;
use drydock_core::{ErrorClass, Fault, Finding, Level, Value, human_bytes, plain};
use drydock_terminal::print::{self, Output};

use super::calls::is_failed;
use crate::{Exit, Outcome, findings};

/// Hex digits by which a digest is told from others.
const DIGEST_DIGITS: usize = 12;

/// Prints it, and ends as it ended.
pub fn print(output: Output, call: &PluginCall) -> Outcome {
    print::rows(output, call, &["WHAT", "NAME", "TEXT"], rows(call))?;
    Ok(exit_of(call))
}

fn exit_of(call: &PluginCall) -> Exit {
    let warned = |found: &Finding| found.level == Level::Warning;
    if is_failed(call) {
        Exit::Failed
    } else if !call.degraded.is_empty() || call.findings.iter().any(warned) {
        Exit::Degraded
    } else {
        Exit::Done
    }
}

fn rows(call: &PluginCall) -> Vec<Vec<String>> {
    let row = |what: &str, name: &str, text: String| vec![what.to_owned(), name.to_owned(), text];
    let mut rows = Vec::new();
    rows.extend(call.lines.iter().map(|line| row("plan", "-", line.clone())));
    for found in &call.findings {
        let text = format!("{}: {}", findings::level(found.level), found.message);
        rows.push(row("finding", &found.code, text));
    }
    rows.extend(
        call.degraded
            .iter()
            .map(|why| row("degraded", "-", why.clone())),
    );
    for (name, value) in &call.outputs {
        rows.push(row("output", name, value_text(value)));
    }
    rows.extend(call.kept.iter().map(|kept| row("kept", "-", kept.clone())));
    for made in &call.artifacts {
        let sensitivity = if made.secret { "secret" } else { "public" };
        let digest = made.sha256.get(..DIGEST_DIGITS).unwrap_or_default();
        let size = human_bytes(made.bytes);
        rows.push(row(
            "artifact",
            &made.name,
            format!("{size}, {sensitivity}, sha256:{digest}"),
        ));
    }
    if let Some(answer) = &call.answer {
        rows.push(row("answer", &call.export, answer.to_string()));
    }
    if let Some(fault) = &call.fault {
        rows.push(row("fault", fault.code.as_str(), fault_text(fault)));
    }
    rows.push(row("end", &call.end, "-".to_owned()));
    rows
}

fn fault_text(fault: &Fault) -> String {
    let again = match fault.class {
        ErrorClass::Transient | ErrorClass::Throttled => "a run tries again",
        _ => "a run ends",
    };
    let done = match fault.certainty {
        drydock_core::Certainty::NotDone => "nothing was done",
        drydock_core::Certainty::Unknown => "it may have been done",
    };
    format!("{} ({again}; {done})", fault.message)
}

fn value_text(value: &Value) -> String {
    let word = value.value_type().word();
    match value {
        Value::Text(text) => format!("{word} {}", plain(text, text.len())),
        Value::Integer(number) => format!("{word} {number}"),
        Value::Flag(flag) => format!("{word} {flag}"),
        Value::Bytes(bytes) => format!("{word} {}", hex::encode(bytes)),
        Value::Json(json) => format!("{word} {json}"),
    }
}
