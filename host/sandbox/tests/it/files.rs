//! The interface `files` through the probe: granted, and refused at the call. That an
//! ungranted import is refused before anything runs is in `admission`.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use drydock_capability_files::{Access, FolderGrant, grant};
use drydock_core::{ErrorClass, Fault, Grants};
use drydock_sandbox::Plugin;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{admit, all_grants, run, sandbox, seen};

struct Place {
    scratch: TempDir,
    plugin: Arc<Plugin>,
}

/// A folder `granted` with a file, granted for `access`, and one beside it.
fn place(access: Access) -> Place {
    let scratch = tempfile::tempdir().unwrap();
    for folder in ["granted", "beside", "writable"] {
        std::fs::create_dir(scratch.path().join(folder)).unwrap();
    }
    std::fs::write(scratch.path().join("granted/file"), "hello").unwrap();
    std::fs::write(scratch.path().join("beside/file"), "secret").unwrap();
    symlink("../beside", scratch.path().join("granted/link")).unwrap();
    // The probe asks for writing, so some folder must be granted for it.
    let writable = FolderGrant::new(scratch.path().join("writable"), Access::Write);
    let grants = all_grants(&scratch.path().join("granted"), access).with([writable]);
    let plugin = admit(&sandbox(), "probe", &grants);
    Place { scratch, plugin }
}

impl Place {
    fn folder(&self, name: &str) -> String {
        self.scratch.path().join(name).to_str().unwrap().to_owned()
    }

    async fn seen(&self, config: Value) -> Vec<String> {
        seen(run(&self.plugin, &config.to_string()).await)
    }

    async fn fault(&self, config: Value) -> Fault {
        run(&self.plugin, &config.to_string())
            .await
            .result
            .unwrap_err()
    }
}

#[tokio::test]
async fn reading_with_a_read_grant_works() {
    let place = place(Access::Read);
    let folder = place.folder("granted");
    let read =
        json!({"do": "folder-read", "folder": folder, "path": "file", "offset": 1, "length": 3});
    assert_eq!(place.seen(read).await, ["ell"]);
    let size = json!({"do": "folder-size", "folder": folder, "path": "file"});
    assert_eq!(place.seen(size).await, ["5"]);
    let list = json!({"do": "folder-list", "folder": folder, "prefix": ""});
    assert_eq!(place.seen(list).await, ["file 5"]);
    let digest = json!({"do": "folder-sha256", "folder": folder, "path": "file"});
    assert!(place.seen(digest).await[0].starts_with("2cf24dba5fb0a30e"));
    let free = json!({"do": "folder-free", "folder": folder});
    assert!(place.seen(free).await[0].parse::<u64>().unwrap() > 0);
}

#[tokio::test]
async fn writing_with_a_write_grant_works() {
    let place = place(Access::Write);
    let folder = place.folder("granted");
    let write =
        json!({"do": "folder-write", "folder": folder, "path": "a/b", "offset": 0, "text": "new"});
    place.seen(write).await;
    let sync = json!({"do": "folder-sync", "folder": folder, "path": "a/b"});
    place.seen(sync).await;
    let link = json!({"do": "folder-link", "folder": folder, "path": "a/b", "target": "c"});
    place.seen(link.clone()).await;
    assert_eq!(place.fault(link).await.code.as_str(), "exists");
    assert_eq!(
        std::fs::read(place.scratch.path().join("granted/c")).unwrap(),
        b"new"
    );
    let remove = json!({"do": "folder-remove", "folder": folder, "path": "a/b"});
    place.seen(remove).await;
    assert!(!place.scratch.path().join("granted/a").exists());
}

/// A folder that is missing may be a mount that is: only a store makes one, and only when
/// it begins to store.
#[tokio::test]
async fn a_backup_plugin_makes_no_folder() {
    let place = place(Access::Write);
    let below = place.folder("granted/new/folder");
    let open = |create| json!({"do": "folder-open", "folder": below, "create": create});
    assert_eq!(
        place.fault(open(false)).await.code.as_str(),
        "place-missing"
    );
    let fault = place.fault(open(true)).await;
    assert_eq!(
        (fault.class, fault.code.as_str()),
        (ErrorClass::Denied, "may-not-create")
    );
    assert!(!place.scratch.path().join("granted/new").exists());
}

