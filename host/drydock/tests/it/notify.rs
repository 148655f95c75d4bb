//! Notifications of real runs: what a server hears of one that fails and of one that is good,
//! and what becomes of a run whose notification is refused.

use drydock_testkit::web::{Seen, WebServer};
use serde_json::Value;

use crate::world::{World, checkout, runtime};

/// What the URL keeps secret.
const PATH_SECRET: &str = "T0123456789abcdefXYZ";

const SNAPSHOT: &str = "{name: snapshot, backup: etcd-backup, backoffLimit: 0}";
const VERIFY: &str = "{name: verify, verify: etcd-verify}";
const STORE: &str = "{name: store, target: local}";

/// A node that tells a server.
struct Told {
    world: World,
    server: WebServer,
}

impl Told {
    /// With a schedule of these steps. `$hook` stands for the secret with the server's URL.
    fn new(mut world: World, steps: &[&str]) -> Self {
        let server = runtime().block_on(WebServer::http()).unwrap();
        world.extra_grants = format!(
            "---\napiVersion: drydock.dev/v1\nkind: PluginGrant\nmetadata: {{name: notify-webhook}}\nspec:\n  builtin: notify-webhook\n  grants:\n    http: [{{scheme: http, host: localhost, port: {}, addresses: [loopback]}}]\n    secret: [{{name: hook, reveal: true}}]\n",
            server.port()
        );
        world.write();
        let url = server.url(&format!("/{PATH_SECRET}"));
        std::fs::write(world.path("hook"), format!("{url}\n")).unwrap();
        let told = Self { world, server };
        told.schedule(steps);
        told
    }

    fn schedule(&self, steps: &[&str]) {
        let filled = |step: &&str| {
            let step = step.replace("$hook", "{hook: {valueFrom: {file: ../hook}}}");
            let step = step.replace("$server", &self.server.url(""));
            format!("    - {step}\n")
        };
        let steps: String = steps.iter().map(filled).collect();
        let text = format!(
            "apiVersion: drydock.dev/v1\nkind: Schedule\nmetadata: {{name: s1}}\nspec:\n  cluster: c1\n  schedule: \"@daily\"\n  steps:\n{steps}"
        );
        std::fs::write(self.world.path("schedules/schedule.yaml"), text).unwrap();
    }

    /// What the server heard at this path.
    fn heard(&self, path: &str) -> Vec<Seen> {
        let seen = self.server.seen().into_iter();
        seen.filter(|seen| seen.path.starts_with(path)).collect()
    }
}

fn json_of(seen: &Seen) -> Value {
    serde_json::from_slice(&seen.body).unwrap()
}

#[test]
fn a_backup_that_fails_is_told_with_step_code_and_sentence() {
    let tell = "{name: tell, action: notify-webhook, when: failure, secrets: $hook, config: {format: json, urlSecret: hook}}";
    let well =
        "{name: well, action: notify-webhook, config: {format: json, url: \"$server/well\"}}";
    let told = Told::new(World::alone(), &[SNAPSHOT, VERIFY, STORE, well, tell]);
    let (answer, run) = told.world.run();
    let answer = answer.code(1);
    assert!(told.heard("/well").is_empty(), "{}", answer.stderr);
    let heard = told.heard(&format!("/{PATH_SECRET}"));
    assert_eq!(heard.len(), 1, "{}", answer.stderr);
    let notice = json_of(&heard[0]);
    assert_eq!(notice["status"], "failed", "{notice}");
    assert_eq!(notice["run"], run["run"], "{notice}");
    assert_eq!(notice["schedule"], "s1");
    assert_eq!(notice["recoveryPoint"], Value::Null);
    let shown = &told.world.runs()[0];
    assert_eq!(
        notice["failure"]["code"], shown["fault"]["code"],
        "{notice}"
    );
    let states: Vec<_> = notice["steps"].as_array().unwrap().iter().collect();
    let states: Vec<_> = states
        .iter()
        .map(|step| format!("{} {}", step["name"], step["state"]).replace('"', ""))
        .collect();
    assert_eq!(
        states,
        [
            "snapshot failed",
            "well skipped",
            "verify skipped",
            "store skipped"
        ]
    );
    assert_eq!(notice["steps"][0]["code"], shown["fault"]["code"]);
    let all = format!("{}{}{shown}", answer.stdout, answer.stderr);
    assert!(!all.contains(PATH_SECRET), "{all}");
}

