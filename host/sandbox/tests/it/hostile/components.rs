//! Components that are wrong themselves: what they import and export, what they say of
//! themselves, what happens before the first call. Each is made at test time, out of a
//! good one where it has to be.

use std::fmt::Write as _;
use std::sync::Arc;

use drydock_capability_artifact::Slice;
use drydock_core::{Facts, Fault, Grants};
use drydock_sandbox::{Admission, JudgeCall, MANIFEST_BYTES_MAX, Plugin, Sandbox};

use super::bytes::{self, COMPONENT, core};
use super::sentences::{assert_fit, assert_told};
use crate::call;
use crate::torture::company::{built, limits};

/// Modules that stand in a component of ours before one that is put behind it.
const MODULES_OF_OURS: usize = 4;

/// A component that is wrong, or that does harm before it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    ImportsSockets,
    ImportsHttp,
    ImportsThreads,
    ImportsNewerWasi,
    ImportsNewerMinor,
    ImportsNewerPatch,
    ImportsUnknownInterface,
    ImportsTargetAsJudge,
    ImportsEscapeCodes,
    ExportsNothing,
    ExportsWrongType,
    ExportsNewerMinor,
    ManifestTwice,
    ManifestHuge,
    ManifestDeep,
    ManifestNoText,
    ManifestOfAnotherWorld,
    ManifestUnknownRequest,
    ManifestEscapeCodes,
    ManifestTruncated,
    OtherSectionHuge,
    TableBomb,
    MemoryBomb,
    InstanceBomb,
    StartLoops,
    StartTraps,
    StartRecurses,
    SharedMemory,
    WideMemory,
    SectionPastTheEnd,
    SectionsWithoutEnd,
}

const ALL: [Wrong; 31] = [
    Wrong::ImportsSockets,
    Wrong::ImportsHttp,
    Wrong::ImportsThreads,
    Wrong::ImportsNewerWasi,
    Wrong::ImportsNewerMinor,
    Wrong::ImportsNewerPatch,
    Wrong::ImportsUnknownInterface,
    Wrong::ImportsTargetAsJudge,
    Wrong::ImportsEscapeCodes,
    Wrong::ExportsNothing,
    Wrong::ExportsWrongType,
    Wrong::ExportsNewerMinor,
    Wrong::ManifestTwice,
    Wrong::ManifestHuge,
    Wrong::ManifestDeep,
    Wrong::ManifestNoText,
    Wrong::ManifestOfAnotherWorld,
    Wrong::ManifestUnknownRequest,
    Wrong::ManifestEscapeCodes,
    Wrong::ManifestTruncated,
    Wrong::OtherSectionHuge,
    Wrong::TableBomb,
    Wrong::MemoryBomb,
    Wrong::InstanceBomb,
    Wrong::StartLoops,
    Wrong::StartTraps,
    Wrong::StartRecurses,
    Wrong::SharedMemory,
    Wrong::WideMemory,
    Wrong::SectionPastTheEnd,
    Wrong::SectionsWithoutEnd,
];

/// What becomes of it.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// It is not admitted.
    Refused,
    /// It is admitted, and ends with a fault of this code when it is called.
    Fault(&'static str),
    /// It does no harm.
    Well,
}

impl Wrong {
    fn component(self) -> Vec<u8> {
        let good = || built("hostile-verify").unwrap();
        let behind = |more: Vec<u8>| [good(), more].concat();
        let importing = |name| behind(bytes::import_instance(name));
        let running = |sections: &[Vec<u8>], count| {
            behind(bytes::core_module(sections, MODULES_OF_OURS, count))
        };
        let alone = |json: &[u8]| [COMPONENT, &bytes::manifest(json)].concat();
        match self {
            Self::ImportsSockets => importing("wasi:sockets/tcp@0.2.0"),
            Self::ImportsHttp => importing("wasi:http/incoming-handler@0.2.0"),
            Self::ImportsThreads => behind(bytes::import_resource("thread-spawn")),
            Self::ImportsNewerWasi => importing("wasi:clocks/wall-clock@0.3.0"),
            Self::ImportsNewerMinor => importing("drydock:plugin/clock@0.2.0"),
            Self::ImportsNewerPatch => importing("drydock:plugin/clock@0.1.1"),
            Self::ImportsUnknownInterface => importing("drydock:plugin/kubernetes@0.1.0"),
            Self::ImportsTargetAsJudge => importing("drydock:plugin/target@0.1.0"),
            Self::ImportsEscapeCodes => importing("wasi:cli/\u{1b}[2Jexit@0.2.0"),
            Self::ExportsNothing => alone(bytes::manifest_json("empty", "backup").as_bytes()),
            Self::ExportsWrongType => {
                let json = bytes::manifest_json("wrong-type", "backup");
                let export = bytes::export_empty_instance("drydock:plugin/backup-step@0.1.0");
                [alone(json.as_bytes()), export].concat()
            }
            Self::ExportsNewerMinor => {
                let json = bytes::manifest_json("newer", "backup");
                let export = bytes::export_empty_instance("drydock:plugin/backup-step@0.2.0");
                [alone(json.as_bytes()), export].concat()
            }
            Self::ManifestTwice => behind(bytes::manifest(
                bytes::manifest_json("two", "verify").as_bytes(),
            )),
            Self::ManifestHuge => alone(&vec![b' '; MANIFEST_BYTES_MAX + 1]),
            Self::ManifestDeep => alone("[".repeat(MANIFEST_BYTES_MAX).as_bytes()),
            Self::ManifestNoText => alone(b"{\"name\":\"\xff\xfe\"}"),
            Self::ManifestOfAnotherWorld => {
                alone(bytes::manifest_json("other", "teleport").as_bytes())
            }
            Self::ManifestUnknownRequest => {
                let json = bytes::manifest_json("greedy", "backup");
                alone(json.replace("[]", "[\"node.reboot\"]").as_bytes())
            }
            Self::ManifestEscapeCodes => {
                alone(bytes::manifest_json("a\\u001b[2Jb", "backup").as_bytes())
            }
            Self::ManifestTruncated => alone(b"{\"name\":\"cut\",\"version\""),
            Self::OtherSectionHuge => behind(bytes::custom("ballast", &vec![7; 8 << 20])),
            Self::TableBomb => running(&[core::table(1_000_000)], 1),
            Self::MemoryBomb => running(&[core::memory(65_536)], 1),
            Self::InstanceBomb => running(&[core::memory(0)], 500),
            Self::StartLoops => running(&core::start(core::LOOP), 1),
            Self::StartTraps => running(&core::start(core::TRAP), 1),
            Self::StartRecurses => running(&core::start(core::RECURSE), 1),
            Self::SharedMemory => running(&[core::odd_memory(3)], 1),
            Self::WideMemory => running(&[core::odd_memory(5)], 1),
            Self::SectionPastTheEnd => behind(vec![0, 0xff, 0xff, 0xff, 0xff, 0x0f]),
            Self::SectionsWithoutEnd => behind(bytes::custom("x", b"").repeat(200_000)),
        }
    }

