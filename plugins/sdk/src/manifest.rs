//! The manifest: what a plugin says of itself and asks for, readable without running
//! it. It is put together at compile time and stands in the custom section
//! `drydock:plugin` as JSON.

/// The words that a plugin can ask for.
const REQUESTS: [&str; 9] = [
    "etcd.member-list",
    "etcd.status",
    "etcd.snapshot",
    "etcd.hash-kv",
    "files.read",
    "files.write",
    "http",
    "secret.use",
    "secret.reveal",
];

/// Exports `step` as the plugin of a world and embeds its manifest. `requests` lists
/// what the plugin asks for, out of `etcd.member-list`, `etcd.status`,
/// `etcd.snapshot`, `etcd.hash-kv`, `files.read`, `files.write`, `http`, `secret.use` and
/// `secret.reveal`; another word does not compile. Name and version are those of the Cargo package.
#[macro_export]
macro_rules! plugin {
    (world: backup, step: $step:ident, requests: [$($request:literal),* $(,)?] $(,)?) => {
        $crate::manifest! { world: "backup", requests: [$($request),*] }
        $crate::export_backup!($step);
    };
    (world: verify, step: $step:ident, requests: [$($request:literal),* $(,)?] $(,)?) => {
        $crate::manifest! { world: "verify", requests: [$($request),*] }
        $crate::export_verify!($step);
    };
    (world: store, step: $step:ident, requests: [$($request:literal),* $(,)?] $(,)?) => {
        $crate::manifest! { world: "store", requests: [$($request),*] }
        $crate::export_store!($step);
    };
}

/// Embeds a manifest alone. [`plugin!`] does this; by itself it serves a component
/// that exports its world some other way. `contract` defaults to the version that this
/// crate was built against.
#[macro_export]
macro_rules! manifest {
    (world: $world:literal, requests: [$($request:literal),* $(,)?] $(,)?) => {
        $crate::manifest! {
            world: $world, requests: [$($request),*], contract: "drydock:plugin@0.1.0"
        }
    };
    (world: $world:literal, requests: [$($request:literal),*], contract: $contract:literal $(,)?) => {
        const _: () = {
            $(assert!(
                $crate::is_request($request),
                concat!($request, " is nothing that a plugin can ask for"),
            );)*
            const TEXT: &str = $crate::manifest_text!($world, $contract, $($request),*);
            // Only a component has custom sections: elsewhere the name would be that
            // of a linker section, which not every linker accepts.
            #[cfg_attr(target_arch = "wasm32", unsafe(link_section = "drydock:plugin"))]
            #[used]
            static MANIFEST: [u8; TEXT.len()] = $crate::to_array(TEXT);
        };
    };
}

/// The manifest's JSON as a constant.
#[doc(hidden)]
#[macro_export]
macro_rules! manifest_text {
    ($world:literal, $contract:literal, $($first:literal $(, $more:literal)*)?) => {
        concat!(
            "{\"name\":\"", env!("CARGO_PKG_NAME"),
            "\",\"version\":\"", env!("CARGO_PKG_VERSION"),
            "\",\"world\":\"", $world,
            "\",\"contract\":\"", $contract,
            "\",\"requests\":[", $("\"", $first, "\"", $(",\"", $more, "\"",)*)? "]}",
        )
    };
}

/// Whether `word` can be asked for.
#[doc(hidden)]
#[must_use]
pub const fn is_request(word: &str) -> bool {
    let mut at = 0;
    while at < REQUESTS.len() {
        if equal(word.as_bytes(), REQUESTS[at].as_bytes()) {
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
        let none = manifest_text!("verify", "drydock:plugin@0.1.0",);
        let some = manifest_text!(
            "backup",
            "drydock:plugin@0.1.0",
            "etcd.status",
            "files.read"
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
    fn contract_is_the_one_that_the_bindings_were_made_from() {
        let contract = include_str!("../../../wit/types.wit");
        assert!(contract.contains("\npackage drydock:plugin@0.1.0;\n"));
    }

    #[test]
    fn only_known_words_can_be_asked_for() {
        assert!(REQUESTS.iter().all(|word| is_request(word)));
        assert!(!is_request("etcd.defragment"));
        assert!(!is_request("files.rea"));
    }

    #[test]
    fn array_holds_the_text() {
        assert_eq!(to_array::<2>("ab"), *b"ab");
    }
}
