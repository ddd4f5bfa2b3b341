//! What all instances depend on.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use identity::TrustAnchors;
use injector_core::Cluster;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::runtime::events::{Recorder, Reporter};
use kube::{Api, Client};
use operator_core::shared::{ExclusiveBindings, MODE, Plan};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::time::{Instant, sleep};

use crate::store::{News, Store};

const RESOLV_CONF: &str = "/etc/resolv.conf";
/// This in our own container means that tokens are mounted in this cluster.
const TOKENS: [&str; 2] = [
    "/var/run/secrets/dapr.io/sentrytoken/token",
    "/var/run/secrets/kubernetes.io/serviceaccount/token",
];
/// How long an answer about an account holds.
const ANSWER_HOLDS: Duration = Duration::from_mins(5);
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// What the environment says about instances.
#[derive(Clone, Debug)]
pub(crate) struct Environment {
    /// What shapes daprd, as the injector has it.
    pub(crate) cluster: Cluster,
    /// Image of the proxy.
    pub(crate) proxy_image: String,
    /// Whether daprd shows a token of its account to sentry.
    pub(crate) identity_token: bool,
}

/// What is said about daprd in its namespace.
#[derive(Debug)]
pub(crate) struct Resources {
    pub(crate) configurations: Arc<Store>,
    pub(crate) components: Arc<Store>,
}

/// What all instances depend on.
pub(crate) struct World {
    pub(crate) client: Client,
    pub(crate) environment: Environment,
    pub(crate) mtls: bool,
    pub(crate) anchors: TrustAnchors,
    pub(crate) resources: Resources,
    pub(super) recorder: Recorder,
    /// Version of the API server: major, minor.
    pub(super) version: (u32, u32),
    answers: Mutex<BTreeMap<(String, String), (bool, Instant)>>,
}

// === impl Environment ===

impl Environment {
    /// Reads the variables that `env` looks up; none, with a word about it, if instances can't be
    /// made with them.
    pub(crate) fn read(env: &dyn Fn(&str) -> Option<String>, scheduler: bool) -> Option<Self> {
        const PROXY: &str = "SHARED_PROXY_IMAGE";
        let resolv_conf = fs::read_to_string(RESOLV_CONF).unwrap_or_default();
        let (cluster, warnings) = Cluster::read(env, &resolv_conf, scheduler)
            .inspect_err(|error| tracing::warn!("no shared instances are made: {error}"))
            .ok()?;
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        let Some(proxy_image) = env(PROXY).filter(|image| !image.is_empty()) else {
            tracing::warn!(
                "no shared instances are made: the environment variable {PROXY} must be set"
            );
            return None;
        };
        Some(Self {
            cluster,
            proxy_image,
            identity_token: TOKENS.iter().any(|path| Path::new(path).exists()),
        })
    }

    /// How the pods of workloads get their daprd where neither they nor their namespace say.
    pub(crate) fn mode(&self) -> Option<String> {
        self.cluster.defaults.get(MODE).map(str::to_owned)
    }
}

// === impl Resources ===

impl Resources {
    /// Waits until all were listed: what is not known yet seems not to be there.
    pub(super) async fn listed(&self) {
        for store in [&self.configurations, &self.components] {
            store.available().await;
        }
    }

    /// What is heard of from now on, and all that is there.
    pub(super) fn news(&self) -> Arc<News> {
        let news = Arc::<News>::default();
        for store in [&self.configurations, &self.components] {
            store.tell(Arc::clone(&news));
        }
        news
    }
}

// === impl World ===

impl World {
    /// Asks the API server for its version, until it answers.
    pub(crate) async fn new(
        client: Client,
        environment: Environment,
        mtls: bool,
        anchors: TrustAnchors,
        resources: Resources,
    ) -> Self {
        let version = version(&client).await;
        Self {
            recorder: Recorder::new(
                client.clone(),
                Reporter::from("trilby.dev/shared-instances"),
            ),
            environment: Environment {
                cluster: environment.cluster.fit_to(version),
                ..environment
            },
            client,
            mtls,
            anchors,
            resources,
            version,
            answers: Mutex::default(),
        }
    }

    /// A digest of what an instance's Configuration says; none if it has none.
    pub(super) fn digest(&self, namespace: &str, configuration: Option<&str>) -> Option<String> {
        let known = self
            .resources
            .configurations
            .get(namespace, configuration?)?;
        let spec = known.to_value()["spec"].to_string();
        let digest = Sha256::digest(spec.as_bytes());
        let half = digest
            .first_chunk()
            .map_or(0, |half| u64::from_be_bytes(*half));
        Some(format!("{half:016x}"))
    }

    /// The bindings of which each instance gets a copy.
    pub(super) fn exclusive(&self, plan: &Plan) -> ExclusiveBindings {
        let components = self.resources.components.list(&plan.namespace);
        ExclusiveBindings::of(&components, plan.names.app_id(), plan.exclusive_bindings())
    }

    /// Whether the accounts of all bound workloads may read any Secret of the namespace. In doubt
    /// they may not.
    pub(super) async fn may_read_secrets(&self, plan: &Plan) -> bool {
        for account in plan.accounts() {
            if !self.may(&plan.namespace, account).await {
                return false;
            }
        }
        !plan.accounts().is_empty()
    }

    async fn may(&self, namespace: &str, account: &str) -> bool {
        let key = (namespace.to_owned(), account.to_owned());
        let known = self.answers.lock().get(&key).copied();
        if let Some((answer, since)) = known
            && since.elapsed() < ANSWER_HOLDS
        {
            return answer;
        }
        let answer = self.ask(namespace, account).await.unwrap_or_else(|error| {
            let error: &(dyn std::error::Error + 'static) = &error;
            tracing::warn!(
                error,
                namespace,
                account,
                "what an account may do is not known"
            );
            false
        });
        self.answers.lock().insert(key, (answer, Instant::now()));
        answer
    }

    async fn ask(&self, namespace: &str, account: &str) -> Result<bool, kube::Error> {
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: Some(format!("system:serviceaccount:{namespace}:{account}")),
                groups: Some(groups(namespace)),
                resource_attributes: Some(ResourceAttributes {
                    namespace: Some(namespace.to_owned()),
                    verb: Some("get".to_owned()),
                    resource: Some("secrets".to_owned()),
                    ..ResourceAttributes::default()
                }),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let api: Api<SubjectAccessReview> = Api::all(self.client.clone());
        let answered = api.create(&PostParams::default(), &review).await?;
        Ok(answered.status.is_some_and(|status| status.allowed))
    }
}

/// The groups that every account of a namespace is in.
fn groups(namespace: &str) -> Vec<String> {
    vec![
        "system:serviceaccounts".to_owned(),
        format!("system:serviceaccounts:{namespace}"),
        "system:authenticated".to_owned(),
    ]
}

async fn version(client: &Client) -> (u32, u32) {
    let mut wait = FIRST_WAIT;
    loop {
        match client.apiserver_version().await {
            Ok(info) => return (number(&info.major), number(&info.minor)),
            Err(error) => {
                let error: &(dyn std::error::Error + 'static) = &error;
                tracing::warn!(
                    error,
                    "the version of the API server can't be read; retrying"
                );
            }
        }
        sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// Some append a sign to the minor part.
fn number(text: &str) -> u32 {
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_default()
}
