//! Documents that are wrong: in their keys and values, as YAML, as files, between each
//! other. `schedule check` tells of all of it, and no verb goes on that needs it.

use crate::bad_input::Case;
use crate::world::World;

const SCHEDULE: &str = "schedules/schedule.yaml";
const CLUSTER: &str = "schedules/cluster.yaml";
const TARGET: &str = "schedules/target.yaml";
const GRANTS: &str = "grants/grants.yaml";

/// A case's name, its file, and the text that is exchanged.
type Slip = (&'static str, &'static str, &'static str, &'static str);

/// Each slip in a world of its own. The documents give it away.
fn refused_when(slips: &[Slip]) {
    for case in spoilt(slips) {
        case.does_not_load();
    }
}

fn spoilt(slips: &[Slip]) -> impl Iterator<Item = Case> {
    slips.iter().map(|(name, file, from, to)| {
        let case = Case::new(name, World::alone());
        case.edit(file, from, to);
        case
    })
}

const CRON: &str = "\"*/15 * * * *\"";

#[test]
fn keys_that_are_not_there_and_values_of_the_wrong_kind() {
    refused_when(&[
        (
            "key-unknown",
            SCHEDULE,
            "  schedule: ",
            "  timezone: UTC\n  schedule: ",
        ),
        (
            "key-unknown-top",
            TARGET,
            "kind: Target\n",
            "kind: Target\nsepc: {}\n",
        ),
        (
            "key-unknown-nested",
            CLUSTER,
            "    endpoints: ",
            "    endpionts: ",
        ),
        (
            "key-unknown-step",
            SCHEDULE,
            "verify, verify:",
            "verify, verfiy:",
        ),
        (
            "key-unknown-node",
            "drydock.yaml",
            "  grants: [",
            "  grant: [",
        ),
        ("key-missing", SCHEDULE, "  cluster: c1\n", ""),
        (
            "value-of-wrong-type",
            SCHEDULE,
            "  cluster: c1\n",
            "  cluster: [c1]\n",
        ),
        (
            "value-not-a-number",
            SCHEDULE,
            "  cluster: c1\n",
            "  cluster: c1\n  backoffLimit: three\n",
        ),
        ("kind-unknown", SCHEDULE, "kind: Schedule", "kind: Shedule"),
        (
            "version-unknown",
            SCHEDULE,
            "drydock.dev/v1",
            "drydock.dev/v2",
        ),
        ("grant-key-unknown", GRANTS, "    files: [", "    fiels: ["),
        (
            "grant-word-unknown",
            GRANTS,
            "member-list, status",
            "member-list, stat",
        ),
        (
            "grant-access-unknown",
            GRANTS,
            "access: write",
            "access: rw",
        ),
    ]);
}

#[test]
fn instants_that_cannot_be_read() {
    let zone = "  timeZone: Europe/Berln\n  schedule: ";
    refused_when(&[
        ("cron-field-wrong", SCHEDULE, CRON, "\"*/15 x * * *\""),
        ("cron-out-of-range", SCHEDULE, CRON, "\"0 24 * * *\""),
        ("cron-six-fields", SCHEDULE, CRON, "\"0 */15 * * * *\""),
        ("cron-name-misspelt", SCHEDULE, CRON, "\"0 3 * * MONN\""),
        ("cron-without-quotes", SCHEDULE, CRON, "*/15 * * * *"),
        ("zone-unknown", SCHEDULE, "  schedule: ", zone),
        (
            "zone-abbreviated",
            SCHEDULE,
            "  schedule: ",
            "  timeZone: CEST\n  schedule: ",
        ),
    ]);
}

#[test]
fn what_is_not_yaml() {
    refused_when(&[
        ("yaml-syntax", SCHEDULE, "  steps:\n", "  steps: [\n"),
        (
            "yaml-colon-in-text",
            SCHEDULE,
            "  cluster: c1\n",
            "  cluster: c1: c2\n",
        ),
        (
            "yaml-indentation",
            SCHEDULE,
            "  cluster: c1\n",
            "   cluster: c1\n",
        ),
        ("yaml-tab", SCHEDULE, "  cluster: c1\n", "\tcluster: c1\n"),
        (
            "yaml-key-twice",
            SCHEDULE,
            "  cluster: c1\n",
            "  cluster: c1\n  cluster: c2\n",
        ),
        (
            "yaml-alias-unknown",
            SCHEDULE,
            "  cluster: c1\n",
            "  cluster: *c1\n",
        ),
        (
            "yaml-not-a-mapping",
            SCHEDULE,
            "apiVersion: drydock.dev/v1\n",
            "- x\n---\n",
        ),
    ]);
}

#[test]
fn files_that_cannot_be_documents() {
    let bomb = (1..9).fold(
        "a0: &a0 [x, x, x, x, x, x, x, x]\n".to_owned(),
        |text, level| {
            let items = vec![format!("*a{}", level - 1); 8].join(", ");
            format!("{text}a{level}: &a{level} [{items}]\n")
        },
    );
    let files: [(&str, &str, Vec<u8>); 5] = [
        (
            "file-not-utf-8",
            "schedules/x.yaml",
            b"kind: \xff\xfe\n".to_vec(),
        ),
        (
            "file-too-large",
            "schedules/x.yaml",
            vec![b'#'; 8 * 1024 * 1024 + 1],
        ),
        ("file-alias-bomb", "schedules/x.yaml", bomb.into_bytes()),
        (
            "file-too-deep",
            "schedules/x.yaml",
            "[".repeat(10_000).into_bytes(),
        ),
        ("node-empty", "drydock.yaml", Vec::new()),
    ];
    for (name, file, bytes) in files {
        let case = Case::new(name, World::alone());
        case.put(file, bytes);
        case.does_not_load();
    }
}

