//! Certificates and keys: a schedule archives folders of the node, and the archive comes
//! back with everything that was there, through Drydock and without it.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use drydock_testkit::gnu_tar::packed;
use drydock_testkit::mounts::Mounts;
use drydock_testkit::tools;
use serde_json::Value;

use crate::bad_input::Case;
use crate::world::{Answer, World, checkout, files_under, fixture};

const FETCH: [&str; 2] = ["recovery-point", "fetch"];

/// A node whose only backup step archives `kubernetes`, in a cluster that nobody asks.
fn world(config: &str) -> World {
    let mut world = World::alone();
    let folder = world.scratch.join("kubernetes");
    std::fs::create_dir_all(folder.join("pki")).unwrap();
    for (file, text) in [
        ("pki/ca.crt", "certificate"),
        ("pki/ca.key", "private"),
        ("admin.conf", "kubeconfig"),
    ] {
        std::fs::write(folder.join(file), text).unwrap();
    }
    let verify = fixture("probe-verify");
    let digest = drydock_core::PluginDigest::of(&std::fs::read(&verify).unwrap());
    world.plugins = format!("    judge: {{file: {}}}\n", verify.display());
    world.extra_grants = format!(
        "---\napiVersion: drydock.dev/v1\nkind: PluginGrant\nmetadata: {{name: judge}}\nspec:\n  digest: {digest}\n  grants: {{}}\n---\napiVersion: drydock.dev/v1\nkind: PluginGrant\nmetadata: {{name: files-backup}}\nspec:\n  builtin: files-backup\n  grants:\n    files: [{{directory: {}, access: read}}]\n",
        folder.display()
    );
    world.write();
    let schedule = world.scratch.join("schedules/schedule.yaml");
    let text = std::fs::read_to_string(&schedule).unwrap();
    let text = text
        .replace(
            "backup: etcd-backup, config: {}",
            &format!(
                "backup: files-backup, config: {{artifact: pki, folders: [{}]{config}}}",
                folder.display()
            ),
        )
        .replace("verify: etcd-verify", "verify: judge")
        .replace("  steps:\n", "  backoffLimit: 0\n  steps:\n");
    std::fs::write(schedule, text).unwrap();
    world
}

fn recovery_point(world: &World) -> String {
    let (answer, run) = world.run();
    answer.ok();
    run["recoveryPoint"].as_str().unwrap().to_owned()
}

fn extract(world: &World, point: &str, to: &str, more: &[&str]) -> Command {
    let (to, identity) = (world.path(to), world.path("sealing.key"));
    let mut command = world.command(&FETCH);
    command.args([point, "--extract", &to, "--identity", &identity]);
    command.args(more);
    command
}

/// Extracting into `out` with the right identity ends with this code.
fn refuses_to_extract(case: &Case, code: i32, point: &str) {
    let (to, identity) = (case.world.path("out"), case.world.path("sealing.key"));
    let arguments = [point, "--extract", &to, "--identity", &identity];
    case.refused(code, &[&FETCH[..], &arguments].concat());
}

fn answer(mut command: Command) -> Answer {
    Answer::of(command.output().unwrap())
}

/// The scratch folder as archives name it: without the first `/`.
fn inner(world: &World) -> PathBuf {
    world.scratch.path().strip_prefix("/").unwrap().to_owned()
}

/// Where `kubernetes` lies in what was extracted.
fn inside(world: &World, to: &str) -> PathBuf {
    world.scratch.join(to).join(inner(world))
}

fn hide_inner(case: &mut Case) {
    let inner = inner(&case.world).display().to_string();
    case.hide(&inner, "<inner>");
}

/// No unfinished folder and no temporary file.
fn assert_nothing_beside(world: &World, to: &str) {
    let names = std::fs::read_dir(world.scratch.path()).unwrap();
    let left: Vec<_> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(&format!("{to}.")) || name.starts_with(".tmp"))
        .collect();
    assert_eq!(left, Vec::<String>::new());
}

