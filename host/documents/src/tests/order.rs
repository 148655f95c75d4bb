//! Which step waits for which, by order and by `needs`.

use super::{set, with_steps};

/// A line of a table: steps, and for each node of the graph what it waits for; `~` before a
/// name says that it is only the order.
struct Case {
    name: &'static str,
    steps: &'static str,
    waits: &'static str,
}

const CASES: [Case; 9] = [
    Case {
        name: "as ever",
        steps: "{name: a, backup: x}
{name: b, backup: x}
{name: v, verify: x}
{name: s, target: local}",
        waits: "a: | b: ~a",
    },
    Case {
        name: "said",
        steps: "{name: a, backup: x}
{name: b, backup: x, needs: []}
{name: c, backup: x, needs: [a]}
{name: v, verify: x}
{name: s, target: local}",
        waits: "a: | b: | c: a",
    },
    Case {
        name: "a drill follows everything",
        steps: "{name: a, backup: x}
{name: v, verify: x}
{name: s, target: local}
{name: d, drill: {target: local}}",
        waits: "a: | d: a v s",
    },
    Case {
        name: "a drill that is said to need one target alone",
        steps: "{name: a, backup: x}
{name: v, verify: x}
{name: s, target: local}
{name: d, drill: {target: local}, needs: [s]}",
        waits: "a: | d: s",
    },
    Case {
        name: "an action and a gate before a backup",
        steps: "{name: act, action: x}
{name: gate, gate: {question: Go on?, choices: [{name: go, means: Yes}, {name: stop, means: No, ends: true}]}}
{name: a, backup: x}
{name: v, verify: x}
{name: s, target: local}",
        waits: "act: | gate: act | a: act gate",
    },
    Case {
        name: "a drill before a backup holds it up for nothing",
        steps: "{name: d, drill: {target: local}}
{name: a, backup: x}
{name: v, verify: x}
{name: s, target: local}",
        waits: "d: | a:",
    },
    Case {
        name: "under a hold",
        steps: "{name: a, backup: x}
{name: freeze, action: x, hold: {seconds: 60}}
{name: image, action: x, during: [freeze], orWithout: true}
{name: b, backup: x, during: [freeze]}
{name: v, verify: x}
{name: s, target: local}
{name: tell, action: x, when: always}",
        waits: "a: | freeze: a | image: a | b: ~a image | tell: a freeze image b v s",
    },
    Case {
        name: "two holds are asked for side by side",
        steps: "{name: one, action: x, hold: {seconds: 60}}
{name: two, action: x, hold: {seconds: 60, acquireSeconds: 5}}
{name: a, backup: x, during: [one, two]}
{name: v, verify: x}
{name: s, target: local}",
        waits: "one: | two: | a:",
    },
    Case {
        name: "nobody but steps for failures follows one for failures",
        steps: "{name: act, action: x}
{name: alarm, action: x, when: failure}
{name: more, action: x}
{name: sum, action: x, when: always}",
        waits: "act: | alarm: act | more: act | sum: act alarm more",
    },
];

#[test]
fn each_step_waits_for_what_it_says_or_for_what_stands_before() {
    for Case { name, steps, waits } in CASES {
        let lines: String = steps
            .lines()
            .map(|step| format!("    - {step}\n"))
            .collect();
        let set = set(&with_steps(&lines)).unwrap_or_else(|errors| panic!("{name}: {errors:?}"));
        let order = set.schedules().next().unwrap().value.spec.order();
        let told: Vec<String> = order
            .iter()
            .map(|node| {
                let needs = node.needs.iter();
                let needs = needs.map(|need| {
                    let mark = if need.is_order { "~" } else { "" };
                    format!(" {mark}{}", need.step)
                });
                format!("{}:{}", node.step, needs.collect::<String>())
            })
            .collect();
        assert_eq!(told.join(" | "), waits, "{name}");
    }
}
