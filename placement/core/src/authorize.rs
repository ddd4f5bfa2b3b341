//! Who may say what: the checks every inbound message passes, in the order Dapr makes them
//! (`pkg/placement/internal/authorizer`).

use identity_core::Workload;

use crate::{
    host::{Host, Operation},
    table::MESSAGE_LIMIT,
};

/// What is known of the client behind a stream.
#[derive(Clone, Debug)]
pub enum Client {
    /// The server runs without TLS: claims are believed.
    Plain,
    /// TLS, but no SPIFFE ID with a namespace and an app.
    Unidentified,
    /// TLS with a certificate of this workload. Its trust domain is not compared.
    Workload(Workload),
}

/// Why a message was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// mTLS is on, and the certificate names no workload.
    #[error("the client's certificate names no workload")]
    Unidentified,
    /// A version with no operation says neither what is reported nor what is acknowledged.
    #[error("a host message with a version needs an operation")]
    VersionWithoutOperation,
    /// Who is speaking is not said.
    #[error("a host message needs an app ID and a namespace")]
    Anonymous,
    /// The app ID is another's.
    #[error("app ID {claimed} is not that of the client's SPIFFE ID ({own})")]
    AppId {
        /// What the message says.
        claimed: String,
        /// What the certificate says.
        own: String,
    },
    /// The namespace is another's.
    #[error("namespace {claimed} is not that of the client's SPIFFE ID ({own})")]
    Namespace {
        /// What the message says.
        claimed: String,
        /// What the certificate says.
        own: String,
    },
    /// No sidecar would accept a table with this host in it.
    #[error("the host names more actor types than fit into a table")]
    Types,
    /// An internal actor type (workflows) of another app. The text is part of the contract.
    #[error("entity {entity} is not allowed for app ID {app_id} in namespace {namespace}")]
    Entity {
        /// The refused actor type.
        entity: String,
        /// The app that claims it.
        app_id: String,
        /// The namespace that claims it.
        namespace: String,
    },
}

/// Decides whether `client` may send `host`.
///
/// # Errors
/// The first check that fails.
pub fn authorize(client: &Client, host: &Host) -> Result<(), Refusal> {
    if matches!(client, Client::Unidentified) {
        return Err(Refusal::Unidentified);
    }
    if host.operation == Operation::Unknown && host.version.is_some() {
        return Err(Refusal::VersionWithoutOperation);
    }
    if host.id.is_empty() || host.namespace.is_empty() {
        return Err(Refusal::Anonymous);
    }
    if let Client::Workload(workload) = client {
        own_name(workload, host)?;
    }
    own_entities(host)?;
    if weight(host) > MESSAGE_LIMIT {
        return Err(Refusal::Types);
    }
    Ok(())
}

/// What a table has to hold for this host alone, in bytes: its name, twice, and its app ID for
/// each type.
fn weight(host: &Host) -> usize {
    let each = 2 * host.name.len() + host.id.len();
    host.entities.iter().map(|entity| entity.len() + each).sum()
}

fn own_name(workload: &Workload, host: &Host) -> Result<(), Refusal> {
    if host.id != workload.app_id {
        let (claimed, own) = (host.id.clone(), workload.app_id.clone());
        return Err(Refusal::AppId { claimed, own });
    }
    if host.namespace != workload.namespace {
        let (claimed, own) = (host.namespace.clone(), workload.namespace.clone());
        return Err(Refusal::Namespace { claimed, own });
    }
    Ok(())
}

fn own_entities(host: &Host) -> Result<(), Refusal> {
    match host.entities.iter().find(|entity| !is_own(entity, host)) {
        None => Ok(()),
        Some(entity) => Err(Refusal::Entity {
            entity: entity.clone(),
            app_id: host.id.clone(),
            namespace: host.namespace.clone(),
        }),
    }
}

