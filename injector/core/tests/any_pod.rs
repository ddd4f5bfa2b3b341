//! Whatever a pod looks like: the patch applies, adds daprd once, takes nothing away, and a second
//! review changes nothing.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use injector_core::{
    Actors, Callers, Cluster, Component, Defaults, Facts, Native, PullPolicy, Request,
    SecurityDefaults, Skip, Verdict, triage,
};
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

fn verdict(object: &Value) -> Verdict {
    let request = json!({"uid": "u", "kind": {"kind": "Pod"}, "namespace": "ns",
        "userInfo": {"groups": ["system:masters"]}, "object": object})
    .to_string();
    let request: Request<'_> = serde_json::from_str(&request).unwrap();
    triage(
        &request,
        &Callers::new("", "").unwrap(),
        &cluster(),
        &Defaults::default(),
    )
    .verdict
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
    let variable = prop_oneof![Just("DAPR_HTTP_PORT"), Just("APP_PROTOCOL"), Just("X")];
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
    fn no_object_makes_it_panic(text in ".{0,40}", number: i64) {
        for object in [json!(text), json!(number), json!([text]), json!({"metadata": text}),
            json!({"metadata": {"annotations": {"dapr.io/enabled": "true", "dapr.io/app-id": text}}, "spec": {}})] {
            let _ = verdict(&object);
        }
    }
}