/// A folder with all that makes archives difficult.
fn furnish(folder: &Path) {
    let path = |name: &str| folder.join(name);
    std::fs::write(path("empty"), "").unwrap();
    std::fs::write(path(&"n".repeat(200)), vec![5; 6_000_000]).unwrap();
    let sparse = std::fs::File::create(path("sparse")).unwrap();
    sparse.set_len(3_000_000).unwrap();
    std::fs::hard_link(path("pki/ca.key"), path("again")).unwrap();
    symlink("/usr/lib/os-release", path("link")).unwrap();
    std::fs::create_dir_all(path("d".repeat(120).as_str()).join("e".repeat(120))).unwrap();
    for number in 0..10_000 {
        std::fs::write(path(&format!("pki/{number}")), number.to_string()).unwrap();
    }
    std::os::unix::fs::lchown(path("pki/ca.key"), Some(12), Some(34)).unwrap();
    std::fs::set_permissions(path("pki/ca.key"), PermissionsExt::from_mode(0o4640)).unwrap();
    std::fs::set_permissions(path("pki"), std::fs::Permissions::from_mode(0o500)).unwrap();
    let flags = rustix::fs::XattrFlags::empty();
    // One each: GNU tar keeps several in the order in which the file system has them.
    for (at, name) in [("pki/ca.key", "user.note"), ("pki", "trusted.label")] {
        rustix::fs::setxattr(path(at), name, b"a\0b", flags).unwrap();
    }
}

#[test]
fn everything_comes_back_as_it_was() {
    let world = world(", required: [pki/ca.key, pki/ca.crt]");
    furnish(&world.scratch.join("kubernetes"));
    let point = recovery_point(&world);
    let told = answer(extract(
        &world,
        &point,
        "out",
        &["--artifact", "pki", "--output", "json"],
    ))
    .ok();
    let value: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(value["artifact"], "pki.tar");
    assert_eq!(
        (&value["files"], &value["links"]),
        (&10_006.into(), &2.into())
    );
    assert_eq!(
        (&value["ownersLost"], &value["attributesLost"]),
        (&0.into(), &0.into())
    );
    let at = inside(&world, "out");
    assert!(
        packed(&at, "kubernetes").unwrap() == packed(world.scratch.path(), "kubernetes").unwrap()
    );
    assert_nothing_beside(&world, "out");
    let mode = std::fs::metadata(world.scratch.join("out")).unwrap().mode();
    assert_eq!(mode & 0o7777, 0o700);
}

#[test]
fn artifacts_are_named_whole_or_without_their_extension() {
    let world = world("");
    let point = recovery_point(&world);
    for (number, name) in ["pki.tar", "pki"].into_iter().enumerate() {
        let to = world.path(&format!("fetched-{number}"));
        let identity = world.path("sealing.key");
        let fetched = world.drydock(&[
            "recovery-point",
            "fetch",
            &point,
            "--artifact",
            name,
            "--to",
            &to,
            "--identity",
            &identity,
        ]);
        fetched.ok();
        assert_eq!(
            files_under(Path::new(&to)),
            [Path::new(&to).join("pki.tar")]
        );
    }
    std::fs::create_dir(world.scratch.join("empty")).unwrap();
    answer(extract(&world, &point, "empty", &[])).ok();
    let key = inside(&world, "empty").join("kubernetes/pki/ca.key");
    assert_eq!(std::fs::read(key).unwrap(), b"private");
}

#[test]
fn what_stands_where_it_should_go_is_left_alone() {
    let mut case = Case::new("extract-onto-something", world(""));
    let point = recovery_point(&case.world);
    case.put("out/mine", "mine");
    case.hide(&point, "<point>");
    refuses_to_extract(&case, 1, &point);
}

#[test]
fn slips_on_the_command_line_are_told() {
    let refused = |name: &'static str, more: &[&str]| {
        let mut case = Case::new(name, world(""));
        let point = recovery_point(&case.world);
        case.hide(&point, "<point>");
        let to = case.world.path("out");
        case.refused(
            64,
            &[&[FETCH[0], FETCH[1], &point, "--extract", &to], more].concat(),
        );
    };
    refused("extract-unknown-artifact", &["--artifact", "pkl.tar"]);
    refused("extract-without-identity", &["--artifact", "pki"]);
}

#[test]
fn an_etcd_snapshot_is_no_archive() {
    let mut case = Case::new("extract-a-snapshot", World::new());
    case.world.backup_config = "{name: snapshot.db}".to_owned();
    case.world.write();
    let point = recovery_point(&case.world);
    refuses_to_extract(&case, 64, &point);
}