/// What was committed stays committed: whoever cannot be told of it is told of by the run.
#[test]
fn a_notification_that_is_refused_degrades_a_good_backup_and_no_more() {
    let tell = "{name: tell, action: notify-webhook, when: always, config: {format: json, url: \"$server/good\"}}";
    let refused = "{name: refused, action: notify-webhook, when: always, secrets: $hook, config: {format: ping, urlSecret: hook}}";
    let later = "{name: later, action: notify-webhook, when: always, config: {format: json, url: \"$server/later\"}}";
    let steps = [SNAPSHOT, VERIFY, STORE, tell, refused, later];
    let told = Told::new(World::new(), &steps);
    let url = told.server.url(&format!("/cannot/{PATH_SECRET}"));
    std::fs::write(told.world.path("hook"), url).unwrap();
    let (answer, _) = told.world.run();
    let answer = answer.code(2);
    let points = told.world.recovery_points();
    assert_eq!(points.len(), 1, "{}", answer.stderr);
    let good = json_of(&told.heard("/good")[0]);
    assert_eq!(good["status"], "good", "{good}");
    assert_eq!(good["recoveryPoint"], points[0].as_str());
    let shown = &told.world.runs()[0];
    assert_eq!(shown["outcome"], "Degraded", "{shown}");
    let sentence = "step refused failed: POST http://localhost:";
    let reasons = shown["reasons"].to_string();
    assert!(reasons.contains(sentence), "{shown}");
    assert!(reasons.contains("was answered by status 404"), "{shown}");
    // One that comes later hears of it.
    let later = json_of(&told.heard("/later")[0]);
    assert_eq!(later["status"], "degraded", "{later}");
    assert_eq!(later["steps"][2]["code"], "http-status", "{later}");
    let all = format!("{}{}{shown}{later}", answer.stdout, answer.stderr);
    assert!(!all.contains(PATH_SECRET), "{all}");
}

#[test]
fn a_secret_that_a_step_names_must_be_granted_and_no_other_must_be_there() {
    let plain = "{name: tell, action: notify-webhook, when: always, config: {format: json, url: \"$server/x\"}}";
    let told = Told::new(World::alone(), &[plain]);
    told.world.drydock(&["schedule", "check"]).ok();
    let other = "{name: tell, action: notify-webhook, when: always, secrets: {other: {valueFrom: {file: ../hook}}}, config: {format: slack, urlSecret: other}}";
    told.schedule(&[other]);
    let refused = told.world.drydock(&["schedule", "check"]).code(64);
    let sentence = "is a secret that plugin notify-webhook was not granted: add e.g. `secret: [{name: other, reveal: true}]`";
    assert!(refused.stderr.contains(sentence), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("schedule.yaml:8:"),
        "{}",
        refused.stderr
    );
    assert!(told.server.seen().is_empty());
}

/// The shipped schedule with its shipped grants, but for the places of files.
#[test]
fn the_shipped_schedule_is_taken_with_its_grants() {
    let mut world = World::alone();
    let shipped = checkout().join("schedules/examples");
    let grants = std::fs::read_to_string(shipped.join("grants.yaml")).unwrap();
    let own = |document: &&str| document.contains("builtin: notify-webhook");
    let grant = grants.split("\n---\n").find(own).unwrap();
    world.extra_grants = format!("---\n{grant}\n");
    world.write();
    for (file, value) in [
        (
            "ping-url",
            "https://hc-ping.com/5a3c0e1e-0000-4000-8000-000000000000",
        ),
        ("slack-url", "https://hooks.slack.com/services/T0/B0/x"),
        ("alertmanager-token", "a-token-of-some-length"),
    ] {
        std::fs::write(world.path(file), value).unwrap();
    }
    let text = std::fs::read_to_string(shipped.join("notify.yaml")).unwrap();
    let text = text
        .replace("cluster: production", "cluster: c1")
        .replace("target: backup-disk", "target: local")
        .replace("/etc/drydock/", &world.path(""));
    std::fs::write(world.path("schedules/schedule.yaml"), text).unwrap();
    world.drydock(&["schedule", "check"]).ok();
}
