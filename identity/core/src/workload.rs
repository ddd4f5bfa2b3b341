//! Who a Dapr process is.

use spiffe::{SpiffeId, SpiffeIdError, TrustDomain};

/// An app, or a control-plane service, of one namespace: `spiffe://<td>/ns/<namespace>/<app id>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Workload {
    /// The trust domain.
    pub trust_domain: TrustDomain,
    /// The Kubernetes namespace.
    pub namespace: String,
    /// The app id, or the service's name such as `dapr-sentry`.
    pub app_id: String,
}

/// A SPIFFE ID names no Dapr workload, or a workload has no SPIFFE ID.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum WorkloadError {
    /// The path is not `/ns/<namespace>/<app id>`.
    #[error("the SPIFFE ID {0} names no Dapr workload: its path is not /ns/<namespace>/<app id>")]
    Path(SpiffeId),
    /// A part is not legal in a SPIFFE ID.
    #[error("namespace \"{namespace}\" and app id \"{app_id}\" make no SPIFFE ID")]
    Segment {
        /// The namespace.
        namespace: String,
        /// The app id.
        app_id: String,
        /// What is illegal.
        #[source]
        source: SpiffeIdError,
    },
}

// === impl Workload ===

impl Workload {
    /// The workload of these parts; they are checked when an ID is made of them.
    pub fn new(
        trust_domain: TrustDomain,
        namespace: impl Into<String>,
        app_id: impl Into<String>,
    ) -> Self {
        Self {
            trust_domain,
            namespace: namespace.into(),
            app_id: app_id.into(),
        }
    }

    /// The workload's SPIFFE ID.
    ///
    /// # Errors
    /// If the namespace or the app id is empty or holds a character that SPIFFE forbids.
    pub fn spiffe_id(&self) -> Result<SpiffeId, WorkloadError> {
        let path = ["ns", &self.namespace, &self.app_id];
        SpiffeId::from_segments(self.trust_domain.clone(), &path).map_err(|source| {
            let (namespace, app_id) = (self.namespace.clone(), self.app_id.clone());
            WorkloadError::Segment {
                namespace,
                app_id,
                source,
            }
        })
    }
}

impl TryFrom<&SpiffeId> for Workload {
    type Error = WorkloadError;

    /// Segments after the app id are ignored, as Dapr's services do.
    fn try_from(id: &SpiffeId) -> Result<Self, Self::Error> {
        let mut segments = id.path().split('/').skip(1);
        match (segments.next(), segments.next(), segments.next()) {
            (Some("ns"), Some(namespace), Some(app_id)) => {
                let name = id.trust_domain_name();
                let trust_domain =
                    TrustDomain::new(name).map_err(|_| WorkloadError::Path(id.clone()))?;
                Ok(Self::new(trust_domain, namespace, app_id))
            }
            _ => Err(WorkloadError::Path(id.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn workload(namespace: &str, app_id: &str) -> Workload {
        Workload::new(
            TrustDomain::new("cluster.local").unwrap(),
            namespace,
            app_id,
        )
    }

    #[test]
    fn has_the_id_that_dapr_gives() {
        let id = workload("shop", "checkout").spiffe_id().unwrap();
        assert_eq!(id.to_string(), "spiffe://cluster.local/ns/shop/checkout");
    }

    #[test]
    fn ignores_further_segments() {
        let id = SpiffeId::new("spiffe://td/ns/shop/checkout/more").unwrap();
        assert_eq!(Workload::try_from(&id).unwrap().app_id, "checkout");
    }

    #[test]
    fn refuses_other_paths() {
        for path in ["", "/ns", "/ns/shop", "/sa/shop/checkout"] {
            let id = SpiffeId::new(format!("spiffe://td{path}")).unwrap();
            assert!(Workload::try_from(&id).is_err(), "{id}");
        }
    }

    #[test]
    fn refuses_illegal_segments() {
        assert!(workload("shop", "").spiffe_id().is_err());
        assert!(workload("shop", "a:b").spiffe_id().is_err());
        assert!(workload("a/b", "app").spiffe_id().is_err());
    }

    proptest! {
        #[test]
        fn round_trips(namespace in "[a-z0-9][a-z0-9-]{0,30}", app_id in "[a-zA-Z0-9_-]{1,40}") {
            let workload = workload(&namespace, &app_id);
            let id = workload.spiffe_id().unwrap();
            prop_assert_eq!(Workload::try_from(&id).unwrap(), workload);
        }
    }
}
