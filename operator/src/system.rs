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

/// A Configuration that the control plane cannot run with.
#[derive(Debug, thiserror::Error)]
pub enum SystemError {
    /// The trust domain is missing or cannot be one.
    #[error("the Configuration {name} has no valid mtls.controlPlaneTrustDomain")]
    TrustDomain {
        /// Name of the Configuration.
        name: String,
    },
    /// The address of sentry is missing.
    #[error("the Configuration {name} has no mtls.sentryAddress")]
    SentryAddress {
        /// Name of the Configuration.
        name: String,
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
            Ok(configuration) => return system(name, configuration),
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

fn system(name: &str, configuration: Configuration) -> Result<System, SystemError> {
    let mtls = configuration
        .spec
        .and_then(|spec| spec.mtls)
        .unwrap_or_default();
    let trust_domain = TrustDomain::new(mtls.control_plane_trust_domain.unwrap_or_default())
        .map_err(|_| SystemError::TrustDomain {
            name: name.to_owned(),
        })?;
    let sentry_address = mtls.sentry_address.filter(|address| !address.is_empty());
    Ok(System {
        mtls: mtls.enabled.unwrap_or(true),
        trust_domain,
        sentry_address: sentry_address.ok_or_else(|| SystemError::SentryAddress {
            name: name.to_owned(),
        })?,
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn read(mtls: &Value) -> Result<System, SystemError> {
        let configuration = json!({"metadata": {"name": "daprsystem"}, "spec": {"mtls": mtls}});
        system("daprsystem", serde_json::from_value(configuration).unwrap())
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

    #[rstest]
    #[case(json!(null), "mtls.controlPlaneTrustDomain")]
    #[case(json!({"controlPlaneTrustDomain": "a b", "sentryAddress": "s"}), "mtls.controlPlaneTrustDomain")]
    #[case(json!({"controlPlaneTrustDomain": "d", "sentryAddress": ""}), "mtls.sentryAddress")]
    fn what_is_missing_is_named(#[case] mtls: Value, #[case] expected: &str) {
        assert!(read(&mtls).unwrap_err().to_string().contains(expected));
    }
}
