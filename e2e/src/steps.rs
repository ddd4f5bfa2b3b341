//! What the product does, step by step, each with its proof.

mod certificates;
mod modes;

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use cluster::until;
use serde_json::Value;

use crate::{Apps, Kube, NAMESPACE, apps::LATE_COMPONENT};

pub use certificates::{certificate_chain, roots};
pub use modes::modes;

/// Long enough for what happens within a second or two.
const SOON: Duration = Duration::from_secs(30);

/// A step: what is claimed, and how it is proved.
pub type Step = (&'static str, fn(&Apps<'_>) -> Result<String>);

/// All steps, in the order in which they tell a story.
pub const STEPS: [Step; 14] = [
    ("annotated pods have a sidecar", sidecars),
    ("other pods are untouched", untouched),
    ("a wrong annotation is named", wrong_annotation),
    ("sidecars have our certificates", certificate_chain),
    ("the sidecar reads its Configuration", configuration),
    ("a Component gets its secret", secret_reference),
    ("state through localhost:3500", state),
    ("front invokes back", invocation),
    ("a message is published and received", publish_subscribe),
    ("an actor counts to 100", actor),
    ("a new Component is loaded at once", hot_reload),
    ("each app has its Service", service),
    ("one app, cold start and memory by mode", modes),
    ("a deleted app takes its Service along", service_goes),
];

/// The name of an application's newest ready pod.
///
/// # Errors
/// If there is none.
pub fn pod(kube: &Kube, app: &str) -> Result<String> {
    let selector = format!("app={app}");
    let words = [
        "get",
        "pods",
        "--namespace",
        NAMESPACE,
        "--selector",
        &selector,
    ];
    let pods = kube.json(&words)?;
    let live = |pod: &&Value| {
        let ready = pod["status"]["containerStatuses"]
            .as_array()
            .is_some_and(|all| !all.is_empty() && all.iter().all(|one| one["ready"] == true));
        pod["metadata"]["deletionTimestamp"].is_null() && ready
    };
    let found = pods["items"].as_array().into_iter().flatten().rfind(live);
    let name = found.and_then(|pod| pod["metadata"]["name"].as_str());
    Ok(name
        .with_context(|| format!("no ready pod of {app}"))?
        .to_owned())
}

fn call(apps: &Apps<'_>, app: &str, path: &str) -> Result<String> {
    apps.kube.call(&pod(apps.kube, app)?, path, None)
}

fn sidecars(apps: &Apps<'_>) -> Result<String> {
    let (front, back) = (pod(apps.kube, "front")?, pod(apps.kube, "back")?);
    for name in [&front, &back] {
        let pod = apps
            .kube
            .json(&["get", "pod", name, "--namespace", NAMESPACE])?;
        let containers = pod["spec"]["containers"]
            .as_array()
            .context("no containers")?;
        ensure!(
            containers.iter().any(|one| one["name"] == "daprd"),
            "{name} has no daprd"
        );
    }
    Ok(format!("{front} 2/2, {back} 2/2"))
}

fn untouched(apps: &Apps<'_>) -> Result<String> {
    let pod = apps
        .kube
        .json(&["get", "pod", "plain", "--namespace", NAMESPACE])?;
    let containers = pod["spec"]["containers"]
        .as_array()
        .context("no containers")?;
    ensure!(
        containers.len() == 1,
        "plain has {} containers",
        containers.len()
    );
    let ours = |key: &String| key.starts_with("dapr.io/");
    let metadata = [&pod["metadata"]["annotations"], &pod["metadata"]["labels"]];
    let keys: Vec<_> = metadata
        .iter()
        .filter_map(|map| map.as_object())
        .flatten()
        .collect();
    ensure!(
        !keys.iter().any(|(key, _)| ours(key)),
        "plain carries {keys:?}"
    );
    Ok("plain 1/1, no label or annotation of ours".to_owned())
}

fn wrong_annotation(apps: &Apps<'_>) -> Result<String> {
    let answer = apps
        .wrong_port()
        .unwrap_or_else(|refusal| format!("{refusal:#}"));
    let line = answer
        .lines()
        .find(|line| line.contains("dapr.io/app-port"));
    let line = line.with_context(|| format!("the answer names no annotation: {answer}"))?;
    ensure!(
        line.contains("abc"),
        "the answer does not say what was wrong: {line}"
    );
    Ok(line.trim().to_owned())
}

fn metadata(apps: &Apps<'_>, app: &str) -> Result<Value> {
    Ok(serde_json::from_str(&call(apps, app, "metadata")?)?)
}

