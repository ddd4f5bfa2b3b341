//! Components, as sidecars list them and are told of their changes; and what a big cluster weighs.

mod crowd;
#[cfg(test)]
mod outlive;
mod pods;

use std::time::Duration;

use anyhow::{Context, Result};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, Patch, PatchParams},
};
use proto::operator::v1::{ListComponentsRequest, operator_client::OperatorClient};
use serde_json::{Value, json};
use tokio::time::Instant;
use tonic::transport::Channel;

use self::crowd::Crowd;
use super::callers::{Caller, drive};
use crate::{
    dialer::Dialer,
    figures::Figure,
    service::{NAMESPACE, Site},
    stage::Stage,
    usage,
};

const COMPONENTS: usize = 500;
/// How many sidecars list again and again, and how many are told of changes.
const CALLERS: usize = 16;
const STREAMS: usize = 200;
/// How often one Component changes, and how many change at once.
const CHANGES: usize = 20;
const BURST: usize = 40;
/// Between a change and the next.
const PAUSE: Duration = Duration::from_millis(50);

/// All figures of an operator that runs as process `pid`.
pub(super) async fn run(
    pid: u32,
    stage: &Stage,
    site: &Site,
    time: Duration,
) -> Result<Vec<Figure>> {
    let components: Vec<_> = (0..COMPONENTS).map(|number| component(number, 0)).collect();
    stage.apply("components", &list(&components).to_string())?;
    let sidecars = Sidecars::prepare(stage, site).await?;
    let mut callers = Vec::new();
    for _ in 0..CALLERS {
        callers.push(Lister(sidecars.connect().await?));
    }
    let mut figures = drive("500 Components listed", pid, callers, time).await?;
    figures.extend(changes(pid, stage, &sidecars).await?);
    figures.extend(pods::run(pid, stage).await?);
    Ok(figures)
}

/// Sidecars of one app.
struct Sidecars {
    dialer: Dialer,
}

struct Lister(OperatorClient<Channel>);

// === impl Sidecars ===

impl Sidecars {
    async fn prepare(stage: &Stage, site: &Site) -> Result<Self> {
        let dialer = Dialer::of_app(stage, "shop", "dapr-operator", site.port).await?;
        Ok(Self { dialer })
    }

    async fn connect(&self) -> Result<OperatorClient<Channel>> {
        let channel = self.dialer.channel("http://operator").await;
        let client = OperatorClient::new(channel.context("dial the operator")?);
        Ok(client.max_decoding_message_size(usize::MAX))
    }
}

impl Caller for Lister {
    async fn call(&mut self) -> Result<()> {
        let namespace = NAMESPACE.to_owned();
        let request = ListComponentsRequest { namespace };
        let listed = self.0.list_components(request).await;
        let count = listed.context("list Components")?.into_inner().components;
        anyhow::ensure!(count.len() == COMPONENTS, "{} Components", count.len());
        Ok(())
    }
}

/// From a change at the API server until all streams were told.
async fn changes(pid: u32, stage: &Stage, sidecars: &Sidecars) -> Result<Vec<Figure>> {
    let mut crowd = Crowd::gather(sidecars, STREAMS).await?;
    let api = components(stage).await?;
    let (mut times, before) = (Vec::new(), usage::cpu(pid)?);
    for version in 1..=CHANGES {
        let begun = Instant::now();
        change(&api, 0, version).await?;
        crowd.told(1).await?;
        times.push(begun.elapsed());
        tokio::time::sleep(PAUSE).await;
    }
    times.sort_unstable();
    let cpu = usage::cpu(pid)?.saturating_sub(before) / u32::try_from(CHANGES)?;
    let begun = Instant::now();
    for number in 0..BURST {
        change(&api, number, CHANGES + 1).await?;
    }
    crowd.told(BURST).await?;
    let burst = begun.elapsed();
    let middle = times.get(CHANGES / 2).copied().unwrap_or_default();
    Ok(vec![
        Figure::millis("a change, until the last of 200 streams has it", middle),
        Figure::millis("the same, CPU", cpu),
        Figure::millis("40 changes, until the last of 200 streams has them", burst),
    ])
}

async fn change(api: &Api<DynamicObject>, number: usize, version: usize) -> Result<()> {
    let patch = Patch::Merge(component(number, version));
    let name = format!("component-{number}");
    api.patch(&name, &PatchParams::default(), &patch).await?;
    Ok(())
}

async fn components(stage: &Stage) -> Result<Api<DynamicObject>> {
    let client: Client = process::kubernetes::client(Some(stage.kubeconfig())).await?;
    let resource = ApiResource {
        group: "dapr.io".into(),
        version: "v1alpha1".into(),
        api_version: "dapr.io/v1alpha1".into(),
        kind: "Component".into(),
        plural: "components".into(),
    };
    Ok(Api::namespaced_with(client, NAMESPACE, &resource))
}

/// The way one of a real cluster looks.
fn component(number: usize, version: usize) -> Value {
    let name = format!("component-{number}");
    let items = [
        ("redisHost", "redis.shop:6379".to_owned()),
        ("keyPrefix", "name".to_owned()),
        ("maxRetries", "3".to_owned()),
        ("version", version.to_string()),
    ];
    let metadata = items.map(|(name, value)| json!({"name": name, "value": value}));
    json!({"apiVersion": "dapr.io/v1alpha1", "kind": "Component",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"type": "state.redis", "version": "v1", "metadata": metadata}})
}

fn list(items: &[Value]) -> Value {
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}
