//! One started injector, and what it answers.

use anyhow::{Context, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use json_patch::{Patch, PatchOperation};
use serde::Deserialize;
use serde_json::Value;

use super::cases::{Case, Settings};
use crate::{
    dialer::Dialer,
    running::Running,
    service::{Maker, Service},
    stage::Stage,
    webhook::{Webhook, review},
};

/// Both are told this beside what the stage tells them. What only ours can do is off: what is on by
/// itself would make every pod differ, for a reason that is written in docs/injection.md.
const ENVIRONMENT: [(&str, &str); 6] = [
    ("KUBE_CLUSTER_DOMAIN", "cluster.local"),
    (
        "IGNORE_ENTRYPOINT_TOLERATIONS",
        r#"[{"key":"virtual","operator":"Exists","effect":"NoSchedule"},
            {"key":"timed","operator":"Exists","effect":"NoExecute","tolerationSeconds":60}]"#,
    ),
    ("ALLOWED_SERVICE_ACCOUNTS", "team-?:deploy*"),
    ("NATIVE_SIDECAR_IN_JOBS", "false"),
    ("SIDECAR_DROP_ALL_CAPABILITIES", "false"),
    ("SIDECAR_SECCOMP_RUNTIME_DEFAULT", "false"),
];

/// A started injector.
pub(super) struct Injector {
    _running: Running,
    dialer: Dialer,
}

/// What an injector makes of a pod.
#[derive(Debug)]
pub(super) enum Answer {
    /// Allowed, with the pod after the patch, and the patch's operations and paths in order.
    Patched { pod: Value, order: Vec<String> },
    /// Allowed as it is.
    Unpatched,
    /// Refused with this message.
    Denied(String),
    /// The connection broke off.
    Silent,
}

#[derive(Deserialize)]
struct Reviewed {
    response: Response,
}

#[derive(Deserialize)]
struct Response {
    allowed: bool,
    #[serde(default)]
    status: Status,
    patch: Option<String>,
}

#[derive(Default, Deserialize)]
struct Status {
    #[serde(default)]
    message: String,
}

// === impl Injector ===

impl Injector {
    pub(super) async fn start(stage: &Stage, maker: Maker, told: &Settings) -> Result<Self> {
        let (mut launch, site) = stage.launch(Service::Injector, maker)?;
        let always = ENVIRONMENT.map(|(name, value)| (name.to_owned(), value.to_owned()));
        launch.environment.extend(always);
        launch.environment.extend(told.environment.clone());
        launch.arguments.extend(told.arguments.clone());
        let (running, _) = launch.start_healthy(site.healthz).await?;
        Ok(Self {
            _running: running,
            dialer: Dialer::new(&stage.anchors(), "dapr-injector", site.port)?,
        })
    }

    /// The answer to the review of `pod`, made as the case says. On a connection of its own, for
    /// one that breaks off must not be the next pod's.
    pub(super) async fn answer(&self, case: &Case, pod: &Value) -> Result<Answer> {
        let mut webhook = Webhook::connect(&self.dialer).await?;
        let review = review(pod, &case.namespace, &case.user);
        match webhook.review(review).await {
            Ok(body) => Answer::read(&body, pod)
                .with_context(|| format!("read {}", String::from_utf8_lossy(&body))),
            Err(error) if error.is::<hyper::Error>() => Ok(Answer::Silent),
            Err(error) => Err(error),
        }
    }
}

// === impl Answer ===

impl Answer {
    fn read(body: &[u8], pod: &Value) -> Result<Self> {
        let Reviewed { response } = serde_json::from_slice(body)?;
        match response.patch {
            _ if !response.allowed => Ok(Self::Denied(response.status.message)),
            None => Ok(Self::Unpatched),
            Some(patch) => Self::patched(&STANDARD.decode(patch)?, pod),
        }
    }

    fn patched(patch: &[u8], pod: &Value) -> Result<Self> {
        let patch: Patch = serde_json::from_slice(patch)?;
        let mut pod = pod.clone();
        json_patch::patch(&mut pod, &patch).context("apply the patch")?;
        let order = patch.0.iter().map(described).collect();
        Ok(Self::Patched { pod, order })
    }

    /// In words.
    pub(super) fn told(&self) -> String {
        match self {
            Self::Patched { .. } => "patched".into(),
            Self::Unpatched => "allowed as it is".into(),
            Self::Denied(message) => format!("denied: {message}"),
            Self::Silent => "no answer".into(),
        }
    }

    /// The pod after the patch.
    pub(super) const fn pod(&self) -> Option<&Value> {
        match self {
            Self::Patched { pod, .. } => Some(pod),
            _ => None,
        }
    }

    /// The operations in order.
    pub(super) fn order(&self) -> &[String] {
        match self {
            Self::Patched { order, .. } => order,
            _ => &[],
        }
    }
}

fn described(operation: &PatchOperation) -> String {
    let kind = match operation {
        PatchOperation::Add(_) => "add",
        PatchOperation::Remove(_) => "remove",
        PatchOperation::Replace(_) => "replace",
        PatchOperation::Move(_) => "move",
        PatchOperation::Copy(_) => "copy",
        PatchOperation::Test(_) => "test",
    };
    format!("{kind} {}", operation.path())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(response: &Value) -> Answer {
        let review = json!({"response": response}).to_string();
        Answer::read(review.as_bytes(), &json!({"spec": {}})).unwrap()
    }

    #[test]
    fn reads_answers() {
        assert!(matches!(read(&json!({"allowed": true})), Answer::Unpatched));
        let denied = read(&json!({"allowed": false, "status": {"message": "no"}}));
        assert!(matches!(denied, Answer::Denied(message) if message == "no"));
        let patch = json!([{"op": "add", "path": "/spec/a", "value": 1}]).to_string();
        let patched = read(&json!({"allowed": true, "patch": STANDARD.encode(patch)}));
        assert_eq!(patched.pod(), Some(&json!({"spec": {"a": 1}})));
        assert_eq!(patched.order(), ["add /spec/a"]);
    }
}
