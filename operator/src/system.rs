//! The settings of the control plane, from its Configuration.

use std::time::Duration;

use crds::configuration::Configuration;
use identity_core::TrustDomain;
use kube::{Api, Client};

/// Waits between attempts double from here.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// The settings of the control plane, as they were when this process started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct System {
    /// Whether sidecars talk to each other over TLS. This process always does.
    pub(crate) mtls: bool,
    pub(crate) trust_domain: TrustDomain,
    /// Host and port.
    pub(crate) sentry_address: String,
}

/// Where a Configuration says nothing, as the manifests of Dapr's documentation do.
const TRUST_DOMAIN: &str = "cluster.local";

/// A Configuration that the control plane cannot run with.
#[derive(Debug, thiserror::Error)]
pub enum SystemError {
    /// The trust domain cannot be one.
    #[error(
        "the Configuration {name} has \"{value}\" as mtls.controlPlaneTrustDomain: use lower-case \
         letters, digits, dots, dashes and underscores, such as {TRUST_DOMAIN}"
    )]
    TrustDomain {
        /// Name of the Configuration.
        name: String,
        /// What it says.
        value: String,
    },
}

/// Reads the Configuration, until the API server gives it.
pub(crate) async fn read(
    client: Client,
    namespace: &str,
    name: &str,
) -> Result<System, SystemError> {
    let api: Api<Configuration> = Api::namespaced(client, namespace);
    let mut wait = FIRST_WAIT;
    loop {
        match api.get(name).await {
            Ok(configuration) => return system(namespace, name, configuration),
            Err(error) => {
                let error: &(dyn std::error::Error + 'static) = &error;
                tracing::warn!(
                    error,
                    name,
                    namespace,
                    "the Configuration cannot be read; retrying"
                );
            }
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

fn system(
    namespace: &str,
    name: &str,
    configuration: Configuration,
) -> Result<System, SystemError> {
    let mtls = configuration
        .spec
        .and_then(|spec| spec.mtls)
        .unwrap_or_default();
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let domain = given(mtls.control_plane_trust_domain);
    let domain = domain.unwrap_or_else(|| TRUST_DOMAIN.to_owned());
    let address = given(mtls.sentry_address);
    Ok(System {
        mtls: mtls.enabled.unwrap_or(true),
        trust_domain: TrustDomain::new(&domain).map_err(|_| SystemError::TrustDomain {
            name: name.to_owned(),
            value: domain,
        })?,
        sentry_address: address.unwrap_or_else(|| format!("dapr-sentry.{namespace}.svc:443")),
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn read(mtls: &Value) -> Result<System, SystemError> {
        let configuration = json!({"metadata": {"name": "daprsystem"}, "spec": {"mtls": mtls}});
        system(
            "dapr-system",
            "daprsystem",
            serde_json::from_value(configuration).unwrap(),
        )
    }

    #[rstest]
    #[case(json!(null), true)]
    #[case(json!(false), false)]
    #[case(json!(true), true)]
    fn mtls_is_on_unless_it_is_off(#[case] enabled: Value, #[case] expected: bool) {
        let mtls = json!({
            "enabled": enabled, "controlPlaneTrustDomain": "cluster.local", "sentryAddress": "sentry:443",
        });
        assert_eq!(read(&mtls).unwrap().mtls, expected);
    }

    #[test]
    fn a_domain_that_cannot_be_one_is_named() {
        let error = read(&json!({"controlPlaneTrustDomain": "a b"})).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("daprsystem has \"a b\" as mtls.controlPlaneTrustDomain"));
    }

    #[rstest]
    #[case::nothing(json!(null))]
    #[case::empty(json!({"controlPlaneTrustDomain": "", "sentryAddress": ""}))]
    fn what_is_missing_has_a_default(#[case] mtls: Value) {
        let system = read(&mtls).unwrap();
        assert_eq!(system.trust_domain.as_str(), "cluster.local");
        assert_eq!(system.sentry_address, "dapr-sentry.dapr-system.svc:443");
    }
}
