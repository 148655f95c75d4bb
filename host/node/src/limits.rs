//! The limits of a plugin on this node: what its PluginGrant says, else what the node says
//! for all, else what fits most; never more than the node allows.

use std::time::Duration;

use drydock_documents::{DocumentSet, Limits, node::NodeConfigSpec};
use drydock_sandbox::Limits as Figures;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// Memory, counts and sizes of the documents fit into this platform's addresses.
const BOUNDED: &str = "the documents' bounds are below 4 GiB";

/// The figures in force for a plugin with these limits of its own.
pub fn in_force(node: &NodeConfigSpec, own: Option<&Limits>) -> Figures {
    figures(own, &node.limits, &node.limits_max)
}

/// The figures of a plugin that is tried where there is no node.
#[must_use]
pub fn plugin_limits(own: Option<&Limits>) -> Figures {
    figures(own, &Limits::default(), &Limits::default())
}

fn figures(own: Option<&Limits>, all: &Limits, most: &Limits) -> Figures {
    let usual = Figures::default();
    let figure = |of: fn(&Limits) -> Option<u64>, usual: u64| {
        let said = own.and_then(of).or_else(|| of(all));
        let most = of(most).unwrap_or(u64::MAX);
        said.unwrap_or(usual).min(most)
    };
    let size = |of, usual: usize, unit: u64| {
        let bytes = figure(of, usual as u64 / unit) * unit;
        usize::try_from(bytes).expect(BOUNDED)
    };
    let time = |of, usual: Duration| Duration::from_secs(figure(of, usual.as_secs()));
    let lines = u64::from(usual.log_lines_per_second_max);
    Figures {
        memory_bytes_max: size(Limits::guest_memory_mebibytes, usual.memory_bytes_max, MIB),
        table_elements_max: size(Limits::table_elements, usual.table_elements_max, 1),
        cpu_max: time(Limits::guest_cpu_seconds, usual.cpu_max),
        idle_max: time(Limits::idle_seconds, usual.idle_max),
        wall_max: time(Limits::step_wall_seconds, usual.wall_max),
        host_calls_max: figure(Limits::host_calls, usual.host_calls_max),
        handles_max: size(Limits::handles, usual.handles_max, 1),
        result_bytes_max: size(Limits::result_kibibytes, usual.result_bytes_max, KIB),
        log_bytes_max: size(Limits::log_kibibytes, usual.log_bytes_max, KIB),
        log_lines_per_second_max: u32::try_from(figure(Limits::log_lines_per_second, lines))
            .expect(BOUNDED),
        component_bytes_max: figure(Limits::component_mebibytes, usual.component_bytes_max / MIB)
            * MIB,
        compile_max: time(Limits::compile_seconds, usual.compile_max),
        stop_grace_max: time(Limits::stop_seconds, usual.stop_grace_max),
        ..usual
    }
}

/// The largest component that any plugin of this node may have: which grant is a
/// component's is known only by its digest, when it was read.
pub fn component_bytes_max(node: &NodeConfigSpec, documents: &DocumentSet) -> u64 {
    let own = documents
        .grants()
        .map(|grant| Some(&grant.value.spec.limits));
    own.chain([None])
        .map(|own| in_force(node, own).component_bytes_max)
        .max()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use drydock_documents::{self as documents, Document};

    use super::*;
    use crate::CAPABILITIES;

    const NODE: &str = "{apiVersion: drydock.dev/v1, kind: NodeConfig, metadata: {name: n}, spec: {state: /s, schedules: [/s], signingKey: {valueFrom: {file: /k}}, limits: {handles: 20, idleSeconds: 7}, limitsMax: {handles: 50, hostCalls: 5000}}}";

    const GRANT: &str = "{apiVersion: drydock.dev/v1, kind: PluginGrant, metadata: {name: g}, spec: {builtin: store-file, limits: {handles: 30, guestMemoryMebibytes: 32, logKibibytes: 2, componentMebibytes: 100}}}";

    #[test]
    fn the_grant_comes_first_and_the_most_is_the_most() {
        let node = documents::parse_node_config("node.yaml", NODE, &CAPABILITIES)
            .unwrap()
            .value;
        let Document::PluginGrant(grant) = documents::parse("g.yaml", GRANT, &CAPABILITIES)
            .unwrap()[0]
            .value
            .clone()
        else {
            panic!("a grant");
        };
        let own = in_force(&node.spec, Some(&grant.spec.limits));
        assert_eq!((own.handles_max, own.idle_max.as_secs()), (30, 7));
        assert_eq!((own.memory_bytes_max, own.log_bytes_max), (32 << 20, 2048));
        let all = in_force(&node.spec, None);
        assert_eq!((all.handles_max, all.host_calls_max), (20, 5000));
        assert_eq!(all.memory_bytes_max, Figures::default().memory_bytes_max);
    }

    #[test]
    fn a_component_may_be_as_large_as_the_most_generous_grant_says() {
        let node = documents::parse_node_config("node.yaml", NODE, &CAPABILITIES)
            .unwrap()
            .value;
        let none = component_bytes_max(&node.spec, &DocumentSet::default());
        assert_eq!(none, Figures::default().component_bytes_max);
        let grants = documents::parse("g.yaml", GRANT, &CAPABILITIES).unwrap();
        let set = DocumentSet::from_folders(Vec::new(), grants).unwrap();
        assert_eq!(component_bytes_max(&node.spec, &set), 100 * MIB);
    }
}