/// The plain archive fits and what is unpacked does not.
#[test]
fn a_full_disk_leaves_nothing() {
    let mut case = Case::new("extract-disk-full", world(""));
    std::fs::write(
        case.world.scratch.join("kubernetes/large"),
        vec![7; 3_000_000],
    )
    .unwrap();
    let point = recovery_point(&case.world);
    case.hides_numbers = true;
    hide_inner(&mut case);
    let (small, kept) = (
        case.world.scratch.join("small"),
        case.world.scratch.join("kept"),
    );
    let mounts = Mounts::new().small(&small, 4_500_000).keep(&small, &kept);
    let command = extract(&case.world, &point, "small/out", &[]);
    case.judge(1, answer(mounts.around(&command)));
    assert_eq!(std::fs::read_dir(kept).unwrap().count(), 0);
}

#[test]
fn a_read_only_place_is_told() {
    let case = Case::new("extract-read-only", world(""));
    let point = recovery_point(&case.world);
    let place = case.world.scratch.join("place");
    std::fs::create_dir(&place).unwrap();
    let mounts = Mounts::new().read_only(&place);
    let command = extract(&case.world, &point, "place/out", &[]);
    case.judge(1, answer(mounts.around(&command)));
}

/// Whoever is not root cannot give files away: all else comes back.
#[test]
fn without_root_the_owners_are_told_as_lost() {
    let mut case = Case::new("extract-without-root", world(""));
    let key = case.world.scratch.join("kubernetes/pki/ca.key");
    std::os::unix::fs::lchown(&key, Some(12), Some(34)).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o4755)).unwrap();
    let point = recovery_point(&case.world);
    hide_inner(&mut case);
    let without = |to: &str, more: &[&str]| {
        let inner = extract(&case.world, &point, to, more);
        let mut command = Command::new("setpriv");
        command.args(["--bounding-set=-chown,-sys_admin", "--inh-caps=-all", "--"]);
        command.arg(inner.get_program()).args(inner.get_args());
        answer(command)
    };
    case.judge(2, without("out", &[]));
    let key = inside(&case.world, "out").join("kubernetes/pki/ca.key");
    let metadata = std::fs::metadata(key).unwrap();
    assert_eq!((metadata.uid(), metadata.mode() & 0o7777), (0, 0o755));
    without("meant", &["--no-owners"]).ok();
}

/// A process that was killed leaves its folder, and the next one clears it.
#[test]
fn what_an_interrupted_fetch_left_is_removed_by_the_next() {
    let mut case = Case::new("extract-after-an-interrupted-one", world(""));
    let point = recovery_point(&case.world);
    hide_inner(&mut case);
    case.put("out.abcd1234.partial/etc/x", "half");
    for near in [
        "out.abcd123.partial/x",
        "outer.abcd1234.partial/x",
        "out.abcd-234.partial/x",
    ] {
        case.put(near, "mine");
    }
    let held = case.world.scratch.join("out.held5678.partial");
    std::fs::create_dir(&held).unwrap();
    let held = std::fs::File::open(held).unwrap();
    rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).unwrap();
    case.judge(0, answer(extract(&case.world, &point, "out", &[])));
    for (name, there) in [
        ("out.abcd1234.partial", false),
        ("out.abcd123.partial", true),
        ("outer.abcd1234.partial", true),
        ("out.abcd-234.partial", true),
        ("out.held5678.partial", true),
    ] {
        assert_eq!(case.world.scratch.join(name).exists(), there, "{name}");
    }
}

#[test]
fn a_backup_without_its_key_is_none() {
    let case = Case::new(
        "required-file-missing",
        world(", required: [pki/ca.key, pki/sa.key]"),
    );
    case.told(1, &["run", "s1"]);
    case.world.assert_nothing_left();
}

/// Makes something in the place of a key.
type Put = fn(&Path);

/// What stands in the place of `pki/ca.key`, by the name of the case.
const NO_KEYS: [(&str, Put); 6] = [
    ("required-link-leads-out", |key| {
        let elsewhere = key.parent().unwrap().join("../../elsewhere.key");
        std::fs::write(elsewhere, "private").unwrap();
        symlink("../../elsewhere.key", key).unwrap();
    }),
    ("required-link-leads-nowhere", |key| {
        symlink("gone.key", key).unwrap()
    }),
    ("required-link-in-a-circle", |key| {
        symlink("ca.key", key).unwrap()
    }),
    ("required-is-a-pipe", |key| {
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, key, kind, mode, 0).unwrap();
    }),
    ("required-is-a-folder", |key| {
        std::fs::create_dir(key).unwrap()
    }),
    ("required-is-empty", |key| std::fs::write(key, "").unwrap()),
];

