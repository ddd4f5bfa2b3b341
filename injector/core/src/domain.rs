//! The cluster's DNS domain, from the resolver's configuration of a pod.

const DEFAULT: &str = "cluster.local";

/// The domain of which `resolv_conf` searches the services: `svc.<domain>` is always among the
/// searched domains of a pod. The default where it is not.
pub(crate) fn cluster_domain(resolv_conf: &str) -> String {
    let lines = resolv_conf
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default());
    let mut words = lines
        .map(str::split_whitespace)
        .filter_map(|mut words| (words.next() == Some("search")).then_some(words));
    // As for the resolver, the last such line counts.
    let mut searched = words.next_back().into_iter().flatten();
    let domain = searched.find_map(|domain| domain.strip_prefix("svc."));
    domain
        .map_or(DEFAULT, |domain| domain.trim_end_matches('.'))
        .to_owned()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    #[rstest]
    #[case::usual(
        "nameserver 10.96.0.10\nsearch ns.svc.cluster.local svc.cluster.local cluster.local\n",
        "cluster.local"
    )]
    #[case::namespace_sorts_first("search aa.svc.k8s.io svc.k8s.io k8s.io", "k8s.io")]
    #[case::last_line("search svc.one\nsearch a.svc.two svc.two two", "two")]
    #[case::comment("# search svc.one\nsearch svc.two # svc.three", "two")]
    #[case::host("search example.com", "cluster.local")]
    #[case::empty("", "cluster.local")]
    fn finds_the_domain(#[case] resolv_conf: &str, #[case] expected: &str) {
        assert_eq!(super::cluster_domain(resolv_conf), expected);
    }
}
