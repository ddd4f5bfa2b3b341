//! Settings and pods for this crate's tests.

use serde_json::{Value, json};

use crate::{
    Actors, Callers, Cluster, Component, Defaults, Facts, Native, PullPolicy, Request,
    SecurityDefaults, Triage, Verdict, Warning, triage,
};

/// The settings of the example in the original's documentation, with everything off that is off
/// unless asked for.
pub(crate) fn cluster() -> Cluster {
    Cluster {
        image: "daprd:test".into(),
        pull_policy: PullPolicy::Always,
        namespace: "dapr-system".into(),
        domain: "cluster.local".into(),
        trust_domain: "cluster.local".into(),
        actors: Some(Actors::Placement("placement:50005".into())),
        reminders: None,
        scheduler: true,
        host_ip: false,
        native: Native::OfJobs,
        shutdown_delay: Some(0),
        entrypoint_tolerations: Vec::new(),
        sockets_folder: "/sockets".into(),
        defaults: Defaults::default(),
        security: SecurityDefaults {
            run_as_non_root: true,
            read_only_root: true,
            drop_all_capabilities: false,
            runtime_seccomp: false,
            run_as_user: None,
            run_as_group: None,
        },
    }
}

pub(crate) fn facts() -> Facts {
    Facts {
        trust_anchors: "PEM\n".into(),
        mtls: true,
        identity_token: false,
    }
}

/// An enabled pod with app-id `app1`, one container, and these annotations besides.
pub(crate) fn pod(annotations: &[(&str, &str)]) -> Value {
    let mut pod = json!({
        "metadata": {"name": "p1", "labels": {"l": "1"},
            "annotations": {"dapr.io/enabled": "true", "dapr.io/app-id": "app1"}},
        "spec": {"containers": [{"name": "main", "image": "app"}]},
    });
    for (key, value) in annotations {
        pod["metadata"]["annotations"][format!("dapr.io/{key}")] = json!(value);
    }
    pod
}

/// Triages `object` for a caller in `groups`.
pub(crate) fn triaged(object: &Value, groups: &[&str], cluster: &Cluster) -> Triage {
    triaged_with(object, groups, cluster, &Defaults::default())
}

/// The same in a namespace with `defaults`.
pub(crate) fn triaged_with(
    object: &Value,
    groups: &[&str],
    cluster: &Cluster,
    defaults: &Defaults,
) -> Triage {
    let request = json!({"uid": "u", "kind": {"kind": "Pod"}, "namespace": "default",
        "userInfo": {"username": "someone", "groups": groups}, "object": object});
    let request = request.to_string();
    let request: Request<'_> = serde_json::from_str(&request).unwrap();
    triage(&request, &Callers::new("", "").unwrap(), cluster, defaults)
}

pub(crate) struct Injected {
    pub(crate) pod: Value,
    pub(crate) patch: Value,
    pub(crate) warnings: Vec<Warning>,
}

/// Injects `object` and applies the patch.
pub(crate) fn injected(
    object: &Value,
    cluster: &Cluster,
    facts: &Facts,
    components: &[Component],
) -> Injected {
    let triage = triaged(object, &["system:masters"], cluster);
    let Verdict::Inject(candidate) = triage.verdict else {
        unreachable!("{triage:?}")
    };
    let injection = candidate.inject(cluster, facts, components).unwrap();
    let mut pod = object.clone();
    json_patch::patch(&mut pod, &injection.patch).unwrap();
    let patch = serde_json::to_value(&injection.patch).unwrap();
    Injected {
        pod,
        patch,
        warnings: injection.warnings,
    }
}

impl Injected {
    /// The container `name`.
    pub(crate) fn container(&self, name: &str) -> &Value {
        let containers = self.pod["spec"]["containers"].as_array().unwrap();
        containers
            .iter()
            .find(|container| container["name"] == name)
            .unwrap()
    }

    /// The names of the containers in `list`.
    pub(crate) fn names(&self, list: &str) -> Vec<&str> {
        let containers = self.pod["spec"][list].as_array().into_iter().flatten();
        containers
            .map(|container| container["name"].as_str().unwrap())
            .collect()
    }

    /// daprd's arguments in one line.
    pub(crate) fn args(&self) -> String {
        let args = self.container("daprd")["args"].as_array().unwrap();
        args.iter()
            .map(|arg| arg.as_str().unwrap())
            .collect::<Vec<_>>()
            .join(" ")
    }
}
