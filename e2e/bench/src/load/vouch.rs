//! Certificates for sidecars that the API server vouches for, as in a cluster.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result};
use futures::future::join_all;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{callers::drive, sign::Starter};
use crate::{
    figures::Figure,
    running::Launch,
    service::{Maker, NAMESPACE, Service, Site, TRUST_DOMAIN},
    stage::Stage,
};

/// How many sidecars ask again and again, and how many start at the same moment.
const CALLERS: usize = 16;
const STARTERS: usize = 100;
const ACCOUNT: &str = "vouched";
const FILES: [&str; 3] = ["ca.crt", "issuer.crt", "issuer.key"];

/// A sentry of this maker, on the stage's authority, and sidecars with a pod and a token each.
pub(super) async fn run(stage: &Stage, maker: Maker, time: Duration) -> Result<Vec<Figure>> {
    furnish(stage)?;
    let name = format!("vouching-{}", maker.name());
    let site = Site::new(&stage.folder(&name)?)?;
    let launch = launch(stage, maker, &site)?;
    let (mut running, _) = launch.start_healthy(site.healthz).await?;
    let starters: Vec<_> = (0..STARTERS)
        .map(|number| starter(stage, &site, number))
        .collect::<Result<_>>()?;
    let mut figures = at_once(&starters).await;
    let mut connected = Vec::new();
    for starter in starters.iter().take(CALLERS) {
        connected.push(starter.connect().await?);
    }
    figures.extend(drive("certificates, vouched for", running.pid(), connected, time).await?);
    running.alive()?;
    running.interrupt().await?;
    Ok(figures)
}

/// All start at the same moment, and each asks once.
async fn at_once(starters: &[Starter]) -> Vec<Figure> {
    let begun = Instant::now();
    let answers = join_all(starters.iter().map(async |starter| {
        let mut connected = starter.connect().await?;
        connected.ask().await
    }));
    let refused = answers
        .await
        .iter()
        .filter(|answer| answer.is_err())
        .count();
    let refused = u32::try_from(refused).unwrap_or(u32::MAX);
    let what = format!("{STARTERS} vouched for start at once");
    vec![
        Figure::new(format!("{what}, refused"), "", f64::from(refused)),
        Figure::millis(format!("{what}, all answered"), begun.elapsed()),
    ]
}

fn starter(stage: &Stage, site: &Site, number: usize) -> Result<Starter> {
    let audience = format!("spiffe://{TRUST_DOMAIN}/ns/{NAMESPACE}/dapr-sentry");
    let token = stage.token(ACCOUNT, &pod_name(number), &audience)?;
    Starter::vouched(&stage.anchors(), site.port, &app_id(number), token)
}

fn launch(stage: &Stage, maker: Maker, site: &Site) -> Result<Launch> {
    for file in FILES {
        fs::copy(stage.anchors().with_file_name(file), site.folder.join(file))?;
    }
    let program = stage.binary(Service::Sentry, maker);
    let mut launch = Service::Sentry.launch(program, site, None);
    launch
        .arguments
        .retain(|flag| !flag.starts_with("-config="));
    launch.arguments.extend([
        "-mode=kubernetes".to_owned(),
        "-config=daprsystem".to_owned(),
        format!("-kubeconfig={}", stage.kubeconfig().display()),
    ]);
    launch.environment.push((
        "KUBERNETES_SERVICE_HOST".to_owned(),
        "by-kubeconfig".to_owned(),
    ));
    Ok(launch)
}

/// The authority, and the pods with their account. Both makers' turn finds the same.
fn furnish(stage: &Stage) -> Result<()> {
    let mut objects = vec![json!({"apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": ACCOUNT, "namespace": "default"}})];
    objects.extend(authority(&stage.anchors())?);
    objects.extend((0..STARTERS).map(pod));
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    stage.apply("pods that ask for certificates", &list.to_string())
}

fn authority(anchors: &Path) -> Result<[Value; 2]> {
    let read = |file: &str| {
        let path = anchors.with_file_name(file);
        fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
    };
    let metadata = json!({"name": "dapr-trust-bundle", "namespace": NAMESPACE});
    let [root, chain, key] = FILES.map(read);
    let root = root?;
    Ok([
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata,
            "stringData": {"ca.crt": root, "issuer.crt": chain?, "issuer.key": key?}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata,
            "data": {"ca.crt": root}}),
    ])
}

fn pod(number: usize) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": pod_name(number), "namespace": "default",
            "labels": {"dapr.io/sidecar-injected": "true"},
            "annotations": {"dapr.io/enabled": "true", "dapr.io/app-id": app_id(number)}},
        "spec": {"serviceAccountName": ACCOUNT, "automountServiceAccountToken": false,
            "containers": [{"name": "app", "image": "app"}]}})
}

fn pod_name(number: usize) -> String {
    format!("vouched-{number}")
}

fn app_id(number: usize) -> String {
    format!("app-{number}")
}
