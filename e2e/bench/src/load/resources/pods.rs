//! The pods of a big cluster. Nothing runs them; they are there.

use anyhow::Result;
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, Error,
    api::{ListParams, PostParams},
};
use serde_json::json;
use tokio::time::{Duration, sleep};

use crate::{figures::Figure, stage::Stage, usage};

const PODS: usize = 10_000;
const AT_ONCE: usize = 64;
/// What there is to do about them is done by then.
const SETTLE: Duration = Duration::from_secs(5);
const REST: Duration = Duration::from_secs(5);

/// Memory and idle CPU of process `pid` among them. They stay, for the other maker's turn.
pub(super) async fn run(pid: u32, stage: &Stage) -> Result<Vec<Figure>> {
    // No controller makes it here.
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": "default", "namespace": "default"}});
    stage.apply("account of pods", &account.to_string())?;
    let client: Client = process::kubernetes::client(Some(stage.kubeconfig())).await?;
    let pods: Api<Pod> = Api::default_namespaced(client);
    let there = pods.list_metadata(&ListParams::default()).await?;
    if there.items.len() < PODS {
        let made = stream::iter(0..PODS).map(|number| make(&pods, number));
        made.buffer_unordered(AT_ONCE).try_collect::<()>().await?;
    }
    sleep(SETTLE).await;
    let before = usage::cpu(pid)?;
    sleep(REST).await;
    let used = usage::cpu(pid)?.saturating_sub(before);
    let resident = usage::memory(pid)?.resident * 1024;
    Ok(vec![
        Figure::bytes("RSS among 10,000 pods, 500 Components", resident),
        Figure::millis("CPU in 5 s among them, idle", used),
    ])
}

async fn make(pods: &Api<Pod>, number: usize) -> Result<()> {
    let pod = json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": format!("pod-{number}"),
            "labels": {"app": format!("app-{}", number / 10), "dapr.io/app-id": "shop",
                "dapr.io/sidecar-injected": "true"},
            "annotations": {"dapr.io/enabled": "true",
                "dapr.io/app-id": format!("app-{}", number / 10)}},
        "spec": {"automountServiceAccountToken": false,
            "containers": [{"name": "app", "image": "app"}, {"name": "daprd", "image": "daprd"}]}});
    let pod = serde_json::from_value(pod)?;
    match pods.create(&PostParams::default(), &pod).await {
        Err(Error::Api(status)) if status.code == 409 => Ok(()),
        made => Ok(made.map(drop)?),
    }
}