#[tokio::test]
async fn a_plugin_is_told_whether_a_folder_is_a_mount_of_its_own() {
    let place = place(Access::Read);
    let mounted = json!({"do": "folder-mounted", "folder": place.folder("granted")});
    let told = place.seen(mounted).await;
    let own = drydock_capability_files::is_own_mount(place.scratch.path(), &[]);
    assert_eq!(told, [own.unwrap().to_string()]);
}

#[tokio::test]
async fn writing_with_a_read_grant_is_refused() {
    let place = place(Access::Read);
    let folder = place.folder("granted");
    let calls = [
        json!({"do": "folder-write", "folder": folder, "path": "x", "offset": 0, "text": "x"}),
        json!({"do": "folder-write-large", "folder": folder, "path": "x", "bytes": 10}),
        json!({"do": "folder-sync", "folder": folder, "path": "file"}),
        json!({"do": "folder-link", "folder": folder, "path": "file", "target": "x"}),
        json!({"do": "folder-remove", "folder": folder, "path": "file"}),
    ];
    for call in calls {
        let fault = place.fault(call).await;
        assert_eq!(
            (fault.class, fault.code.as_str()),
            (ErrorClass::Denied, "not-granted")
        );
    }
    assert!(place.scratch.path().join("granted/file").exists());
}

#[tokio::test]
async fn no_word_leads_out_of_the_folder() {
    let place = place(Access::Write);
    for folder in ["beside", "", "granted/../beside", "granted/link"] {
        let open = json!({"do": "folder-open", "folder": place.folder(folder)});
        let fault = place.fault(open).await;
        assert_eq!(fault.class, ErrorClass::Denied, "{folder}: {fault:?}");
    }
    let folder = place.folder("granted");
    let absolute = place.folder("beside/file");
    for path in [
        "../beside/file",
        "link/file",
        absolute.as_str(),
        "a/../../beside/file",
    ] {
        let calls = [
            json!({"do": "folder-read", "folder": folder, "path": path, "offset": 0, "length": 9}),
            json!({"do": "folder-write", "folder": folder, "path": path, "offset": 0, "text": "x"}),
            json!({"do": "folder-remove", "folder": folder, "path": path}),
            json!({"do": "folder-link", "folder": folder, "path": "file", "target": path}),
        ];
        for call in calls {
            let fault = place.fault(call).await;
            assert_eq!(fault.class, ErrorClass::Denied, "{path}: {fault:?}");
        }
    }
    let kept = std::fs::read(place.scratch.path().join("beside/file")).unwrap();
    assert_eq!(kept, b"secret");
}

#[tokio::test]
async fn the_ceiling_holds_at_the_call() {
    let scratch = tempfile::tempdir().unwrap();
    let grants = all_grants(scratch.path(), Access::Write);
    let ceiling = all_grants(&scratch.path().join("inner"), Access::Write);
    let plugin = sandbox().admit(drydock_sandbox::Admission {
        component: &crate::built("probe"),
        builtin: None,
        grants: Some(&grants),
        ceiling: Some(&ceiling),
        limits: None,
    });
    let plugin = plugin.unwrap();
    let open = |path: &Path| json!({"do": "folder-open", "folder": path}).to_string();
    let outer = run(&plugin, &open(&scratch.path().join("other"))).await;
    assert_eq!(outer.result.unwrap_err().code.as_str(), "not-granted");
    std::fs::create_dir_all(scratch.path().join("inner/x")).unwrap();
    seen(run(&plugin, &open(&scratch.path().join("inner/x"))).await);
}

#[tokio::test]
async fn more_than_a_call_may_carry_is_refused() {
    let place = place(Access::Write);
    let folder = place.folder("granted");
    let large =
        json!({"do": "folder-write-large", "folder": folder, "path": "x", "bytes": 1_048_577});
    assert_eq!(place.fault(large).await.code.as_str(), "too-large");
    let fits =
        json!({"do": "folder-write-large", "folder": folder, "path": "x", "bytes": 1_048_576});
    place.seen(fits).await;
}

