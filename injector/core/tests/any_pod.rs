//! Whatever a pod looks like: the patch applies, adds daprd or its whereabouts once, takes nothing
//! away, and a second review changes nothing.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use injector_core::{
    Actors, Callers, Cluster, Component, Defaults, Facts, Native, PullPolicy, Request, Review,
    SecurityDefaults, Skip, Verdict, triage,
};
use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn cluster() -> Cluster {
    Cluster {
        image: "daprd".into(),
        pull_policy: PullPolicy::Always,
        namespace: "dapr-system".into(),
        domain: "cluster.local".into(),
        trust_domain: "cluster.local".into(),
        actors: Some(Actors::Placement("placement:50005".into())),
        reminders: None,
        scheduler: true,
        host_ip: true,
        native: Native::OfJobs,
        shutdown_delay: Some(7),
        entrypoint_tolerations: Vec::new(),
        sockets_folder: "/sockets".into(),
        defaults: Defaults::default(),
        security: SecurityDefaults {
            run_as_non_root: true,
            read_only_root: true,
            drop_all_capabilities: true,
            runtime_seccomp: true,
            run_as_user: None,
            run_as_group: None,
        },
    }
}

fn facts() -> Facts {
    Facts {
        trust_anchors: "PEM".into(),
        mtls: true,
        identity_token: true,
    }
}

fn verdict(object: &Value) -> Verdict {
    verdict_with(object, &Defaults::default())
}

fn verdict_with(object: &Value, defaults: &Defaults) -> Verdict {
    let request = json!({"uid": "u", "kind": {"kind": "Pod"}, "namespace": "ns",
        "userInfo": {"groups": ["system:masters"]}, "object": object})
    .to_string();
    let request: Request<'_> = serde_json::from_str(&request).unwrap();
    triage(
        &request,
        &Callers::new("", "").unwrap(),
        &cluster(),
        defaults,
    )
    .verdict
}

/// Any small JSON value.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        Just(Value::from("Pod")),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let key = prop_oneof![
            Just("metadata"),
            Just("name"),
            Just("annotations"),
            Just("spec"),
            Just("containers")
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..4).prop_map(|members| json!(members)),
        ]
    })
}

/// A place in a pod that is read: the object, and its member.
fn member() -> impl Strategy<Value = (&'static str, &'static str)> {
    prop::sample::select(vec![
        ("/metadata", "labels"),
        ("/metadata", "annotations"),
        ("/metadata", "ownerReferences"),
        ("/spec", "containers"),
        ("/spec", "initContainers"),
        ("/spec", "volumes"),
        ("/spec", "tolerations"),
        ("/spec", "securityContext"),
        ("/spec", "os"),
        ("/spec/containers/0", "name"),
        ("/spec/containers/0", "env"),
        ("/spec/containers/0", "volumeMounts"),
    ])
}

/// Every annotation that changes more than one value on daprd's command line.
fn annotations() -> impl Strategy<Value = Value> {
    let key = prop_oneof![
        Just("enable-native-sidecar"),
        Just("unix-domain-socket-path"),
        Just("volume-mounts"),
        Just("volume-mounts-rw"),
        Just("env"),
        Just("env-from-secret"),
        Just("app-port"),
        Just("pluggable-components"),
        Just("pluggable-components-sockets-folder"),
        Just("inject-pluggable-components"),
        Just("sidecar-cpu-limit"),
        Just("enable-debug"),
        Just("app-protocol"),
        Just("enable-metrics"),
        Just("placement-host-address"),
    ];
    let value = prop_oneof![
        Just("true".to_owned()),
        Just("c0,c1".to_owned()),
        Just("v0:/x,v1:/y".to_owned()),
        Just("A=1,B=s:k".to_owned()),
        Just("/s".to_owned()),
        Just(String::new()),
        ".{0,12}",
    ];
    prop::collection::btree_map(key, value, 0..8).prop_map(|pairs| {
        let mut all: Map<String, Value> = pairs
            .into_iter()
            .map(|(key, value)| (format!("dapr.io/{key}"), value.into()))
            .collect();
        all.insert("dapr.io/enabled".into(), "true".into());
        all.insert("dapr.io/app-id".into(), "app".into());
        all.into()
    })
}

/// A list that may be absent, `null`, or hold up to `most` values.
fn list(
    value: impl Strategy<Value = Value> + 'static,
    most: usize,
) -> BoxedStrategy<Option<Value>> {
    let values = prop::collection::vec(value, 0..=most).prop_map(|values| Some(values.into()));
    prop_oneof![1 => Just(None), 1 => Just(Some(Value::Null)), 6 => values].boxed()
}

