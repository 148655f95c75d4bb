//! How an attempt ended, and what an operator is told of it.

use drydock_capability_artifact::Work;
use drydock_core::{Certainty, ErrorClass, ErrorCode, Fault, plain};
use wasmtime::{Trap, WasmBacktrace};
use wasmtime_wasi::{I32Exit, ResourceTableError};

use crate::engine::STACK_BYTES_MAX;
use crate::limits::{LimitHit, Limits};
use crate::log::AttemptLog;
use crate::world::{Answer, WitError};

/// Longest part of a fault's message that is the guest's own words.
const LAST_WORDS_BYTES_MAX: usize = 1000;

/// Longest name of a function in a frame; generic code has longer ones that say no more.
const FRAME_BYTES_MAX: usize = 200;

/// What the Rust runtime says behind a panic, which helps nobody here: a guest has no
/// environment.
const ADVICE: &str = "note: run with `RUST_BACKTRACE";

/// Longest error of the engine's that is shown.
const ERROR_BYTES_MAX: usize = 1000;

/// How wasmtime says that a store has no room for one more handle, or that a call hands
/// over too much. Both errors have no type of their own.
const HANDLES_WORDS: &str = "store handle limit exceeded";
const HOSTCALL_WORDS: &str = "fuel allocated for hostcalls has been exhausted";

/// How an attempt ended.
pub(super) enum End<T> {
    Returned(Result<T, WitError>),
    Failed(wasmtime::Error),
    HostPanicked,
    /// One that is watched from outside: time.
    Limit(LimitHit),
    /// It went on for too long after it was asked to stop, for this reason.
    Overstayed(Fault),
}

/// What was seen of the attempt from outside.
pub(super) struct Witness<'a> {
    /// The plugin's name.
    pub plugin: &'a str,
    pub limits: &'a Limits,
    /// Why it was asked to stop, if it was.
    pub stop: Option<&'a Fault>,
    pub work: &'a Work,
}

impl<T> End<T> {
    pub fn of(returned: Answer<T>) -> Self {
        match returned {
            Ok(value) => Self::Returned(value),
            Err(error) => Self::Failed(error),
        }
    }

    /// The value, or the fault. Where the guest was goes into its log as well.
    pub fn judge(self, witness: &Witness<'_>, log: &mut AttemptLog) -> Result<T, Fault> {
        let certainty = self.certainty(witness.work);
        let Witness {
            plugin,
            limits,
            stop,
            ..
        } = *witness;
        let result = self.result(plugin, limits, stop, log);
        result.map_err(|fault| fault.with_certainty(certainty))
    }

    /// The one place that says of a plugin's call that it surely did nothing: where the
    /// plugin itself returned, and either asked for no change at all, or says so and every
    /// change that it asked for was answered. Whoever it was that ended it in any other way,
    /// it may have done before what it was asked to do. What a caller makes of the answer
    /// afterwards is of unknown certainty too, as is every fault of which nobody says
    /// otherwise.
    fn certainty(&self, work: &Work) -> Certainty {
        let Self::Returned(Err(error)) = self else {
            return Certainty::Unknown;
        };
        let told = Certainty::from(error.certainty) == Certainty::NotDone;
        if work.wrote_nothing() || (told && work.all_answered()) {
            Certainty::NotDone
        } else {
            Certainty::Unknown
        }
    }

    /// Of a guest that was asked to stop and ran into a limit since, the reason to stop is
    /// told and no limit to raise.
    fn result(
        self,
        plugin: &str,
        limits: &Limits,
        stop: Option<&Fault>,
        log: &mut AttemptLog,
    ) -> Result<T, Fault> {
        if let (Some(reason), Some(hit)) = (stop, self.limit_hit(limits)) {
            return Err(stopped(plugin, &hit.told(), reason));
        }
        Err(match self {
            Self::Returned(Ok(value)) => return Ok(value),
            Self::Returned(Err(error)) => error.into(),
            Self::Failed(error) => {
                let fault = failed(&error, plugin, limits, log);
                with_frames(fault, &error, log)
            }
            Self::HostPanicked => Fault::permanent(
                ErrorCode::HostFailed,
                format!(
                    "the host failed while plugin {plugin} ran: please report it with the daemon's log"
                ),
            ),
            Self::Limit(hit) => hit.fault(plugin),
            Self::Overstayed(reason) => {
                let grace = limits.stop_grace_max.as_secs_f64();
                stopped(plugin, &format!("did not within {grace} s"), &reason)
            }
        })
    }

    /// The limit that ended it, if one did.
    fn limit_hit(&self, limits: &Limits) -> Option<LimitHit> {
        match self {
            Self::Limit(hit) => Some(*hit),
            Self::Failed(error) => limit_hit(error, limits),
            Self::Returned(_) | Self::HostPanicked | Self::Overstayed(_) => None,
        }
    }
}