#[test]
fn files_and_folders_that_are_not_there() {
    refused_when(&[
        (
            "folder-missing",
            "drydock.yaml",
            "[schedules]",
            "[shedules]",
        ),
        (
            "file-read-twice",
            "drydock.yaml",
            "[schedules]",
            "[schedules, schedules/target.yaml]",
        ),
    ]);
}

#[test]
fn a_folder_without_any_schedule() {
    let case = Case::new("folder-empty", World::alone());
    std::fs::create_dir(case.world.scratch.join("empty")).unwrap();
    case.edit("drydock.yaml", "[schedules]", "[empty]");
    case.refused(64, &["schedule", "check"]);
}

#[test]
fn a_node_configuration_that_is_not_there() {
    let case = Case::new("node-missing", World::alone());
    std::fs::remove_file(case.world.scratch.join("drydock.yaml")).unwrap();
    case.refused(64, &["schedule", "check"]);
}

/// The documents of a world once more, in a file beside the first.
fn again(name: &'static str, file: &str, copy: &str) {
    let case = Case::new(name, World::alone());
    let text = std::fs::read_to_string(case.world.scratch.join(file)).unwrap();
    case.put(copy, text);
    case.does_not_load();
}

#[test]
fn names_that_stand_twice() {
    again("schedule-twice", SCHEDULE, "schedules/z.yaml");
    again("target-twice", TARGET, "schedules/z/z.yml");
    again("grant-twice", GRANTS, "grants/z.yaml");
}

#[test]
fn two_grants_for_one_plugin() {
    let case = Case::new("grant-for-the-same-plugin", World::alone());
    case.put(
        "grants/z.yaml",
        "apiVersion: drydock.dev/v1\nkind: PluginGrant\nmetadata: {name: again}\nspec: {builtin: store-file}\n",
    );
    case.does_not_load();
}

#[test]
fn names_that_nothing_defines() {
    refused_when(&[
        ("cluster-unknown", SCHEDULE, "cluster: c1", "cluster: c11"),
        (
            "target-unknown",
            SCHEDULE,
            "target: local",
            "target: locale",
        ),
        (
            "grant-among-schedules",
            "drydock.yaml",
            "[schedules]",
            "[schedules, grants]",
        ),
        (
            "steps-in-wrong-order",
            SCHEDULE,
            "    - {name: verify, verify: etcd-verify, config: {}}\n    - {name: store, target: local}\n",
            "    - {name: store, target: local}\n    - {name: verify, verify: etcd-verify}\n",
        ),
    ]);
}

const VERIFY: &str = "    - {name: verify, verify: etcd-verify, config: {}}\n";

#[test]
fn steps_that_judge_what_they_cannot() {
    refused_when(&[
        (
            "judges-an-unknown-step",
            SCHEDULE,
            "verify: etcd-verify,",
            "verify: etcd-verify, verifies: [snapshto],",
        ),
        (
            "judges-a-verify-step",
            SCHEDULE,
            VERIFY,
            "    - {name: verify, verify: etcd-verify}\n    - {name: again, verify: etcd-verify, verifies: [verify]}\n",
        ),
        (
            "judges-said-of-a-backup-step",
            SCHEDULE,
            "backup: etcd-backup,",
            "backup: etcd-backup, verifies: [verify],",
        ),
        (
            "backup-step-that-nobody-judges",
            SCHEDULE,
            VERIFY,
            "    - {name: more, backup: etcd-backup}\n    - {name: verify, verify: etcd-verify, verifies: [snapshot]}\n",
        ),
    ]);
}

#[test]
fn steps_in_the_wrong_order() {
    refused_when(&[
        (
            "verify-step-first",
            SCHEDULE,
            "backup: etcd-backup,",
            "verify: etcd-verify,",
        ),
        (
            "no-step-judges",
            SCHEDULE,
            "verify: etcd-verify,",
            "backup: etcd-backup,",
        ),
        (
            "backup-step-after-a-verify-step",
            SCHEDULE,
            VERIFY,
            "    - {name: verify, verify: etcd-verify}\n    - {name: more, backup: etcd-backup}\n",
        ),
    ]);
}

#[test]
fn everything_wrong_is_told_at_once() {
    let case = Case::new("three-mistakes", World::alone());
    case.edit(SCHEDULE, "kind: Schedule", "kind: Shedule");
    case.edit(TARGET, "  plugin: ", "  plugins: ");
    case.edit(GRANTS, "access: write", "access: rw");
    case.refused(64, &["schedule", "check"]);
    case.refused(64, &["run", "s1"]);
    // It needs the target alone, whose line is told; see `rescue`.
    case.world.drydock(&["recovery-point", "list"]).code(64);
}

#[test]
fn a_schedule_that_is_not_there() {
    let case = Case::new("schedule-unknown", World::alone());
    case.refused(64, &["run", "s2"]);
}