/// An object of these members and one that nobody knows.
fn object(members: Vec<(&'static str, Option<Value>)>) -> Value {
    let mut object: Map<String, Value> = members
        .into_iter()
        .filter_map(|(key, value)| Some((key.into(), value?)))
        .collect();
    object.insert("fieldOfTheFuture".into(), json!({"kept": [1, null]}));
    object.into()
}

fn container() -> impl Strategy<Value = Value> {
    let variable = prop_oneof![
        Just("DAPR_HTTP_PORT"),
        Just("APP_PROTOCOL"),
        Just("DAPR_API_TOKEN"),
        Just("X")
    ];
    let variable = variable.prop_map(|name| object(vec![("name", Some(name.into()))]));
    let mount = (0..3, prop_oneof![Just("/s"), Just("/x")]).prop_map(|(volume, path)| {
        object(vec![
            ("name", Some(format!("v{volume}").into())),
            ("mountPath", Some(path.into())),
        ])
    });
    (list(variable, 2), list(mount, 2))
        .prop_map(|(env, mounts)| object(vec![("env", env), ("volumeMounts", mounts)]))
}

fn shared_mode() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("shared-deployment"), Just("shared-daemonset")]
}

/// Gives the values of a list the names `<prefix>0`, `<prefix>1` and so on.
fn named(list: Option<Value>, prefix: &str) -> Option<Value> {
    let mut list = list?;
    for (index, value) in list.as_array_mut().into_iter().flatten().enumerate() {
        value["name"] = format!("{prefix}{index}").into();
    }
    Some(list)
}

prop_compose! {
    fn pod()(
        annotations in annotations(),
        labels in prop_oneof![Just(None), Just(Some(Value::Null)), Just(Some(json!({}))), Just(Some(json!({"a": "b"})))],
        containers in list(container(), 4),
        init in list(container(), 2),
        volumes in list(Just(object(vec![])), 3),
        tolerations in list(Just(object(vec![("key", Some("k".into()))])), 1),
    ) -> Value {
        let spec = object(vec![
            ("containers", named(containers, "c")), ("initContainers", named(init, "i")),
            ("volumes", named(volumes, "v")), ("tolerations", tolerations),
        ]);
        let metadata = object(vec![
            ("name", Some("p".into())), ("labels", labels), ("annotations", Some(annotations)),
        ]);
        object(vec![("metadata", Some(metadata)), ("spec", Some(spec))])
    }
}

fn components() -> Vec<Component> {
    let component = |name: &str, container: &str| {
        serde_json::from_value(json!({"metadata": {"name": name,
            "annotations": {"dapr.io/component-container": container}}}))
        .unwrap()
    };
    vec![
        component(
            "k0",
            r#"{"image": "a", "volumeMounts": [{"name": "v0", "mountPath": "/a"}, {"name": "w", "mountPath": "/b"}]}"#,
        ),
        component(
            "c0",
            r#"{"image": "b", "volumeMounts": [{"name": "w", "mountPath": "/b"}]}"#,
        ),
        component("bad", "null"),
    ]
}

/// Whether all of `before` is in `after`, lists as their beginning; `null` counts as nothing.
fn survives(before: &Value, after: &Value) -> bool {
    match (before, after) {
        (Value::Null, _) => true,
        (Value::Object(before), Value::Object(after)) => before
            .iter()
            .all(|(key, value)| survives(value, after.get(key).unwrap_or(&Value::Null))),
        (Value::Array(before), Value::Array(after)) => {
            before.len() <= after.len() && before.iter().zip(after).all(|(b, a)| survives(b, a))
        }
        _ => before == after,
    }
}

fn names(pod: &Value, list: &str) -> Vec<String> {
    let values = pod["spec"][list].as_array().into_iter().flatten();
    values
        .map(|value| value["name"].as_str().unwrap().to_owned())
        .collect()
}

