//! The manifest: what a plugin says of itself and asks for, readable without running
//! it. It is put together at compile time and stands in the custom section
//! `drydock:plugin` as JSON.

/// The words that a plugin can ask for.
const REQUESTS: [&str; 18] = [
    "etcd.member-list",
    "etcd.status",
    "etcd.snapshot",
    "etcd.hash-kv",
    "etcd.health",
    "etcd.defragment",
    "etcd.compact",
    "etcd.alarm-disarm",
    "etcd.move-leader",
    "etcd.member-add-learner",
    "etcd.member-promote",
    "etcd.member-remove",
    "etcd.probe-put",
    "files.read",
    "files.write",
    "http",
    "secret.use",
    "secret.reveal",
];

/// Exports `step` as the plugin of a world and embeds its manifest. `requests` lists
/// what the plugin asks for: `etcd.member-list`, `etcd.status`, `etcd.snapshot`,
/// `etcd.hash-kv` and `etcd.health` look; `etcd.defragment`, `etcd.compact`,
/// `etcd.alarm-disarm`, `etcd.move-leader`, `etcd.member-add-learner`, `etcd.member-promote`,
/// `etcd.member-remove` and `etcd.probe-put` change the cluster; beside them there are
/// `files.read`, `files.write`, `http`, `secret.use` and `secret.reveal`. Another word does
/// not compile. `optional` behind it lists what the plugin can do without: where no grant allows
/// that, a call of it is refused, and the plugin is not. Name and version are those of the Cargo package.
///
/// A plugin of the world `action` also says what it is, its keys in this order, all but the
/// first left out as a rule: `action: {repeat: "keyed", undo: true, hold: "session", access:
/// "reads", outputs: {"bytes-freed": "integer"}}`.
#[macro_export]
macro_rules! plugin {
    (
        world: backup, step: $step:ident, requests: [$($request:literal),* $(,)?]
        $(, optional: [$($optional:literal),* $(,)?])? $(,)?
    ) => {
        $crate::manifest! {
            world: "backup", requests: [$($request),*] $(, optional: [$($optional),*])?
        }
        $crate::export_backup!($step);
    };
    (
        world: verify, step: $step:ident, requests: [$($request:literal),* $(,)?]
        $(, optional: [$($optional:literal),* $(,)?])? $(,)?
    ) => {
        $crate::manifest! {
            world: "verify", requests: [$($request),*] $(, optional: [$($optional),*])?
        }
        $crate::export_verify!($step);
    };
    (
        world: store, step: $step:ident, requests: [$($request:literal),* $(,)?]
        $(, optional: [$($optional:literal),* $(,)?])? $(,)?
    ) => {
        $crate::manifest! {
            world: "store", requests: [$($request),*] $(, optional: [$($optional),*])?
        }
        $crate::export_store!($step);
    };
    (
        world: action, step: $step:ident, requests: [$($request:literal),* $(,)?],
        $(optional: [$($optional:literal),* $(,)?],)?
        action: $action:tt $(,)?
    ) => {
        $crate::manifest! {
            world: "action", requests: [$($request),*] $(, optional: [$($optional),*])?,
            action: $action
        }
        $crate::export_action!($step);
    };
}

