//! The names of an instance's objects.

use super::{GRPC_PORT, HTTP_PORT};
use crate::app_id::{self, AppIdError};

/// Longest name of an object here: a DNS label, as Services need it.
const LONGEST_NAME: usize = 63;
const TOKEN_SECRET: &str = "-shared-token";

/// The names of one instance's objects, all in the app's namespace. They differ from each other
/// and fit the 63 characters of a DNS label.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Names {
    app_id: String,
}

// === impl Names ===

impl Names {
    /// Most characters of an app-id with a shared instance.
    pub const LONGEST_APP_ID: usize = LONGEST_NAME - TOKEN_SECRET.len();

    /// The names for `app_id`.
    ///
    /// # Errors
    /// The app-id is empty, too long, or makes no name and label value. The message names
    /// annotation, value and remedy.
    pub fn of(app_id: &str) -> Result<Self, AppIdError> {
        if app_id.is_empty() {
            return Err(AppIdError::MissingForShared);
        }
        app_id::check(app_id, Self::LONGEST_APP_ID)?;
        if app_id.ends_with('-') {
            return Err(AppIdError::Label(app_id.into()));
        }
        Ok(Self {
            app_id: app_id.into(),
        })
    }

    /// The app-id.
    pub fn app_id(&self) -> &str {
        &self.app_id
    }

    /// The workload, its `ServiceAccount`, `Role`, `RoleBinding`, `NetworkPolicy`,
    /// `PodDisruptionBudget` and `HorizontalPodAutoscaler`, and the Service by which the app's pods
    /// reach it.
    pub fn instance(&self) -> String {
        format!("{}-shared", self.app_id)
    }

    /// The headless Service over the app's pods.
    pub fn app_service(&self) -> String {
        format!("{}-shared-app", self.app_id)
    }

    /// The Secret of the tokens.
    pub fn token_secret(&self) -> String {
        format!("{}{TOKEN_SECRET}", self.app_id)
    }

    /// The headless Service over the instance's pods by which other apps' daprds reach it, as for
    /// an app with sidecars (Dapr: `pkg/operator/handlers/dapr_handler.go`).
    pub fn dapr_service(&self) -> String {
        format!("{}-dapr", self.app_id)
    }

    /// The host by which the app's pods reach the instance; `domain` is the cluster's.
    pub fn host(&self, namespace: &str, domain: &str) -> String {
        format!("{}.{namespace}.svc.{domain}", self.instance())
    }

    /// The URLs by which the app's pods reach the instance's HTTP and gRPC APIs; `tls` is whether
    /// it speaks TLS at them.
    pub fn endpoints(&self, namespace: &str, domain: &str, tls: bool) -> [String; 2] {
        let host = self.host(namespace, domain);
        let scheme = if tls { "https" } else { "http" };
        [HTTP_PORT, GRPC_PORT].map(|port| format!("{scheme}://{host}:{port}"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rstest::rstest;

    use super::*;

    #[test]
    fn differ_and_fit_a_label() {
        let app_id = "a".repeat(Names::LONGEST_APP_ID);
        let names = Names::of(&app_id).unwrap();
        let all = [
            names.instance(),
            names.app_service(),
            names.token_secret(),
            names.dapr_service(),
        ];
        assert!(all.iter().all(|name| name.len() <= 63), "{all:?}");
        assert_eq!(all.iter().map(String::len).max(), Some(63));
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    }

    #[test]
    fn are_the_documented_ones() {
        let names = Names::of("checkout").unwrap();
        assert_eq!(names.app_id(), "checkout");
        assert_eq!(names.instance(), "checkout-shared");
        assert_eq!(names.app_service(), "checkout-shared-app");
        assert_eq!(names.token_secret(), "checkout-shared-token");
        assert_eq!(names.dapr_service(), "checkout-dapr");
        let host = names.host("shop", "cluster.local");
        assert_eq!(host, "checkout-shared.shop.svc.cluster.local");
    }

    #[rstest]
    #[case::missing("", "is missing")]
    #[case::too_long(&"a".repeat(51), "it has 51 characters, and 50 are the most")]
    #[case::upper("App", "lower case")]
    #[case::dot("a.b", "lower case")]
    #[case::trailing_dash("a-", "end with a letter or digit")]
    fn refuses_with_a_remedy(#[case] app_id: &str, #[case] says: &str) {
        let text = Names::of(app_id).unwrap_err().to_string();
        assert!(text.contains(says), "{text}");
        assert!(text.starts_with("dapr.io/app-id"), "{text}");
        assert!(text.ends_with("set dapr.io/app-id") || text.ends_with("change dapr.io/app-id"));
    }
}