/// `dapr.internal.<namespace>.<app ID>[.more]` belongs to that app; any other name is free.
fn is_own(entity: &str, host: &Host) -> bool {
    let mut parts = entity.split('.');
    if (parts.next(), parts.next()) != (Some("dapr"), Some("internal")) {
        return true;
    }
    parts.next() == Some(&host.namespace) && parts.next() == Some(&host.id)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn host(id: &str, namespace: &str, entities: &[&str]) -> Host {
        Host {
            id: id.into(),
            namespace: namespace.into(),
            entities: entities.iter().map(ToString::to_string).collect(),
            ..Host::default()
        }
    }

    fn workload(app_id: &str, namespace: &str) -> Client {
        let id = format!("spiffe://elsewhere/ns/{namespace}/{app_id}");
        let id = id.parse::<identity_core::SpiffeId>().unwrap();
        Client::Workload(Workload::try_from(&id).unwrap())
    }

    #[rstest]
    #[case("mytype", true)]
    #[case("dapr", true)]
    #[case("daprx.internal", true)]
    #[case("dapr.internal", false)]
    #[case("dapr.internal.", false)]
    #[case("dapr.internal.default", false)]
    #[case("dapr.internal.default.", false)]
    #[case("dapr.internal.default.app-1", true)]
    #[case("dapr.internal.default.app-1.workflow", true)]
    #[case("dapr.internal.default.app-1.bar.foo", true)]
    #[case("dapr.internal.default.app-2", false)]
    #[case("dapr.internal.other.app-1", false)]
    fn keeps_internal_types_to_their_app(#[case] entity: &str, #[case] allowed: bool) {
        let host = host("app-1", "default", &["free", entity]);
        for client in [Client::Plain, workload("app-1", "default")] {
            assert_eq!(authorize(&client, &host).is_ok(), allowed, "{entity}");
        }
    }

    #[test]
    fn words_the_refusal_of_a_type_as_clients_expect() {
        let refusal = authorize(&Client::Plain, &host("a", "ns", &["dapr.internal"])).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "entity dapr.internal is not allowed for app ID a in namespace ns"
        );
    }

    #[rstest]
    #[case::own("app-1", "default", None)]
    #[case::no_namespace("app-1", "", Some(Refusal::Anonymous))]
    #[case::no_id("", "default", Some(Refusal::Anonymous))]
    #[case::other_app("app-2", "default",
        Some(Refusal::AppId { claimed: "app-2".into(), own: "app-1".into() }))]
    #[case::other_namespace("app-1", "foo",
        Some(Refusal::Namespace { claimed: "foo".into(), own: "default".into() }))]
    fn compares_claims_with_the_certificate(
        #[case] id: &str,
        #[case] namespace: &str,
        #[case] refusal: Option<Refusal>,
    ) {
        let answer = authorize(&workload("app-1", "default"), &host(id, namespace, &[]));
        assert_eq!(answer.err(), refusal);
    }

    #[test]
    fn needs_an_operation_with_a_version_but_not_the_reverse() {
        let mut host = host("a", "ns", &[]);
        host.version = Some(0);
        assert_eq!(
            authorize(&Client::Plain, &host),
            Err(Refusal::VersionWithoutOperation)
        );
        (host.operation, host.version) = (Operation::Lock, None);
        assert_eq!(authorize(&Client::Plain, &host), Ok(()));
    }

    #[test]
    fn asks_for_an_identity_before_anything_else() {
        let answer = authorize(&Client::Unidentified, &Host::default());
        assert_eq!(answer, Err(Refusal::Unidentified));
    }

    #[test]
    fn a_host_that_no_table_can_hold_is_refused() {
        let mut host = Host {
            name: "10.0.0.1:50002".into(),
            ..host("app", "default", &[])
        };
        host.entities = (0..50_000).map(|number| format!("type-{number}")).collect();
        assert_eq!(authorize(&Client::Plain, &host), Ok(()));
        host.entities = (0..150_000)
            .map(|number| format!("type-{number}"))
            .collect();
        assert_eq!(authorize(&Client::Plain, &host), Err(Refusal::Types));
    }
}