/// The end of a guest that was asked to stop.
fn stopped(plugin: &str, how: &str, reason: &Fault) -> Fault {
    let code = match reason.class {
        ErrorClass::Cancelled => reason.code.clone(),
        _ => ErrorCode::Cancelled,
    };
    Fault::new(
        ErrorClass::Cancelled,
        code,
        format!(
            "plugin {plugin} was asked to stop, {how}, and was ended: {}",
            reason.message
        ),
    )
}

/// The fault for a guest that did not return: which limit it hit, or its last words.
fn failed(error: &wasmtime::Error, plugin: &str, limits: &Limits, log: &AttemptLog) -> Fault {
    if let Some(hit) = limit_hit(error, limits) {
        return hit.fault(plugin);
    }
    if let Some(I32Exit(status)) = error.downcast_ref() {
        return with_last_words(
            Fault::transient(
                ErrorCode::PluginExited,
                format!("plugin {plugin} ended itself with status {status} instead of returning"),
            ),
            log,
        );
    }
    let fault = match error.downcast_ref::<Trap>() {
        Some(trap) => Fault::transient(
            ErrorCode::PluginTrapped,
            format!("plugin {plugin} broke off ({trap})"),
        ),
        None => Fault::transient(
            ErrorCode::PluginFailed,
            format!(
                "plugin {plugin} did what no plugin may ({}) and was ended: ask its author",
                plain(&causes(error), ERROR_BYTES_MAX)
            ),
        ),
    };
    with_last_words(fault, log)
}

/// The limit behind an error, if there is one.
fn limit_hit(error: &wasmtime::Error, limits: &Limits) -> Option<LimitHit> {
    if let Some(hit) = error.downcast_ref::<LimitHit>() {
        return Some(*hit);
    }
    if let Some(Trap::StackOverflow) = error.downcast_ref() {
        let limit = STACK_BYTES_MAX;
        return Some(LimitHit::Stack { limit });
    }
    let table_is_full = matches!(error.downcast_ref(), Some(ResourceTableError::Full));
    let causes = causes(error);
    if table_is_full || causes.contains(HANDLES_WORDS) {
        let limit = limits.handles_max;
        return Some(LimitHit::Handles { limit });
    }
    let limit = limits.hostcall_bytes_max();
    causes
        .contains(HOSTCALL_WORDS)
        .then_some(LimitHit::Argument { limit })
}

/// An error and what is behind it, without the backtrace.
fn causes(error: &wasmtime::Error) -> String {
    let causes = error
        .chain()
        .map(ToString::to_string)
        .filter(|text| !text.starts_with("error while executing at wasm backtrace"));
    causes.collect::<Vec<_>>().join(": ")
}

fn with_last_words(mut fault: Fault, log: &AttemptLog) -> Fault {
    if log.last_words.is_empty() {
        return fault;
    }
    let words: Vec<&str> = log
        .last_words
        .iter()
        .map(String::as_str)
        .filter(|line| !line.starts_with(ADVICE))
        .collect();
    let words = plain(&words.join(" "), LAST_WORDS_BYTES_MAX);
    fault.message = format!("{}: {words}", fault.message);
    fault.with_detail("stderr", words)
}

/// Adds where the guest was, innermost first: functions, as far as the component names
/// them. Source files are those of whoever built it, and help nobody here.
fn with_frames(fault: Fault, error: &wasmtime::Error, log: &mut AttemptLog) -> Fault {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else {
        return fault;
    };
    let frames = frames(&backtrace.to_string());
    if frames.is_empty() {
        return fault;
    }
    for frame in &frames {
        log.remark(format!("at {frame}"));
    }
    fault.with_detail("frames", frames.join("; "))
}

/// The functions in a backtrace as wasmtime writes it: `  0:  0x2b - name.wasm!function`.
fn frames(backtrace: &str) -> Vec<String> {
    let function = |line: &str| {
        let (number, rest) = line.trim_start().split_once(':')?;
        number.parse::<u32>().ok()?;
        let name = rest.split_once(" - ").map_or(rest, |(_, name)| name);
        Some(plain(&without_hashes(name.trim()), FRAME_BYTES_MAX))
    };
    backtrace.lines().filter_map(function).collect()
}

