//! What the environment says.

use std::path::PathBuf;

use identity_core::TrustDomain;
use injector_core::{Callers, Cluster, EnvironmentError, PatternError};

use crate::Kubernetes;

const TRUST_ANCHORS: &str = "/var/run/dapr.io/tls/ca.crt";

/// All settings of the injector that don't come by flag.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What shapes the sidecars.
    pub cluster: Cluster,
    /// Who may have pods injected.
    pub callers: Callers,
    /// Trust domain of the control plane.
    pub trust_domain: TrustDomain,
    /// The file of the trust anchors.
    pub trust_anchors: PathBuf,
    /// `host:port` of sentry.
    pub sentry_address: String,
}

/// Why the environment can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// What shapes the sidecars can't be read.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// The trust domain is none.
    #[error(
        "the environment variable DAPR_CONTROL_PLANE_TRUST_DOMAIN is \"{0}\", which is not a \
         SPIFFE trust domain"
    )]
    TrustDomain(String),
    /// The allowed service accounts can't be read.
    #[error("the allowed service accounts could not be read")]
    Callers(#[source] PatternError),
}

/// The environment: a variable's value, if it is set.
type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

// === impl Settings ===

impl Settings {
    /// Reads the variables that `env` looks up. `resolv_conf` tells the cluster's domain where no
    /// variable does; `scheduler` says whether sidecars are told of the scheduler.
    ///
    /// # Errors
    /// A variable is missing, or its value can't be read.
    pub fn read(
        env: Lookup<'_>,
        resolv_conf: &str,
        scheduler: bool,
    ) -> Result<Self, SettingsError> {
        let (cluster, warnings) = Cluster::read(env, resolv_conf, scheduler)?;
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        let trust_anchors = env("DAPR_TRUST_ANCHORS_FILE").filter(|path| !path.is_empty());
        Ok(Self {
            callers: callers(env)?,
            trust_domain: TrustDomain::new(&cluster.trust_domain)
                .map_err(|_| SettingsError::TrustDomain(cluster.trust_domain.clone()))?,
            trust_anchors: trust_anchors.map_or_else(|| TRUST_ANCHORS.into(), PathBuf::from),
            sentry_address: env("DAPR_SENTRY_ADDRESS").unwrap_or_default(),
            cluster,
        })
    }

    /// Takes back what `kubernetes` is too old for; it would refuse the pods.
    pub(crate) async fn fit_to(self, kubernetes: &Kubernetes) -> Self {
        let version = kubernetes.version().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the cluster's version is not known; taking it for an old one");
            (0, 0)
        });
        Self {
            cluster: self.cluster.fit_to(version),
            ..self
        }
    }
}

fn callers(env: Lookup<'_>) -> Result<Callers, SettingsError> {
    const DEPRECATED: &str = "ALLOWED_SERVICE_ACCOUNTS_PREFIX_NAMES";
    let deprecated = env(DEPRECATED).unwrap_or_default();
    if !deprecated.is_empty() {
        tracing::warn!("{DEPRECATED} is deprecated: move its entries to ALLOWED_SERVICE_ACCOUNTS");
    }
    let allowed = env("ALLOWED_SERVICE_ACCOUNTS").unwrap_or_default();
    Callers::new(&allowed, &deprecated).map_err(SettingsError::Callers)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        let base = [("NAMESPACE", "dapr-system"), ("SIDECAR_IMAGE", "daprd")];
        let all: Vec<_> = variables.iter().chain(&base).copied().collect();
        let env = |name: &str| {
            let found = all.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Settings::read(&env, "", true)
    }

    #[rstest]
    #[case::unset(&[])]
    #[case::empty(&[("DAPR_CONTROL_PLANE_TRUST_DOMAIN", ""), ("DAPR_TRUST_ANCHORS_FILE", "")])]
    fn has_defaults(#[case] variables: &[(&str, &str)]) {
        let settings = read(variables).unwrap();
        assert_eq!(settings.trust_domain.to_string(), "cluster.local");
        assert_eq!(settings.trust_anchors.to_str(), Some(TRUST_ANCHORS));
    }

    #[test]
    fn refuses_what_it_can_not_use() {
        let domain = read(&[("DAPR_CONTROL_PLANE_TRUST_DOMAIN", "Not A Domain")]).unwrap_err();
        assert!(domain.to_string().contains("\"Not A Domain\""), "{domain}");
        let user = read(&[("SIDECAR_RUN_AS_USER", "root")]).unwrap_err();
        assert!(user.to_string().contains("SIDECAR_RUN_AS_USER"), "{user}");
        let account = read(&[("ALLOWED_SERVICE_ACCOUNTS", "name")]).unwrap_err();
        assert!(matches!(account, SettingsError::Callers(_)));
    }
}
