//! The generated bindings. The imports are generated once, for the world `host`; the
//! worlds of plugins share them, so that an error is the same type everywhere.
//!
//! Each world's `export_..!` macro carries that world's exports, so a component has
//! only those of the world that it names; imports that it never calls are left out.

/// What a plugin can call.
pub mod host {
    wit_bindgen::generate!({
        world: "host",
        path: "../../wit",
        additional_derives: [PartialEq, Clone],
        // It holds a handle, which has neither.
        additional_derives_ignore: ["stream-error"],
        generate_all,
    });
}

/// Generates one world's exports over the shared imports.
macro_rules! world {
    ($module:ident, $world:literal, $export:literal, $path:literal, $($only:literal: $from:path),+) => {
        #[doc = concat!("What a plugin of the world `", $world, "` offers.")]
        pub mod $module {
            wit_bindgen::generate!({
                world: $world,
                path: "../../wit",
                additional_derives: [PartialEq, Clone],
                pub_export_macro: true,
                export_macro_name: $export,
                default_bindings_module: $path,
                generate_all,
                with: {
                    "drydock:plugin/types@0.1.0": crate::bindings::host::drydock::plugin::types,
                    "drydock:plugin/configuration@0.1.0": crate::bindings::host::drydock::plugin::configuration,
                    "drydock:plugin/log@0.1.0": crate::bindings::host::drydock::plugin::log,
                    "drydock:plugin/progress@0.1.0": crate::bindings::host::drydock::plugin::progress,
                    "drydock:plugin/clock@0.1.0": crate::bindings::host::drydock::plugin::clock,
                    $($only: $from),+
                },
            });
        }
    };
}

world!(
    backup,
    "backup",
    "export_backup",
    "drydock_plugin_sdk::bindings::backup",
    "drydock:plugin/artifact@0.1.0": crate::bindings::host::drydock::plugin::artifact
);
world!(
    verify,
    "verify",
    "export_verify",
    "drydock_plugin_sdk::bindings::verify",
    "drydock:plugin/artifact@0.1.0": crate::bindings::host::drydock::plugin::artifact
);
world!(
    store,
    "store",
    "export_store",
    "drydock_plugin_sdk::bindings::store",
    "drydock:plugin/artifact@0.1.0": crate::bindings::host::drydock::plugin::artifact,
    "drydock:plugin/target@0.1.0": crate::bindings::host::drydock::plugin::target
);
world!(
    action,
    "action",
    "export_action",
    "drydock_plugin_sdk::bindings::action",
    "drydock:plugin/outcome@0.1.0": crate::bindings::host::drydock::plugin::outcome,
    "drydock:plugin/plan@0.1.0": crate::bindings::host::drydock::plugin::plan,
    "drydock:plugin/hold@0.1.0": crate::bindings::host::drydock::plugin::hold
);