fn configuration(apps: &Apps<'_>) -> Result<String> {
    let features = &metadata(apps, "front")?["enabledFeatures"];
    let enabled = features
        .as_array()
        .is_some_and(|all| all.iter().any(|one| one == "ActorStateTTL"));
    ensure!(enabled, "the sidecar enabled {features}");
    Ok(format!("enabled by Configuration demo: {features}"))
}

fn secret_reference(apps: &Apps<'_>) -> Result<String> {
    let answer = call(apps, "front", "binding/back-by-secret/hello")?;
    let back = pod(apps.kube, "back")?;
    ensure!(
        answer == back,
        "the binding answered {answer:?}, not {back}"
    );
    Ok(format!(
        "the address in Secret back-address leads to {back}"
    ))
}

fn state(apps: &Apps<'_>) -> Result<String> {
    let front = pod(apps.kube, "front")?;
    apps.kube
        .call(&front, "state/order", Some("{\"id\": 42}"))?;
    let read = apps.kube.call(&front, "state/order", None)?;
    let value: Value = serde_json::from_str(&read)?;
    ensure!(value["id"] == 42, "read {read}");
    Ok(format!("wrote and read {value}"))
}

fn invocation(apps: &Apps<'_>) -> Result<String> {
    let back = pod(apps.kube, "back")?;
    // The first call may meet a negative DNS answer from before the Service.
    let answer = until("front reaches back", SOON, || {
        let answer = call(apps, "front", "call/back/hello").ok();
        Ok(answer.filter(|answer| *answer == back))
    })?;
    Ok(format!("{answer} answered through both sidecars"))
}

fn publish_subscribe(apps: &Apps<'_>) -> Result<String> {
    let front = pod(apps.kube, "front")?;
    apps.kube
        .call(&front, "publish/orders", Some("{\"order\": 7}"))?;
    until("the message comes back", SOON, || {
        let received = apps.kube.call(&front, "received", None)?;
        Ok(received.contains("\"order\":7").then_some(()))
    })?;
    Ok("topic orders of pubsub.in-memory: order 7 arrived".to_owned())
}

fn actor(apps: &Apps<'_>) -> Result<String> {
    let front = pod(apps.kube, "front")?;
    let id = format!("demo-{}", std::process::id());
    for expected in 1..=100_u32 {
        let counted = apps.kube.call(&front, &format!("count/{id}"), None)?;
        ensure!(
            counted.trim() == expected.to_string(),
            "call {expected} counted {counted}"
        );
    }
    Ok(format!("counter/{id} in back, called by front: 100"))
}

fn hot_reload(apps: &Apps<'_>) -> Result<String> {
    let loaded = || -> Result<bool> {
        let components = metadata(apps, "front")?["components"].clone();
        Ok(components
            .as_array()
            .is_some_and(|all| all.iter().any(|one| one["name"] == "late")))
    };
    remove_late(apps)?;
    until("the sidecar drops Component late", SOON, || {
        Ok((!loaded()?).then_some(()))
    })?;
    apps.kube.apply(LATE_COMPONENT)?;
    let applied = std::time::Instant::now();
    until("the sidecar loads Component late", SOON, || {
        Ok(loaded()?.then_some(()))
    })?;
    let taken = applied.elapsed();
    remove_late(apps)?;
    Ok(format!(
        "loaded {:.1} s after kubectl apply, without a restart",
        taken.as_secs_f32()
    ))
}

fn remove_late(apps: &Apps<'_>) -> Result<()> {
    let words = [
        "delete",
        "component.dapr.io",
        "late",
        "--namespace",
        NAMESPACE,
    ];
    apps.kube
        .run(&[&words[..], &["--ignore-not-found"]].concat())?;
    Ok(())
}

fn service(apps: &Apps<'_>) -> Result<String> {
    for app in ["front-dapr", "back-dapr"] {
        let service = apps
            .kube
            .json(&["get", "service", app, "--namespace", NAMESPACE])?;
        ensure!(
            service["spec"]["clusterIP"] == "None",
            "{app} is not headless"
        );
    }
    Ok("front-dapr and back-dapr, headless".to_owned())
}

fn service_goes(apps: &Apps<'_>) -> Result<String> {
    apps.kube
        .run(&["delete", "deployment", "front", "--namespace", NAMESPACE])?;
    until("Service front-dapr goes", SOON, || {
        let words = ["get", "service", "front-dapr", "--namespace", NAMESPACE];
        match apps.kube.run(&words) {
            Ok(_) => Ok(None),
            Err(error) if format!("{error:#}").contains("NotFound") => Ok(Some(())),
            Err(error) => bail!(error),
        }
    })?;
    Ok("Deployment front deleted; Service front-dapr is gone".to_owned())
}