/// Embeds a manifest alone. [`plugin!`] does this; by itself it serves a component
/// that exports its world some other way. `contract` defaults to the version that this
/// crate was built against.
#[macro_export]
macro_rules! manifest {
    (
        world: $world:literal, requests: [$($request:literal),* $(,)?]
        $(, optional: [$($optional:literal),* $(,)?])? $(, action: $action:tt)? $(,)?
    ) => {
        $crate::manifest! {
            world: $world, requests: [$($request),*] $(, optional: [$($optional),*])?
            $(, action: $action)?, contract: "drydock:plugin@0.1.0"
        }
    };
    (
        world: $world:literal, requests: [$($request:literal),*]
        $(, optional: [$($optional:literal),*])? $(, action: $action:tt)?,
        contract: $contract:literal $(,)?
    ) => {
        const _: () = {
            $(assert!(
                $crate::is_request($request),
                concat!($request, " is nothing that a plugin can ask for"),
            );)*
            $($(assert!(
                $crate::is_request($optional),
                concat!($optional, " is nothing that a plugin can ask for"),
            );)*)?
            $($crate::check_action! { $action })?
            const TEXT: &str = concat!(
                $crate::manifest_text!($world, $contract, $($request),*),
                $($crate::optional_text!($($optional),*),)?
                $($crate::action_text!($action),)?
                "}",
            );
            // Only a component has custom sections: elsewhere the name would be that
            // of a linker section, which not every linker accepts.
            #[cfg_attr(target_arch = "wasm32", unsafe(link_section = "drydock:plugin"))]
            #[used]
            static MANIFEST: [u8; TEXT.len()] = $crate::to_array(TEXT);
        };
    };
}

/// The manifest's JSON as a constant, without its last brace.
#[doc(hidden)]
#[macro_export]
macro_rules! manifest_text {
    ($world:literal, $contract:literal, $($first:literal $(, $more:literal)*)?) => {
        concat!(
            "{\"name\":\"", env!("CARGO_PKG_NAME"),
            "\",\"version\":\"", env!("CARGO_PKG_VERSION"),
            "\",\"world\":\"", $world,
            "\",\"contract\":\"", $contract,
            "\",\"requests\":[", $("\"", $first, "\"", $(",\"", $more, "\"",)*)? "]",
        )
    };
}

/// What a plugin can do without, as the manifest has it.
#[doc(hidden)]
#[macro_export]
macro_rules! optional_text {
    ($first:literal $(, $more:literal)*) => {
        concat!(",\"optional\":[\"", $first, "\"", $(",\"", $more, "\"",)* "]")
    };
}

/// What an action says of itself, as the manifest has it.
#[doc(hidden)]
#[macro_export]
macro_rules! action_text {
    ({
        repeat: $repeat:literal
        $(, undo: $undo:literal)?
        $(, hold: $hold:literal)?
        $(, access: $access:literal)?
        $(, outputs: {
            $output:literal: $type:literal $(, $more:literal: $more_type:literal)* $(,)?
        })?
        $(,)?
    }) => {
        concat!(
            ",\"action\":{\"repeat\":\"", $repeat, "\"",
            $(",\"undo\":", $undo,)?
            $(",\"hold\":\"", $hold, "\"",)?
            $(",\"access\":\"", $access, "\"",)?
            $(
                ",\"outputs\":{\"", $output, "\":\"", $type, "\"",
                $(",\"", $more, "\":\"", $more_type, "\"",)*
                "}",
            )?
            "}",
        )
    };
}

/// Refuses words at compile time that the host would refuse when it reads the manifest.
#[doc(hidden)]
#[macro_export]
macro_rules! check_action {
    ({
        repeat: $repeat:literal
        $(, undo: $undo:literal)?
        $(, hold: $hold:literal)?
        $(, access: $access:literal)?
        $(, outputs: {$($output:literal: $type:literal),* $(,)?})?
        $(,)?
    }) => {
        assert!(
            $crate::is_one_of($repeat, &["idempotent", "keyed", "at-most-once"]),
            "repeat is idempotent, keyed or at-most-once",
        );
        $(assert!($undo || !$undo, "undo is true or false");)?
        $(assert!(
            $crate::is_one_of($hold, &["session", "state"]),
            "hold is session or state",
        );)?
        $(assert!(
            $crate::is_one_of($access, &["reads", "writes"]),
            "access is reads or writes",
        );)?
        $($(assert!(
            $crate::is_one_of($type, &["text", "integer", "flag", "bytes", "json"]),
            concat!("output ", $output, " is text, integer, flag, bytes or json"),
        );)*)?
    };
}

