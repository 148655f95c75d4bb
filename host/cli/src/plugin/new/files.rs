//! The files that a new plugin's folder is made of, as the program carries them.

use drydock_sandbox::World;

use crate::args::Language;

/// A file: where it goes, and its text.
pub type File = (&'static str, &'static str);

/// The contract.
pub const WIT: &[File] = &[
    (
        "wit/artifact.wit",
        include_str!("../../../../../wit/artifact.wit"),
    ),
    (
        "wit/baseline.wit",
        include_str!("../../../../../wit/baseline.wit"),
    ),
    ("wit/etcd.wit", include_str!("../../../../../wit/etcd.wit")),
    (
        "wit/files.wit",
        include_str!("../../../../../wit/files.wit"),
    ),
    ("wit/http.wit", include_str!("../../../../../wit/http.wit")),
    (
        "wit/secret.wit",
        include_str!("../../../../../wit/secret.wit"),
    ),
    (
        "wit/steps.wit",
        include_str!("../../../../../wit/steps.wit"),
    ),
    (
        "wit/types.wit",
        include_str!("../../../../../wit/types.wit"),
    ),
    (
        "wit/worlds.wit",
        include_str!("../../../../../wit/worlds.wit"),
    ),
    (
        "wit/deps/clocks.wit",
        include_str!("../../../../../wit/deps/clocks.wit"),
    ),
    (
        "wit/deps/http.wit",
        include_str!("../../../../../wit/deps/http.wit"),
    ),
    (
        "wit/deps/io.wit",
        include_str!("../../../../../wit/deps/io.wit"),
    ),
];

/// The SDK for Rust.
pub const SDK: &[File] = &[
    (
        "vendor/sdk/Cargo.toml",
        include_str!("../../../templates/rust/sdk.toml"),
    ),
    (
        "vendor/sdk/src/bindings.rs",
        include_str!("../../../../../plugins/sdk/src/bindings.rs"),
    ),
    (
        "vendor/sdk/src/config.rs",
        include_str!("../../../../../plugins/sdk/src/config.rs"),
    ),
    (
        "vendor/sdk/src/contents.rs",
        include_str!("../../../../../plugins/sdk/src/contents.rs"),
    ),
    (
        "vendor/sdk/src/facts.rs",
        include_str!("../../../../../plugins/sdk/src/facts.rs"),
    ),
    (
        "vendor/sdk/src/fault.rs",
        include_str!("../../../../../plugins/sdk/src/fault.rs"),
    ),
    (
        "vendor/sdk/src/glob.rs",
        include_str!("../../../../../plugins/sdk/src/glob.rs"),
    ),
    (
        "vendor/sdk/src/http.rs",
        include_str!("../../../../../plugins/sdk/src/http.rs"),
    ),
    (
        "vendor/sdk/src/id.rs",
        include_str!("../../../../../plugins/sdk/src/id.rs"),
    ),
    (
        "vendor/sdk/src/instant.rs",
        include_str!("../../../../../plugins/sdk/src/instant.rs"),
    ),
    (
        "vendor/sdk/src/lib.rs",
        include_str!("../../../../../plugins/sdk/src/lib.rs"),
    ),
    (
        "vendor/sdk/src/log.rs",
        include_str!("../../../../../plugins/sdk/src/log.rs"),
    ),
    (
        "vendor/sdk/src/manifest.rs",
        include_str!("../../../../../plugins/sdk/src/manifest.rs"),
    ),
    (
        "vendor/sdk/src/name.rs",
        include_str!("../../../../../plugins/sdk/src/name.rs"),
    ),
    (
        "vendor/sdk/src/step.rs",
        include_str!("../../../../../plugins/sdk/src/step.rs"),
    ),
];

macro_rules! template {
    ($file:literal) => {
        include_str!(concat!("../../../templates/", $file))
    };
}

/// The world of one's own, for languages that import whatever stands in their world.
pub const MINE: File = ("wit/mine.wit", template!("mine.wit"));

pub const GRANT: File = ("try/grant.yaml", template!("grant.yaml"));

/// What every plugin of a language has, the source left out.
pub fn of_language(language: Language) -> &'static [File] {
    match language {
        Language::Rust => &[
            ("Cargo.toml", template!("rust/Cargo.toml")),
            ("README.md", template!("rust/README.md")),
        ],
        Language::Python => &[("README.md", template!("python/README.md"))],
        Language::Js => &[
            ("errors.js", template!("js/errors.js")),
            ("README.md", template!("js/README.md")),
        ],
    }
}

/// The source. The store in Python is the example itself.
pub fn source(world: World, language: Language) -> File {
    match language {
        Language::Rust => ("src/lib.rs", rust(world)),
        Language::Python => ("plugin.py", python(world)),
        Language::Js => ("plugin.js", js(world)),
    }
}

fn rust(world: World) -> &'static str {
    match world {
        World::Backup => template!("rust/backup.rs"),
        World::Verify => template!("rust/verify.rs"),
        World::Store => template!("rust/store.rs"),
        World::Action => template!("rust/action.rs"),
    }
}

fn python(world: World) -> &'static str {
    match world {
        World::Backup => template!("python/backup.py"),
        World::Verify => template!("python/verify.py"),
        World::Store => {
            include_str!("../../../../../plugins/examples/store-python/store_python.py")
        }
        World::Action => template!("python/action.py"),
    }
}

fn js(world: World) -> &'static str {
    match world {
        World::Backup => template!("js/backup.js"),
        World::Verify => template!("js/verify.js"),
        World::Store => template!("js/store.js"),
        World::Action => template!("js/action.js"),
    }
}

/// The part of the README that tries the plugin.
pub fn trial(world: World) -> &'static str {
    match world {
        World::Backup => template!("try/backup.md"),
        World::Verify => template!("try/verify.md"),
        World::Store => template!("try/store.md"),
        World::Action => template!("try/action.md"),
    }
}
