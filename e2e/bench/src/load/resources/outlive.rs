//! Sidecars outlive an operator that is killed while it tells them of changes.

use std::{collections::HashSet, path::Path, time::Duration};

use anyhow::{Context, Result};
use futures::future::join_all;
use proto::operator::v1::{ComponentUpdateRequest, ListComponentsRequest};
use serde_json::Value;
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

use super::{Sidecars, change, component, components, list};
use crate::{
    service::{Maker, NAMESPACE, Service},
    stage::Stage,
    usage,
};

const SIDECARS: usize = 2_000;
/// Components, each of which changes once.
const CHANGES: usize = 40;
/// Before a sidecar dials again.
const PAUSE: Duration = Duration::from_millis(200);
/// Longer than all of it takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(90);

#[tokio::test]
async fn streams_outlive_an_operator_that_is_killed_in_mid_update() {
    identity::install_crypto_provider();
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let stage = Stage::set(&workspace, &[Maker::Ours]).await.unwrap();
    let unchanged: Vec<_> = (0..CHANGES).map(|number| component(number, 0)).collect();
    let unchanged = list(&unchanged).to_string();
    stage.apply("components", &unchanged).unwrap();
    let (launch, site) = stage.launch(Service::Operator, Maker::Ours).unwrap();
    let (operator, _) = launch.start_healthy(site.healthz).await.unwrap();
    let sidecars = Sidecars::prepare(&stage, &site).await.unwrap();
    let (following, mut count) = watch::channel(0);
    let crowd = join_all((0..SIDECARS).map(|_| follow(&sidecars, &following)));
    let story = async {
        count.wait_for(|count| *count == SIDECARS).await.unwrap();
        let api = components(&stage).await.unwrap();
        for number in 0..CHANGES / 2 {
            change(&api, number, 1).await.unwrap();
        }
        drop(operator);
        for number in CHANGES / 2..CHANGES {
            change(&api, number, 1).await.unwrap();
        }
        (Instant::now(), launch.start_healthy(site.healthz).await)
    };
    let all = timeout(PATIENCE, async { tokio::join!(crowd, story) }).await;
    let (lives, (restarted, again)) = all.expect("not every sidecar knows every change");
    assert!(lives.iter().all(|lives| *lives > 1), "{lives:?}");
    let memory = usage::memory(again.unwrap().0.pid()).unwrap();
    let taken = restarted.elapsed();
    println!("{SIDECARS} sidecars know all {taken:?} after the kill; {memory:?}");
}

/// Lives until every change is known, as often as it takes; says how often it dialled.
async fn follow(sidecars: &Sidecars, following: &watch::Sender<usize>) -> u32 {
    let (mut changed, mut lives) = (HashSet::new(), 1);
    while live(sidecars, following, &mut changed).await.is_err() {
        lives += 1;
        sleep(PAUSE).await;
    }
    lives
}

/// As daprd does it: listens first, so that what changes while it lists is heard.
async fn live(
    sidecars: &Sidecars,
    following: &watch::Sender<usize>,
    changed: &mut HashSet<String>,
) -> Result<()> {
    let mut client = sidecars.connect().await?;
    let namespace = || NAMESPACE.to_owned();
    let all = ComponentUpdateRequest {
        namespace: namespace(),
    };
    let mut events = client.component_update(all).await?.into_inner();
    let all = ListComponentsRequest {
        namespace: namespace(),
    };
    let known = client.list_components(all).await?.into_inner().components;
    changed.extend(known.iter().filter_map(|each| name_of_changed(each)));
    following.send_modify(|count| *count += 1);
    while changed.len() < CHANGES {
        let event = events.message().await?.context("the stream ended")?;
        changed.extend(name_of_changed(&event.component));
    }
    Ok(())
}

/// The name of a Component in its newer version.
fn name_of_changed(encoded: &[u8]) -> Option<String> {
    let object: Value = serde_json::from_slice(encoded).ok()?;
    let mut items = object["spec"]["metadata"].as_array()?.iter();
    let version = items.find(|item| item["name"] == "version")?;
    let name = object["metadata"]["name"].as_str()?;
    (version["value"] == "1").then(|| name.to_owned())
}
