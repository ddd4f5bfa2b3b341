//! Who may have a pod injected: service accounts by pattern or UID, and cluster administrators.

use std::collections::BTreeSet;

use crate::{Glob, GlobError, UserInfo};

/// The accounts of the controllers that make pods on a user's behalf (Dapr:
/// `pkg/injector/service/injector.go`).
const CONTROLLERS: [&str; 10] = [
    "kube-system:replicaset-controller",
    "kube-system:replication-controller",
    "kube-system:deployment-controller",
    "kube-system:cronjob-controller",
    "kube-system:job-controller",
    "kube-system:statefulset-controller",
    "kube-system:daemon-set-controller",
    "openshift-operator-lifecycle-manager:olm-operator-serviceaccount",
    "tekton-pipelines:tekton-pipelines-controller",
    "mirrord:mirrord-operator",
];

const ADMINISTRATORS: &str = "system:masters";

/// The set of callers whose annotated pods get a sidecar.
#[derive(Clone, Debug, Default)]
pub struct Callers {
    patterns: Vec<Pattern>,
    wanted: Vec<String>,
    uids: BTreeSet<String>,
}

/// A service account as the API server lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
}

/// Why an entry of the allowed service accounts can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// Not exactly one colon, or nothing on both sides of it.
    #[error("allowed service account \"{0}\" is not of the form namespace:name")]
    Shape(String),
    /// A half is no pattern.
    #[error("allowed service account \"{entry}\" has a malformed pattern")]
    Glob {
        /// The whole entry.
        entry: String,
        /// What is wrong with it.
        #[source]
        source: GlobError,
    },
}

#[derive(Clone, Debug)]
struct Pattern {
    namespace: Glob,
    name: Glob,
}

// === impl Callers ===

impl Callers {
    /// The built-in controllers, and those of two comma lists of `namespace:name` patterns: the
    /// current setting and its deprecated twin.
    ///
    /// # Errors
    /// The first entry that is no pattern.
    pub fn new(allowed: &str, deprecated: &str) -> Result<Self, PatternError> {
        let lists = allowed.split(',').chain(deprecated.split(','));
        let entries = lists.map(str::trim).filter(|entry| !entry.is_empty());
        let patterns = CONTROLLERS.into_iter().chain(entries).map(Pattern::parse);
        let wanted = allowed.split(',').filter(|entry| !entry.is_empty());
        Ok(Self {
            patterns: patterns.collect::<Result<_, _>>()?,
            wanted: wanted.chain(CONTROLLERS).map(str::to_owned).collect(),
            uids: BTreeSet::new(),
        })
    }

    /// Takes the UIDs of those `accounts` that are named literally, and returns the entries for
    /// which there is none.
    pub fn resolve(&mut self, accounts: &[Account]) -> Vec<&str> {
        let uid = |entry: &str| {
            let (namespace, name) = entry.split_once(':')?;
            let found = |account: &&Account| account.namespace == namespace && account.name == name;
            accounts
                .iter()
                .find(found)
                .map(|account| account.uid.clone())
        };
        self.uids = self.wanted.iter().filter_map(|entry| uid(entry)).collect();
        self.wanted
            .iter()
            .map(String::as_str)
            .filter(|entry| uid(entry).is_none())
            .collect()
    }

    /// Whether `user` may have a pod injected.
    pub fn admit(&self, user: &UserInfo) -> bool {
        let by_name = |(namespace, name): (&str, &str)| {
            self.patterns
                .iter()
                .any(|p| p.namespace.matches(namespace) && p.name.matches(name))
        };
        service_account(&user.username).is_some_and(by_name)
            || self.uids.contains(&user.uid)
            || user.groups.iter().any(|group| group == ADMINISTRATORS)
    }
}

/// Namespace and name of `system:serviceaccount:<namespace>:<name>`; parts after that don't count.
fn service_account(username: &str) -> Option<(&str, &str)> {
    let mut parts = username.strip_prefix("system:serviceaccount:")?.split(':');
    Some((parts.next()?, parts.next()?))
}

// === impl Pattern ===

impl Pattern {
    fn parse(entry: &str) -> Result<Self, PatternError> {
        let shape = || PatternError::Shape(entry.into());
        let (namespace, name) = entry.split_once(':').ok_or_else(shape)?;
        let (namespace, name) = (namespace.trim(), name.trim());
        if name.contains(':') || (namespace.is_empty() && name.is_empty()) {
            return Err(shape());
        }
        let glob = |half: &str| {
            half.parse().map_err(|source| PatternError::Glob {
                entry: entry.into(),
                source,
            })
        };
        Ok(Self {
            namespace: glob(namespace)?,
            name: glob(name)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn user(username: &str, uid: &str, groups: &[&str]) -> UserInfo {
        let groups = groups.iter().map(ToString::to_string).collect();
        UserInfo {
            username: username.into(),
            uid: uid.into(),
            groups,
        }
    }

    #[rstest]
    #[case::exact("custom-ns:custom-sa", "custom-ns:custom-sa", true)]
    #[case::other_name("custom-ns:custom-sa", "custom-ns:other-sa", false)]
    #[case::other_namespace("custom-ns:custom-sa", "other-ns:custom-sa", false)]
    #[case::built_in("custom-ns:custom-sa", "kube-system:deployment-controller", true)]
    #[case::question_mark("staging-?:deploy", "staging-A:deploy", true)]
    #[case::question_mark_once("staging-?:deploy", "staging-AB:deploy", false)]
    #[case::star("proj-*:sa-*", "proj-alpha:sa-runner", true)]
    #[case::star_missed("proj-*:sa-*", "other-ns:sa-runner", false)]
    #[case::all("*:*", "any:thing", true)]
    #[case::spaces(" , ns : name ,", "ns:name", true)]
    #[case::further_parts("ns:name", "ns:name:more", true)]
    #[case::nothing("", "ns:name", false)]
    fn admits_by_name(#[case] allowed: &str, #[case] account: &str, #[case] expected: bool) {
        let callers = Callers::new(allowed, "").unwrap();
        let user = user(&format!("system:serviceaccount:{account}"), "", &[]);
        assert_eq!(callers.admit(&user), expected);
    }

    #[rstest]
    #[case::no_colon("name")]
    #[case::two_colons("a:b:c")]
    #[case::nothing(":")]
    #[case::class("[:x")]
    fn refuses(#[case] allowed: &str) {
        assert!(Callers::new(allowed, "").is_err());
        assert!(Callers::new("", allowed).is_err());
    }

    #[test]
    fn admits_by_uid_and_tells_who_is_missing() {
        let mut callers = Callers::new("ns:name,gone:too", "").unwrap();
        let account = Account {
            namespace: "ns".into(),
            name: "name".into(),
            uid: "u1".into(),
        };
        let missing = callers.resolve(&[account]);
        assert_eq!(missing[0], "gone:too");
        assert_eq!(missing.len(), 1 + CONTROLLERS.len());
        assert!(callers.admit(&user("someone", "u1", &[])));
        assert!(!callers.admit(&user("someone", "u2", &[])));
        assert!(!callers.admit(&user("someone", "", &[])));
    }

    #[rstest]
    #[case("system:masters", true)]
    #[case("system:kubelet", false)]
    fn admits_by_group(#[case] group: &str, #[case] expected: bool) {
        let callers = Callers::new("", "").unwrap();
        assert_eq!(
            callers.admit(&user("admin", "", &["other", group])),
            expected
        );
    }
}
