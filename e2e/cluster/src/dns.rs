use crate::kubectl::Kubectl;
use crate::paths::Paths;
use anyhow::Result;

const MANIFEST: &str = include_str!("../manifests/dns.yaml");

/// The Deployment that answers names.
pub(crate) const DEPLOYMENT: [&str; 3] = ["deployment", "coredns", "--namespace=kube-system"];

/// Applies the name server.
pub(crate) fn apply(kubectl: &Kubectl, paths: &Paths) -> Result<()> {
    kubectl.apply("dns.yaml", MANIFEST, paths)
}
