//! What becomes of a component whose compiler ends in each of the ways that a process can
//! end. The workers here are shells that do what a hostile component would make the real
//! one do; the daemon's tests have the real one.

use std::time::Duration;

use drydock_sandbox::{Admission, Compiler, Limits, Sandbox, SandboxConfig};

use crate::{StoppedClock, built};

/// What admission says when the worker does what `script` says.
fn refusal(script: &str, limits: Limits) -> String {
    let sandbox = Sandbox::new(SandboxConfig {
        cache: None,
        limits,
        compiler: Some(Compiler {
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
        }),
        clock: std::sync::Arc::new(StoppedClock),
    });
    let error = sandbox
        .unwrap()
        .admit(Admission {
            component: &built("probe-verify"),
            builtin: Some("probe-verify"),
            grants: None,
            ceiling: None,
            limits: None,
        })
        .unwrap_err();
    let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
    let told = format!("{error}{}", source.unwrap_or_default());
    let digest = drydock_core::PluginDigest::of(&built("probe-verify"));
    told.replace(digest.as_str(), "DIGEST")
}

#[tokio::test]
async fn a_component_that_compiles_for_ever() {
    let limits = Limits {
        compile_max: Duration::from_millis(300),
        ..Limits::default()
    };
    let told = "compile-limit: plugin probe-verify (DIGEST) takes more than 0.3 s to compile, the limit is 0.3 s: raise `limits: {compileSeconds: ...}` of its PluginGrant, or of the node's configuration, if it is to have more";
    assert_eq!(refusal("exec sleep 600", limits.clone()), told);
    // Whether it takes its component, or says something meanwhile.
    assert_eq!(
        refusal(
            "cat > /dev/null; printf '\\000'; exec sleep 600",
            limits.clone()
        ),
        told
    );
    // The kernel's own limit on its time is told in the same words.
    assert_eq!(refusal("kill -XCPU $$", limits), told);
}

#[tokio::test]
async fn a_component_that_takes_all_memory() {
    let told = "compile-limit: plugin probe-verify (DIGEST) takes more than 2048 MiB of memory to compile, the limit is 2048 MiB: no document raises that, so build it smaller";
    for script in [
        "echo 'memory allocation of 8 bytes failed' >&2; kill -ABRT $$",
        "kill -KILL $$",
    ] {
        assert_eq!(refusal(script, Limits::default()), told, "{script}");
    }
}

#[tokio::test]
async fn a_component_that_the_compiler_does_not_take() {
    assert_eq!(
        refusal("printf '\\001no function body'", Limits::default()),
        "plugin probe-verify (DIGEST) is not valid WebAssembly: no function body"
    );
}

#[tokio::test]
async fn a_component_that_breaks_the_compiler() {
    assert_eq!(
        refusal(
            "printf 'thread \\033[31mpanicked\\nindex out of bounds' >&2; exit 101",
            Limits::default()
        ),
        "plugin-invalid: plugin probe-verify (DIGEST) cannot be compiled: the compiler broke off on it (exit status: 101, thread panicked index out of bounds)"
    );
    for (script, how) in [
        ("kill -SEGV $$", "signal: 11 (SIGSEGV)"),
        ("exit 0", "exit status: 0"),
        ("printf '\\002'", "exit status: 0"),
    ] {
        let told = refusal(script, Limits::default());
        assert!(told.contains(&format!("broke off on it ({how}")), "{told}");
    }
}

#[tokio::test]
async fn a_worker_has_an_empty_environment_and_no_folder() {
    let told = refusal("printf '\\001'; env | grep -c HOME; pwd", Limits::default());
    assert!(told.trim_end().ends_with(": 0 /"), "{told:?}");
}

#[tokio::test]
async fn code_that_is_none_is_not_loaded() {
    let told = refusal("printf '\\000nonsense'", Limits::default());
    assert!(
        told.starts_with("plugin probe-verify (DIGEST) is not valid WebAssembly: "),
        "{told}"
    );
}

#[tokio::test]
async fn a_worker_that_is_not_there() {
    let sandbox = Sandbox::new(SandboxConfig {
        cache: None,
        limits: Limits::default(),
        compiler: Some(Compiler {
            program: "/nowhere/drydock".into(),
            arguments: Vec::new(),
        }),
        clock: std::sync::Arc::new(StoppedClock),
    });
    let error = sandbox.unwrap().admit(Admission {
        component: &built("probe-verify"),
        builtin: Some("probe-verify"),
        grants: None,
        ceiling: None,
        limits: None,
    });
    let told = error.unwrap_err().to_string();
    assert!(told.contains("was not compiled"), "{told}");
}

#[tokio::test]
async fn a_component_that_is_too_large() {
    let component = built("probe-verify");
    let size = component.len() as u64;
    let admitted = |component_bytes_max| {
        let limits = Limits {
            component_bytes_max,
            ..Limits::default()
        };
        crate::sandbox().admit(Admission {
            component: &component,
            builtin: Some("probe-verify"),
            grants: None,
            ceiling: None,
            limits: Some(&limits),
        })
    };
    admitted(size).unwrap();
    let digest = drydock_core::PluginDigest::of(&component);
    assert_eq!(
        admitted(size - 1).unwrap_err().to_string(),
        format!(
            "component-limit: the plugin {digest} has {size} bytes, the limit is {} bytes: raise `limits: {{componentMebibytes: ...}}` of its PluginGrant, or of the node's configuration, if it is to have more",
            size - 1
        )
    );
}
