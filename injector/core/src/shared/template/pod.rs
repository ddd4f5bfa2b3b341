//! What holds daprd and the proxy together.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{
        KeyToPath, LocalObjectReference, PodSecurityContext, PodSpec, PodTemplateSpec,
        SeccompProfile, SecretVolumeSource, TopologySpreadConstraint, Volume,
    },
    apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta},
};

use super::{Instance, daprd::Daprd, proxy};
use crate::{
    Cluster, Facts,
    app_id::APP_ID,
    enabled::ENABLED,
    options::CONFIGURATION,
    patch::METRICS_ENABLED,
    shared::{ACCEPTED, INSTANCE, TOKEN},
    volumes,
};

/// Readable for all users of the pod, since nobody knows which user an image has.
const READABLE: i32 = 0o444;

// === impl Instance ===

impl Instance {
    pub(super) fn pods(
        &self,
        daprd: &Daprd<'_>,
        cluster: &Cluster,
        facts: &Facts,
    ) -> PodTemplateSpec {
        let metadata = ObjectMeta {
            labels: Some(self.labels(daprd)),
            annotations: Some(self.pod_annotations(daprd)),
            ..ObjectMeta::default()
        };
        PodTemplateSpec {
            metadata: Some(metadata),
            spec: Some(self.spec(daprd, cluster, facts)),
        }
    }

    fn spec(&self, daprd: &Daprd<'_>, cluster: &Cluster, facts: &Facts) -> PodSpec {
        let account = self.service_account.clone();
        PodSpec {
            init_containers: Some(vec![proxy::container(daprd, cluster)]),
            containers: vec![daprd.container(cluster, facts)],
            volumes: Some(volumes(daprd, cluster, facts)),
            service_account_name: Some(account.unwrap_or_else(|| self.names.instance())),
            automount_service_account_token: Some(true),
            enable_service_links: Some(false),
            termination_grace_period_seconds: Some(daprd.stop().seconds()),
            security_context: Some(security()),
            image_pull_secrets: self.pull_secrets(),
            priority_class_name: self.priority_class.clone(),
            node_selector: Some(self.nodes()),
            tolerations: Some(self.tolerations.clone()).filter(|all| !all.is_empty()),
            affinity: self.affinity.clone(),
            topology_spread_constraints: Some(self.spread()),
            ..PodSpec::default()
        }
    }

    fn labels(&self, daprd: &Daprd<'_>) -> BTreeMap<String, String> {
        let metrics = daprd.options.listen.metrics.to_string();
        let labels = [
            (INSTANCE, self.app_id()),
            (APP_ID, self.app_id()),
            (METRICS_ENABLED, &metrics),
        ];
        owned(labels)
    }

    /// Sentry, the operator and Dapr's tools read settings from here.
    fn pod_annotations(&self, daprd: &Daprd<'_>) -> BTreeMap<String, String> {
        let mut annotations = self.pod_annotations.clone();
        let settings = self
            .annotations
            .iter()
            .filter(|(key, _)| key.starts_with("dapr.io/"));
        annotations.extend(settings.map(|(key, value)| (key.clone(), value.clone())));
        annotations.extend(owned([(ENABLED, "true"), (APP_ID, self.app_id())]));
        let configuration = &daprd.options.services.configuration;
        if !configuration.is_empty() {
            annotations.insert(CONFIGURATION.into(), configuration.clone());
        }
        annotations
    }

    fn pull_secrets(&self) -> Option<Vec<LocalObjectReference>> {
        let secrets = self.pull_secrets.iter().cloned();
        let secrets: Vec<_> = secrets.map(|name| LocalObjectReference { name }).collect();
        Some(secrets).filter(|secrets| !secrets.is_empty())
    }

    fn nodes(&self) -> BTreeMap<String, String> {
        let mut nodes = self.node_selector.clone();
        nodes.insert("kubernetes.io/os".into(), "linux".into());
        nodes
    }

    fn spread(&self) -> Vec<TopologySpreadConstraint> {
        let evenly = || {
            let selector = LabelSelector {
                match_labels: Some(owned([(INSTANCE, self.app_id())])),
                ..LabelSelector::default()
            };
            vec![TopologySpreadConstraint {
                max_skew: 1,
                topology_key: "kubernetes.io/hostname".into(),
                when_unsatisfiable: "ScheduleAnyway".into(),
                label_selector: Some(selector),
                ..TopologySpreadConstraint::default()
            }]
        };
        let chosen = self.topology_spread_constraints.clone();
        chosen.unwrap_or_else(evenly)
    }
}

fn owned<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    let pairs = pairs.into_iter();
    pairs
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

fn volumes(daprd: &Daprd<'_>, cluster: &Cluster, facts: &Facts) -> Vec<Volume> {
    let identity = facts
        .identity_token
        .then(|| volumes::token(cluster.sentry_id()));
    let tokens = secret(
        proxy::TOKENS,
        &daprd.instance.names.token_secret(),
        &[ACCEPTED],
    );
    let container = &daprd.options.container;
    let own = &container.api_token_secret;
    let own = (!own.is_empty()).then(|| secret(proxy::OWN_TOKEN, own, &[TOKEN]));
    let tls = &container.api_tls_secret;
    let keys = [proxy::TLS_CERT, proxy::TLS_KEY];
    let tls = (!tls.is_empty()).then(|| secret(proxy::CERTIFICATE, tls, &keys));
    let of_proxy = [tokens].into_iter().chain(own).chain(tls);
    identity.into_iter().chain(of_proxy).collect()
}

fn secret(volume: &str, secret: &str, keys: &[&str]) -> Volume {
    let item = |key: &&str| KeyToPath {
        key: (*key).into(),
        path: (*key).into(),
        mode: None,
    };
    Volume {
        name: volume.into(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(secret.into()),
            default_mode: Some(READABLE),
            items: Some(keys.iter().map(item).collect()),
            optional: None,
        }),
        ..Volume::default()
    }
}

fn security() -> PodSecurityContext {
    PodSecurityContext {
        run_as_non_root: Some(true),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".into(),
            localhost_profile: None,
        }),
        ..PodSecurityContext::default()
    }
}
