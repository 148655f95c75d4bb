use std::os::unix::fs::PermissionsExt as _;

use super::*;

/// The smallest component: a header and nothing else.
const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

fn engine() -> Engine {
    crate::engine::engine().unwrap()
}

fn only_file(folder: &Path) -> PathBuf {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().collect();
    assert_eq!(files.len(), 1);
    files.remove(0).unwrap().path()
}

fn compiled(cache: &Cache, engine: &Engine) -> CompiledFrom {
    let compile = |bytes: &[u8]| engine.precompile_component(bytes);
    cache.component(engine, EMPTY, compile).unwrap().1
}

#[test]
fn code_is_compiled_once() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(&folder.path().join("cache")).unwrap();
    assert_eq!(compiled(&cache, &engine()), CompiledFrom::Component);
    assert_eq!(compiled(&cache, &engine()), CompiledFrom::Cache);
    let file = only_file(&folder.path().join("cache"));
    assert_eq!(fs::metadata(file).unwrap().mode() & 0o777, 0o600);
}

#[test]
fn any_change_to_a_file_means_compiling_anew() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(&folder.path().join("cache")).unwrap();
    compiled(&cache, &engine());
    let path = only_file(&folder.path().join("cache"));
    let good = fs::read(&path).unwrap();
    for at in [0, 20, 40, 60, HEADER_BYTES, good.len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&path, bad).unwrap();
        assert_eq!(
            compiled(&cache, &engine()),
            CompiledFrom::Component,
            "byte {at}"
        );
        assert_eq!(compiled(&cache, &engine()), CompiledFrom::Cache);
    }
    fs::write(&path, &good[..good.len() / 2]).unwrap();
    assert_eq!(compiled(&cache, &engine()), CompiledFrom::Component);
}

#[test]
fn another_engine_has_other_code() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(&folder.path().join("cache")).unwrap();
    compiled(&cache, &engine());
    let mut config = wasmtime::Config::new();
    config.concurrency_support(false).epoch_interruption(false);
    let other = Engine::new(&config).unwrap();
    assert_eq!(compiled(&cache, &other), CompiledFrom::Component);
    assert_eq!(
        fs::read_dir(folder.path().join("cache")).unwrap().count(),
        2
    );
}

#[test]
fn a_folder_that_others_can_enter_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    assert!(matches!(
        Cache::open(folder.path()),
        Err(CacheError::NotPrivate { .. })
    ));
    let link = folder.path().join("link");
    let private = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(private.path(), &link).unwrap();
    assert!(matches!(
        Cache::open(&link),
        Err(CacheError::NotPrivate { .. })
    ));
}

#[test]
fn leftovers_and_old_files_go() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("cache");
    Cache::open(&folder).unwrap();
    fs::write(folder.join(".new-abc"), "half").unwrap();
    for n in 0..FILES_MAX + 3 {
        fs::write(folder.join(format!("{n}.code")), "x").unwrap();
    }
    Cache::open(&folder).unwrap();
    assert_eq!(fs::read_dir(&folder).unwrap().count(), FILES_MAX);
}
