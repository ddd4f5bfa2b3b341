//! What placement counts. Names and rules are those of Dapr's
//! `pkg/placement/monitoring/metrics.go`.

use placement_core::Counts;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};

/// The gauges; clones show the same figures.
#[derive(Clone, Debug, Default)]
pub struct Gauges {
    runtimes: Family<Tenant, Gauge>,
    actor_runtimes: Family<Tenant, Gauge>,
    table_bytes: Family<Tenant, Gauge>,
    leader: Gauge,
    raft_leader: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Tenant {
    host_namespace: String,
}

// === impl Gauges ===

impl Gauges {
    /// Makes the gauges visible.
    pub fn register(&self, registry: &mut Registry) {
        let mut add = |name: &str, help: &str, family: &Family<Tenant, Gauge>| {
            registry.register(name, help, family.clone());
        };
        add(
            "dapr_placement_runtimes_total",
            "Sidecars connected",
            &self.runtimes,
        );
        add(
            "dapr_placement_actor_runtimes_total",
            "Sidecars connected that host actors",
            &self.actor_runtimes,
        );
        add(
            "dapr_placement_table_size_bytes",
            "Size of the last table sent; sidecars accept up to 4 MiB",
            &self.table_bytes,
        );
        let leader = "Whether this replica leads";
        registry.register("dapr_placement_leader_status", leader, self.leader.clone());
        registry.register(
            "dapr_placement_raft_leader_status",
            leader,
            self.raft_leader.clone(),
        );
    }

    pub(crate) fn lead(&self) {
        self.leader.set(1);
        self.raft_leader.set(1);
    }

    pub(crate) fn count(&self, namespace: &str, counts: Counts) {
        set(&self.runtimes, namespace, counts.runtimes);
        if let Some(actors) = counts.actor_runtimes {
            set(&self.actor_runtimes, namespace, actors);
        }
    }

    pub(crate) fn table(&self, namespace: &str, bytes: usize) {
        set(&self.table_bytes, namespace, bytes);
    }
}

fn set(family: &Family<Tenant, Gauge>, namespace: &str, value: usize) {
    let tenant = Tenant {
        host_namespace: namespace.into(),
    };
    family
        .get_or_create(&tenant)
        .set(i64::try_from(value).unwrap_or(i64::MAX));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(gauges: &Gauges) -> String {
        let mut registry = Registry::default();
        gauges.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text
    }

    #[test]
    fn leader_gauges_exist_from_the_start_and_once() {
        let gauges = Gauges::default();
        let samples = |text: &str| {
            let lines = text.lines().filter(|line| !line.starts_with('#'));
            let lines = lines.filter(|line| line.contains("dapr_placement_leader_status"));
            lines.map(ToOwned::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(samples(&text(&gauges)), ["dapr_placement_leader_status 0"]);
        gauges.lead();
        assert_eq!(samples(&text(&gauges)), ["dapr_placement_leader_status 1"]);
        assert!(text(&gauges).contains("\ndapr_placement_raft_leader_status 1\n"));
    }

    #[test]
    fn tenants_appear_when_counted_and_stay_at_zero() {
        let gauges = Gauges::default();
        assert!(!text(&gauges).contains("host_namespace"));
        gauges.count(
            "ns",
            Counts {
                runtimes: 1,
                actor_runtimes: None,
            },
        );
        assert!(!text(&gauges).contains("actor_runtimes_total{"));
        gauges.count(
            "ns",
            Counts {
                runtimes: 0,
                actor_runtimes: Some(0),
            },
        );
        let text = text(&gauges);
        assert!(
            text.contains("# TYPE dapr_placement_runtimes_total gauge\n"),
            "{text}"
        );
        assert!(
            text.contains("dapr_placement_runtimes_total{host_namespace=\"ns\"} 0\n"),
            "{text}"
        );
        assert!(
            text.contains("actor_runtimes_total{host_namespace=\"ns\"} 0\n"),
            "{text}"
        );
    }
}