proptest! {
    #[test]
    fn is_injected_once_and_keeps_all_it_had(before in pod(), identity_token: bool, mtls: bool) {
        let Verdict::Inject(candidate) = verdict(&before) else { unreachable!("an enabled pod") };
        let facts = Facts { trust_anchors: "PEM".into(), mtls, identity_token };
        let components = if candidate.wants_components() { components() } else { Vec::new() };
        let injection = candidate.inject(&cluster(), &facts, &components).unwrap();
        let mut after = before.clone();
        json_patch::patch(&mut after, &injection.patch).unwrap();

        prop_assert!(survives(&before, &after), "{after}");
        let mut containers = names(&after, "containers");
        containers.extend(names(&after, "initContainers"));
        prop_assert_eq!(containers.iter().filter(|name| *name == "daprd").count(), 1);
        for mut all in [containers, names(&after, "volumes")] {
            let total = all.len();
            all.sort();
            all.dedup();
            prop_assert_eq!(all.len(), total, "names are unique");
        }
        prop_assert!(matches!(verdict(&after), Verdict::Skip(Skip::Injected, _)));
        for warning in &injection.warnings {
            prop_assert!(warning.as_str().chars().all(|c| !c.is_control()));
        }
    }

    #[test]
    fn is_bound_once_and_keeps_all_it_had(mut before in pod(), mode in shared_mode()) {
        before["metadata"]["annotations"]["trilby.dev/mode"] = mode.into();
        let Verdict::Bind(binding) = verdict(&before) else { unreachable!("a pod of a shared mode") };
        let binding = binding.bind(&cluster()).unwrap();
        let mut after = before.clone();
        json_patch::patch(&mut after, &binding.patch).unwrap();

        prop_assert!(survives(&before, &after), "{after}");
        for list in ["containers", "initContainers"] {
            prop_assert_eq!(names(&before, list), names(&after, list), "no daprd");
            for container in after["spec"][list].as_array().into_iter().flatten() {
                let told = container["env"].to_string();
                prop_assert_eq!(told.matches("\"DAPR_HTTP_ENDPOINT\"").count(), 1);
                prop_assert!(told.contains("\"DAPR_API_TOKEN\""));
            }
        }
        prop_assert_eq!(&after["metadata"]["labels"]["trilby.dev/bound-to"], "app");
        let Verdict::Bind(again) = verdict(&after) else { unreachable!("a bound pod") };
        prop_assert!(again.bind(&cluster()).unwrap().patch.is_empty());
    }

    #[test]
    fn no_body_makes_it_panic(body in prop_oneof![
        prop::collection::vec(any::<u8>(), 0..64),
        any_json().prop_map(|value| value.to_string().into_bytes()),
        (any_json(), any_json(), any_json()).prop_map(|(kind, user, object)| json!({"request": {
            "uid": object, "kind": kind, "userInfo": user, "object": object}}).to_string().into_bytes()),
        (pod(), any::<prop::sample::Index>()).prop_map(|(pod, end)| {
            let body = json!({"request": {"kind": {"kind": "Pod"}, "object": pod}}).to_string();
            body.as_bytes()[..end.index(body.len())].to_vec()
        }),
    ]) {
        if let Ok(review) = Review::read(&body) {
            let _ = triage(&review.request, &Callers::default(), &cluster(), &Defaults::default());
        }
    }

    #[test]
    fn no_member_of_a_pod_makes_it_panic(key in member(), value in any_json(), defaults in annotations()) {
        let mut pod = json!({"metadata": {"name": "p", "annotations":
            {"dapr.io/enabled": "true", "dapr.io/app-id": "app"}}, "spec": {"containers": [{}]}});
        pod.pointer_mut(key.0).unwrap()[key.1] = value;
        let mut all: BTreeMap<String, String> = serde_json::from_value(defaults).unwrap();
        let (defaults, _) = Defaults::new(all.clone());
        if let Verdict::Inject(candidate) = verdict_with(&pod, &defaults) {
            candidate.inject(&cluster(), &facts(), &[]).unwrap();
        }
        all.insert("trilby.dev/mode".into(), "shared-deployment".into());
        let (defaults, _) = Defaults::new(all);
        if let Verdict::Bind(binding) = verdict_with(&pod, &defaults) {
            binding.bind(&cluster()).unwrap();
        }
    }

    #[test]
    fn no_object_makes_it_panic(text in ".{0,40}", number: i64) {
        for object in [json!(text), json!(number), json!([text]), json!({"metadata": text}),
            json!({"metadata": {"annotations": {"dapr.io/enabled": "true", "dapr.io/app-id": text}}, "spec": {}})] {
            let _ = verdict(&object);
        }
    }
}

/// `count` containers with a variable and a mount each.
fn crowded(count: usize) -> Value {
    let container = |index| {
        json!({"name": format!("c{index}"), "image": "i", "env": [{"name": "X", "value": "1"}],
            "volumeMounts": [{"name": "v", "mountPath": "/v"}]})
    };
    let containers: Vec<_> = (0..count).map(container).collect();
    json!({"metadata": {"name": "p", "annotations": {"dapr.io/enabled": "true",
            "dapr.io/app-id": "app", "dapr.io/unix-domain-socket-path": "/s",
            "dapr.io/pluggable-components": "c1,c2"}},
        "spec": {"containers": containers, "volumes": [{"name": "v", "emptyDir": {}}]}})
}

#[test]
fn a_pod_of_500_containers_is_a_pod() {
    let before = crowded(500);
    let Verdict::Inject(candidate) = verdict(&before) else {
        unreachable!("an enabled pod")
    };
    let injection = candidate.inject(&cluster(), &facts(), &[]).unwrap();
    let mut after = before.clone();
    json_patch::patch(&mut after, &injection.patch).unwrap();
    assert!(survives(&before, &after));
    let containers = after["spec"]["containers"].as_array().unwrap();
    assert_eq!(containers.len(), 501);
    let told = |container: &&Value| container["env"].to_string().contains("DAPR_HTTP_PORT");
    assert_eq!(containers.iter().filter(told).count(), 498);
}