/// Whether `word` can be asked for.
#[doc(hidden)]
#[must_use]
pub const fn is_request(word: &str) -> bool {
    is_one_of(word, &REQUESTS)
}

/// Whether `word` is among `words`.
#[doc(hidden)]
#[must_use]
pub const fn is_one_of(word: &str, words: &[&str]) -> bool {
    let mut at = 0;
    while at < words.len() {
        if equal(word.as_bytes(), words[at].as_bytes()) {
            return true;
        }
        at += 1;
    }
    false
}

/// The text's bytes as an array, which is what a custom section is made of.
#[doc(hidden)]
#[must_use]
pub const fn to_array<const N: usize>(text: &str) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(text.as_bytes());
    bytes
}

const fn equal(left: &[u8], right: &[u8]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    let mut at = 0;
    while at < left.len() {
        if left[at] != right[at] {
            return false;
        }
        at += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifest_is_the_json_that_the_host_reads() {
        let none = concat!(manifest_text!("verify", "drydock:plugin@0.1.0",), "}");
        let some = concat!(
            manifest_text!(
                "backup",
                "drydock:plugin@0.1.0",
                "etcd.status",
                "files.read"
            ),
            "}"
        );
        let version = env!("CARGO_PKG_VERSION");
        let expected = |world: &str, requests: serde_json::Value| {
            serde_json::json!({
                "name": "drydock-plugin-sdk", "version": version, "world": world,
                "contract": "drydock:plugin@0.1.0", "requests": requests,
            })
        };
        let parse = |text| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(parse(none), expected("verify", serde_json::json!([])));
        assert_eq!(
            parse(some),
            expected("backup", serde_json::json!(["etcd.status", "files.read"]))
        );
    }

    #[test]
    fn what_a_plugin_can_do_without_stands_beside_what_it_asks_for() {
        let text = concat!(
            manifest_text!("verify", "drydock:plugin@0.1.0", "http"),
            optional_text!("secret.use", "secret.reveal"),
            "}"
        );
        let parsed: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(parsed["requests"], serde_json::json!(["http"]));
        assert_eq!(
            parsed["optional"],
            serde_json::json!(["secret.use", "secret.reveal"])
        );
    }

    #[test]
    fn an_action_says_in_it_what_it_is() {
        let least = concat!("{\"a\":0", action_text!({repeat: "keyed"}), "}");
        let all = concat!(
            "{\"a\":0",
            action_text!({
                repeat: "idempotent", undo: true, hold: "state", access: "reads",
                outputs: {"path": "text", "bytes-freed": "integer"}
            }),
            "}"
        );
        let parse = |text| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(
            parse(least)["action"],
            serde_json::json!({"repeat": "keyed"})
        );
        assert_eq!(
            parse(all)["action"],
            serde_json::json!({
                "repeat": "idempotent", "undo": true, "hold": "state", "access": "reads",
                "outputs": {"path": "text", "bytes-freed": "integer"},
            })
        );
    }

    #[test]
    fn contract_is_the_one_that_the_bindings_were_made_from() {
        let contract = include_str!("../../../wit/types.wit");
        assert!(contract.contains("\npackage drydock:plugin@0.1.0;\n"));
    }

    #[test]
    fn only_known_words_can_be_asked_for() {
        assert!(REQUESTS.iter().all(|word| is_request(word)));
        let contract = include_str!("../../../wit/etcd.wit");
        let calls = REQUESTS
            .iter()
            .filter_map(|word| word.strip_prefix("etcd."));
        for call in calls {
            assert!(contract.contains(&format!("    {call}: func(")), "{call}");
            assert!(contract.contains(&format!("`etcd: [{call}]`")), "{call}");
        }
        assert!(!is_request("etcd.everything"));
        assert!(!is_request("files.rea"));
    }

    #[test]
    fn array_holds_the_text() {
        assert_eq!(to_array::<2>("ab"), *b"ab");
    }
}
