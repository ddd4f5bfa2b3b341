//! Host names in certificates: only the services that the API server or etcd calls have any.

/// The host names of the service `app_id` of the control plane in `namespace`, whose own
/// namespace is `own_namespace`; none for every other workload.
///
/// `domain` is the cluster's DNS domain. The scheduler refuses to start without these very
/// names (Dapr: `pkg/sentry/server/server.go`).
pub fn names(app_id: &str, namespace: &str, own_namespace: &str, domain: &str) -> Vec<String> {
    if namespace != own_namespace {
        return Vec::new();
    }
    match app_id {
        "dapr-injector" => vec![format!("dapr-sidecar-injector.{namespace}.svc")],
        "dapr-operator" => vec![format!("dapr-webhook.{namespace}.svc")],
        "dapr-scheduler" => (0..3)
            .map(|index| scheduler(index, namespace, domain))
            .collect(),
        _ => Vec::new(),
    }
}

fn scheduler(index: u8, namespace: &str, domain: &str) -> String {
    format!("dapr-scheduler-server-{index}.dapr-scheduler-server.{namespace}.svc.{domain}")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::injector("dapr-injector", "ns", &["dapr-sidecar-injector.ns.svc"])]
    #[case::operator("dapr-operator", "ns", &["dapr-webhook.ns.svc"])]
    #[case::elsewhere("dapr-operator", "other", &[])]
    #[case::placement("dapr-placement", "ns", &[])]
    #[case::app("myapp", "ns", &[])]
    #[case::scheduler("dapr-scheduler", "ns", &[
        "dapr-scheduler-server-0.dapr-scheduler-server.ns.svc.cluster.local",
        "dapr-scheduler-server-1.dapr-scheduler-server.ns.svc.cluster.local",
        "dapr-scheduler-server-2.dapr-scheduler-server.ns.svc.cluster.local",
    ])]
    fn gives_names_to_three_services(
        #[case] app_id: &str,
        #[case] namespace: &str,
        #[case] expected: &[&str],
    ) {
        assert_eq!(names(app_id, namespace, "ns", "cluster.local"), expected);
    }
}
