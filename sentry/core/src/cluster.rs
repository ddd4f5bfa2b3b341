//! The DNS domain of the cluster.

/// Finds the cluster's domain in the text of a pod's `resolv.conf`: kubelet writes a search list
/// with `svc.<domain>` in it. `None` outside a cluster.
pub fn domain(resolv_conf: &str) -> Option<&str> {
    resolv_conf
        .lines()
        .filter_map(|line| line.trim().strip_prefix("search"))
        .flat_map(str::split_whitespace)
        .find_map(|entry| entry.strip_prefix("svc."))
        .map(|domain| domain.trim_end_matches('.'))
        .filter(|domain| !domain.is_empty())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::pod(
        "search ns.svc.cluster.local svc.cluster.local cluster.local\n",
        Some("cluster.local")
    )]
    #[case::own_domain(
        "nameserver 10.0.0.1\nsearch a.svc.k8s.corp. svc.k8s.corp. k8s.corp.",
        Some("k8s.corp")
    )]
    #[case::laptop("search home.arpa\nnameserver 1.1.1.1", None)]
    #[case::bare("search svc.", None)]
    #[case::empty("", None)]
    fn reads_the_search_list(#[case] text: &str, #[case] expected: Option<&str>) {
        assert_eq!(domain(text), expected);
    }
}