/// A name is there, and the key is not: nobody may sleep on such a backup.
#[test]
fn a_backup_without_the_bytes_of_its_key_is_none() {
    for (name, put) in NO_KEYS {
        let case = Case::new(name, world(", required: [pki/ca.key]"));
        exchange_key(&case.world, put);
        case.told(1, &["run", "s1"]);
        case.world.assert_nothing_left();
    }
}

/// The same of the archive itself, whatever step made it.
#[test]
fn an_archive_without_the_bytes_of_its_key_is_refused() {
    for (_, put) in NO_KEYS {
        let world = requiring("kubernetes/pki/ca.key");
        exchange_key(&world, put);
        let (answer, run) = world.run();
        answer.code(1);
        let reason = run["reasons"][0].as_str().unwrap();
        assert!(reason.contains("names no file with bytes"), "{reason}");
        world.assert_nothing_left();
    }
    let world = requiring("kubernetes/pki/ca.key");
    let mut case = Case::new("require-link-leads-out", world);
    hide_inner(&mut case);
    exchange_key(&case.world, NO_KEYS[0].1);
    case.told(1, &["run", "s1"]);
    let world = requiring("kubernetes/pki/ca.key");
    world.run().0.ok();
}

#[test]
fn a_key_behind_links_that_stay_inside_is_there() {
    let world = world(", required: [pki/ca.key, pki/linked.key, keys/ca.key]");
    let folder = world.scratch.join("kubernetes");
    let whole = folder.join("pki").display().to_string();
    symlink("ca.key", folder.join("pki/linked.key")).unwrap();
    symlink(&whole, folder.join("keys")).unwrap();
    world.run().0.ok();
}

#[test]
fn a_link_that_leads_out_degrades_the_run_until_it_is_excluded() {
    let out = |world: &World| symlink("/srv/pki", world.scratch.join("kubernetes/more")).unwrap();
    let case = Case::new("link-leads-out", world(""));
    out(&case.world);
    case.told(2, &["run", "s1"]);
    let excluded = world(", exclude: [more]");
    out(&excluded);
    excluded.run().0.ok();
}

fn exchange_key(world: &World, put: fn(&Path)) {
    let key = world.scratch.join("kubernetes/pki/ca.key");
    std::fs::remove_file(&key).unwrap();
    put(&key);
}

/// A node whose archive has to hold this file of the scratch folder.
fn requiring(file: &str) -> World {
    let mut world = world("");
    world.extra_grants.push_str(
        "---\napiVersion: drydock.dev/v1\nkind: PluginGrant\nmetadata: {name: files-verify}\nspec:\n  builtin: files-verify\n",
    );
    let schedule = world.scratch.join("schedules/schedule.yaml");
    let text = std::fs::read_to_string(&schedule).unwrap();
    world.write();
    let require = world.scratch.join(file);
    let judge = format!(
        "verify: files-verify, config: {{require: [{}]}}",
        require.display()
    );
    let text = text.replace("verify: judge, config: {}", &judge);
    assert!(text.contains("files-verify"), "{text}");
    std::fs::write(schedule, text).unwrap();
    world
}

/// The commands of the operating page, by a stranger without Drydock.
#[test]
fn the_commands_of_the_operating_page_unpack_it() {
    let world = world("");
    furnish(&world.scratch.join("kubernetes"));
    let point = recovery_point(&world);
    let page = std::fs::read_to_string(checkout().join("docs/operating.md")).unwrap();
    let start = "```bash\n# certificates: open\n";
    let script = page
        .split(start)
        .nth(1)
        .unwrap()
        .split("\n```")
        .next()
        .unwrap();
    let out = world.scratch.folder("by-hand").unwrap();
    let folder = |program: PathBuf| program.parent().unwrap().display().to_string();
    let path = [
        folder(tools::age().unwrap()),
        folder(tools::zstd().unwrap()),
        std::env::var("PATH").unwrap(),
    ];
    let printed = drydock_testkit::program::run(
        Command::new("bash")
            .args(["-euo", "pipefail", "-c", script])
            .env("PATH", path.join(":"))
            .env("POINT", world.folder().join("c1").join(point))
            .env("IDENTITY", world.path("sealing.key"))
            .env("OUT", &out),
    );
    printed.unwrap();
    let at = inside(&world, "by-hand");
    assert!(
        packed(&at, "kubernetes").unwrap() == packed(world.scratch.path(), "kubernetes").unwrap()
    );
}