/// The name without the hashes by which Rust tells crates and instances of one name apart:
/// `std[390ecf3ee8bcda14]::abort`, `run::hda7304ed784024b8`.
fn without_hashes(name: &str) -> String {
    let is_hash = |text: &str| text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let name = match name.rsplit_once("::h") {
        Some((name, hash)) if is_hash(hash) => name,
        _ => name,
    };
    let mut bare = String::with_capacity(name.len());
    let mut rest = name;
    while let Some((before, after)) = rest.split_once('[') {
        bare.push_str(before);
        rest = match after.split_once(']') {
            Some((hash, after)) if is_hash(hash) => after,
            _ => {
                bare.push('[');
                after
            }
        };
    }
    bare + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(end: End<()>) -> Fault {
        judged_after(end, &Work::default(), None)
    }

    fn judged_after(end: End<()>, work: &Work, stop: Option<&Fault>) -> Fault {
        let witness = Witness {
            plugin: "p",
            limits: &Limits::default(),
            stop,
            work,
        };
        end.judge(&witness, &mut AttemptLog::default()).unwrap_err()
    }

    /// The next one does not compile before it is in the walk.
    #[test]
    fn no_limit_says_that_nothing_was_done() {
        let mut hits = 0;
        let mut hit = Some(LimitHit::FIRST);
        while let Some(now) = hit {
            let fault = judged(End::Failed(wasmtime::Error::new(now)));
            assert_eq!(fault.certainty, Certainty::Unknown, "{fault:?}");
            assert_eq!(fault.code.as_str(), now.to_string());
            assert_eq!(now.fault("p").certainty, Certainty::Unknown, "{now}");
            hits += 1;
            hit = now.next();
        }
        assert_eq!(hits, 11);
    }

    #[test]
    fn whatever_else_ends_a_guest_leaves_open_what_it_did() {
        let failed = |error: wasmtime::Error| End::Failed(error);
        for end in [
            End::HostPanicked,
            End::Limit(LimitHit::FIRST),
            End::Overstayed(Fault::permanent(ErrorCode::of("x"), "y").not_done()),
            failed(Trap::StackOverflow.into()),
            failed(Trap::UnreachableCodeReached.into()),
            failed(I32Exit(1).into()),
            failed(ResourceTableError::Full.into()),
            failed(wasmtime::Error::msg(HANDLES_WORDS)),
            failed(wasmtime::Error::msg(HOSTCALL_WORDS)),
            failed(wasmtime::Error::msg("anything else")),
        ] {
            let fault = judged(end);
            assert_eq!(fault.certainty, Certainty::Unknown, "{fault:?}");
        }
    }

    #[test]
    fn whoever_was_asked_to_stop_leaves_open_what_it_did() {
        let reason = Fault::permanent(ErrorCode::of("x"), "y").not_done();
        let mut hit = Some(LimitHit::FIRST);
        while let Some(now) = hit {
            let end: End<()> = End::Failed(wasmtime::Error::new(now));
            let fault = judged_after(end, &Work::default(), Some(&reason));
            assert_eq!(fault.certainty, Certainty::Unknown, "{fault:?}");
            assert_eq!(fault.class, ErrorClass::Cancelled, "{fault:?}");
            hit = now.next();
        }
    }

    #[test]
    fn a_plugin_is_believed_where_the_host_saw_no_change_that_was_not_answered() {
        let told = |certainty| {
            let fault = Fault::transient(ErrorCode::of("x"), "y").with_certainty(certainty);
            End::Returned(Err(fault.into()))
        };
        let (not_done, unknown) = (Certainty::NotDone, Certainty::Unknown);
        let work = Work::default();
        assert_eq!(judged_after(told(unknown), &work, None).certainty, not_done);
        work.writes().answered();
        assert_eq!(judged_after(told(unknown), &work, None).certainty, unknown);
        assert_eq!(
            judged_after(told(not_done), &work, None).certainty,
            not_done
        );
        drop(work.writes());
        assert_eq!(judged_after(told(not_done), &work, None).certainty, unknown);
    }

    #[test]
    fn names_lose_their_hashes_and_nothing_else() {
        let table = [
            (
                "std[390ecf3ee8bcda14]::sys[b1da763420d39311]::f",
                "std::sys::f",
            ),
            (
                "<a::B as c::D>::run::hda7304ed784024b8",
                "<a::B as c::D>::run",
            ),
            ("<[u8; 4]>::map[x", "<[u8; 4]>::map[x"),
            ("help::hello", "help::hello"),
        ];
        for (name, expected) in table {
            assert_eq!(without_hashes(name), expected);
        }
    }

    #[test]
    fn frames_are_names_and_nothing_else() {
        let text = "error while executing at wasm backtrace:\n    0:   0x2b - probe.wasm!probe::deeper\n    1:   0x30 - <unknown>!<wasm function 7>\n                    at /home/author/src/lib.rs:3:9\n    2: evil\u{1b}[31m.wasm!x\nnote: using the";
        assert_eq!(
            frames(text),
            [
                "probe.wasm!probe::deeper",
                "<unknown>!<wasm function 7>",
                "evil.wasm!x"
            ]
        );
    }
}