#[tokio::test]
async fn no_grant_means_no_folder_even_for_a_plugin_that_may_ask() {
    assert!(!Grants::default().allow(&grant::READ));
    let place = place(Access::Read);
    let check = place
        .plugin
        .check_config(crate::call(r#"{"do":"degraded"}"#), None)
        .await;
    assert_eq!(check.result.unwrap(), []);
}

#[tokio::test]
async fn walking_with_a_read_grant_tells_of_everything() {
    let place = place(Access::Read);
    let folder = place.folder("granted");
    let walk = json!({"do": "folder-walk", "folder": folder});
    assert_eq!(
        place.seen(walk).await,
        [
            " ItemKind::Folder 0",
            "file ItemKind::File 5",
            "link ItemKind::SymbolicLink 0"
        ]
    );
    let look = json!({"do": "folder-look", "folder": folder, "path": "link"});
    assert_eq!(place.seen(look).await, ["link ItemKind::SymbolicLink 0"]);
}

#[tokio::test]
async fn walking_without_a_grant_for_the_folder_is_refused() {
    let place = place(Access::Read);
    for folder in ["beside", "granted/../beside", "granted/link", "grantedx"] {
        let walk = json!({"do": "folder-walk", "folder": place.folder(folder)});
        let fault = place.fault(walk).await;
        assert_eq!(fault.class, ErrorClass::Denied, "{folder}: {fault:?}");
    }
}

#[tokio::test]
async fn files_are_appended_to_an_output_in_the_state_that_was_seen() {
    let place = place(Access::Read);
    let folder = place.folder("granted");
    std::fs::write(place.scratch.path().join("granted/other"), "other").unwrap();
    let append = |path: &str, of: Option<&str>| json!({"do": "folder-append", "folder": folder, "path": path, "of": of, "header": "head:"});
    let shelf = crate::Shelf::default();
    let call = drydock_sandbox::BackupCall {
        context: crate::call(&append("file", None).to_string()),
        outputs: Box::new(shelf.clone()),
    };
    place.plugin.run_backup(call).await.result.unwrap();
    let items = shelf.items();
    assert_eq!(
        (items[0].bytes.as_slice(), items[0].state.as_str()),
        (&b"head:hello"[..], "finished")
    );
    // Another file's state is not this one's.
    let fault = place.fault(append("file", Some("other"))).await;
    assert_eq!(
        (fault.class, fault.code.as_str()),
        (ErrorClass::Transient, "changed-meanwhile")
    );
}

#[tokio::test]
async fn appending_leads_nowhere_else() {
    let place = place(Access::Read);
    let folder = place.folder("granted");
    let absolute = place.folder("beside/file");
    for path in [
        "../beside/file",
        "link/file",
        absolute.as_str(),
        "./file",
        "link",
    ] {
        for of in [None, Some("file")] {
            let append = json!({"do": "folder-append", "folder": folder, "path": path, "of": of, "header": ""});
            let fault = place.fault(append).await;
            assert_eq!(fault.class, ErrorClass::Denied, "{path}: {fault:?}");
        }
    }
}

#[tokio::test]
async fn one_plugin_has_for_each_target_the_folder_that_it_leaves() {
    let place = place(Access::Write);
    let only = |name: &str, access| {
        let folder = FolderGrant::new(place.folder(name), access);
        let why = format!("target {name} narrows what the plugin was granted");
        place
            .plugin
            .narrowed(&Grants::default().with([folder]), &why)
    };
    let write = |name: &str| {
        let folder = place.folder(name);
        json!({"do": "folder-write", "folder": folder, "path": "a", "offset": 0, "text": "new"})
    };
    let bindings = [
        (only("granted", Access::Write), "granted", "writable"),
        (only("writable", Access::Write), "writable", "granted"),
    ];
    for (plugin, own, other) in bindings {
        seen(run(&plugin, &write(own).to_string()).await);
        let refused = run(&plugin, &write(other).to_string()).await;
        let refused = refused.result.unwrap_err();
        assert_eq!(refused.code.as_str(), "not-granted");
        let why = format!("; target {own} narrows what the plugin was granted");
        assert!(refused.message.ends_with(&why), "{refused}");
    }
    let reader = only("granted", Access::Read);
    let read = json!({"do": "folder-size", "folder": place.folder("granted"), "path": "file"});
    assert_eq!(seen(run(&reader, &read.to_string()).await), ["5"]);
    let refused = run(&reader, &write("granted").to_string()).await;
    let refused = refused.result.unwrap_err();
    assert!(
        refused.message.contains("may only read in")
            && refused.message.contains("; target granted"),
        "{refused}"
    );
}