    fn end(self) -> End {
        match self {
            Self::ImportsSockets
            | Self::ImportsHttp
            | Self::ImportsThreads
            | Self::ImportsNewerWasi
            | Self::ImportsNewerMinor
            | Self::ImportsNewerPatch
            | Self::ImportsUnknownInterface
            | Self::ImportsTargetAsJudge
            | Self::ImportsEscapeCodes
            | Self::ExportsNothing
            | Self::ExportsWrongType
            | Self::ExportsNewerMinor
            | Self::ManifestTwice
            | Self::ManifestHuge
            | Self::ManifestDeep
            | Self::ManifestNoText
            | Self::ManifestOfAnotherWorld
            | Self::ManifestUnknownRequest
            | Self::ManifestEscapeCodes
            | Self::ManifestTruncated
            | Self::SharedMemory
            | Self::WideMemory
            | Self::SectionPastTheEnd => End::Refused,
            Self::TableBomb => End::Fault("table-limit"),
            Self::MemoryBomb => End::Fault("memory-limit"),
            Self::InstanceBomb => End::Fault("plugin-failed"),
            Self::StartLoops => End::Fault("cpu-limit"),
            Self::StartTraps => End::Fault("plugin-trapped"),
            Self::StartRecurses => End::Fault("stack-limit"),
            Self::OtherSectionHuge | Self::SectionsWithoutEnd => End::Well,
        }
    }
}

fn admit(sandbox: &Sandbox, component: &[u8]) -> Result<Arc<Plugin>, String> {
    let (grants, limits) = (Grants::default(), limits());
    let admitted = sandbox.admit(Admission {
        component,
        builtin: None,
        grants: Some(&grants),
        ceiling: None,
        limits: Some(&limits),
    });
    admitted.map_err(|error| chain(&error))
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}

async fn judge(plugin: &Plugin) -> Result<(), Fault> {
    let call = JudgeCall {
        context: call(r#"{"do":"never-reads"}"#),
        facts: Facts::default(),
        plain: Some(Slice::whole(Arc::new(vec![7; 100]))),
    };
    plugin.judge(call).await.result.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_component_ends_with_one_sentence() {
    let sandbox = crate::sandbox();
    let mut told = String::new();
    for wrong in ALL {
        let component = wrong.component();
        let (end, sentence) = match admit(&sandbox, &component) {
            Err(refusal) => (End::Refused, refusal),
            Ok(plugin) => match judge(&plugin).await {
                Ok(()) => (End::Well, String::new()),
                Err(fault) => {
                    assert!(
                        matches!(wrong.end(), End::Fault(code) if code == fault.code.as_str()),
                        "{wrong:?}: {fault:?}"
                    );
                    (wrong.end(), fault.message)
                }
            },
        };
        let _ = writeln!(told, "# {wrong:?}\n{sentence}");
        assert_eq!(end, wrong.end(), "{wrong:?}: {sentence}");
        if end != End::Well {
            assert_fit(&format!("{wrong:?}"), &sentence);
        }
    }
    assert_told("hostile-components", &told);
}

#[test]
fn every_wrong_component_is_in_the_list() {
    // The last one, by its place in the enum: a new one behind it makes this fail.
    assert_eq!(ALL.len(), Wrong::SectionsWithoutEnd as usize + 1);
    for (place, wrong) in ALL.iter().enumerate() {
        assert_eq!(*wrong as usize, place);
    }
}
