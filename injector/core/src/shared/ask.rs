//! What a pod, or the template of one, asks for by itself.

use std::collections::BTreeMap;

use super::{
    MODE, Mode,
    function::{self, Function},
};
use crate::enabled::{ENABLED, is_enabled};

/// That a pod wants Dapr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask<'a> {
    /// The mode, as it is written; none leaves it to the namespace, then the cluster, then
    /// [`Mode::Sidecar`].
    pub mode: Option<&'a str>,
    /// Whether the pod is a function of `OpenFunction`, so that its app-id may follow from its
    /// name; see [`function_app_id`](super::function_app_id).
    pub is_function: bool,
}

/// What a pod with these annotations, and these labels, asks for; none if it wants no Dapr.
///
/// `dapr.io/enabled` decides, and `trilby.dev/mode` says how. Where a pod has annotations of
/// `OpenFunction`, they say both, as far as those two don't.
pub fn ask(
    annotations: &BTreeMap<String, String>,
    has_label: impl Fn(&str) -> bool + Copy,
) -> Option<Ask<'_>> {
    let enabled = annotations.get(ENABLED).map(|value| is_enabled(value));
    let own = annotations.get(MODE).map(String::as_str);
    if function::is_proxy(has_label) {
        return (enabled == Some(true)).then_some(Ask {
            mode: Some(Mode::Sidecar.as_str()),
            is_function: false,
        });
    }
    let function = Function::read(annotations);
    let mode = match (own, function) {
        (None, Some(function)) => Some(function.mode?.as_str()),
        (own, _) => own,
    };
    let is_served = function::is_served(has_label);
    let wanted = match enabled {
        Some(true) => true,
        None => function.is_some_and(|function| function.mode.is_some()),
        // In OpenFunction's words that means no sidecar.
        Some(false) if is_served => own.is_some_and(is_elsewhere),
        Some(false) => {
            function.is_some_and(|function| function.enabled) && mode.is_some_and(is_elsewhere)
        }
    };
    wanted.then_some(Ask {
        mode,
        is_function: is_served || function.is_some(),
    })
}

/// Whether a mode puts daprd elsewhere. One that nobody knows may: its author should hear of it.
fn is_elsewhere(mode: &str) -> bool {
    mode.parse().is_ok_and(Mode::is_shared) || mode.parse::<Mode>().is_err()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::shared::function_app_id;

    const ENABLE: &str = "openfunction.io/enable-dapr";
    const SERVICE: &str = "openfunction.io/dapr-service-mode";
    const SERVING: &str = "openfunction.io/serving";
    const PROXY: &str = "openfunction.io/proxy";

    /// The mode that is asked for, "-" if it is left open; none if nothing is asked for.
    fn asked(annotations: &[(&str, &str)], labels: &[&str]) -> Option<String> {
        let pairs = annotations.iter();
        let annotations = pairs
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let ask = ask(&annotations, |label| labels.contains(&label));
        ask.map(|ask| ask.mode.unwrap_or("-").to_owned())
    }

    #[rstest]
    #[case::nothing(&[], None)]
    #[case::enabled(&[(ENABLED, "true")], Some("-"))]
    #[case::any_case(&[(ENABLED, "True")], Some("-"))]
    #[case::mode(&[(ENABLED, "true"), (MODE, "shared-daemonset")], Some("shared-daemonset"))]
    #[case::unknown(&[(ENABLED, "true"), (MODE, "x")], Some("x"))]
    #[case::not_enabled(&[(MODE, "shared-daemonset")], None)]
    #[case::disabled(&[(ENABLED, "false"), (MODE, "shared-daemonset")], None)]
    fn dapr_decides_and_the_mode_says_how(
        #[case] annotations: &[(&str, &str)],
        #[case] expected: Option<&str>,
    ) {
        assert_eq!(asked(annotations, &[]).as_deref(), expected);
    }

    #[rstest]
    #[case::on(&[(ENABLE, "true")], Some("shared-deployment"))]
    #[case::any_word(&[(ENABLE, "")], Some("shared-deployment"))]
    #[case::standalone(&[(ENABLE, "yes"), (SERVICE, "standalone")], Some("shared-deployment"))]
    #[case::service_alone(&[(SERVICE, "standalone")], Some("shared-deployment"))]
    #[case::sidecar(&[(ENABLE, "true"), (SERVICE, "sidecar")], Some("sidecar"))]
    #[case::another_text(&[(ENABLE, "true"), (SERVICE, "Sidecar")], None)]
    #[case::off(&[(ENABLE, "false"), (SERVICE, "sidecar")], None)]
    #[case::off_in_other_words(&[(ENABLE, "False")], Some("shared-deployment"))]
    #[case::off_wins(&[(ENABLED, "true"), (ENABLE, "false")], None)]
    #[case::with_dapr(&[(ENABLED, "true"), (ENABLE, "true")], Some("shared-deployment"))]
    #[case::no_sidecar(&[(ENABLED, "false"), (ENABLE, "true")], Some("shared-deployment"))]
    #[case::no_sidecar_at_all(&[(ENABLED, "false"), (ENABLE, "true"), (SERVICE, "sidecar")], None)]
    #[case::disabled(&[(ENABLED, "false"), (SERVICE, "standalone")], None)]
    #[case::mode_wins(&[(ENABLE, "true"), (SERVICE, "sidecar"), (MODE, "shared-daemonset")], Some("shared-daemonset"))]
    #[case::mode_wins_over_off(&[(ENABLED, "true"), (ENABLE, "false"), (MODE, "sidecar")], Some("sidecar"))]
    fn open_functions_annotations_decide_both(
        #[case] annotations: &[(&str, &str)],
        #[case] expected: Option<&str>,
    ) {
        assert_eq!(asked(annotations, &[]).as_deref(), expected);
    }

    #[rstest]
    #[case::has_a_proxy(&[(ENABLED, "false"), (ENABLE, "true")], &[SERVING], None)]
    #[case::taken_over(&[(ENABLED, "false"), (SERVICE, "none"), (MODE, "shared-deployment")], &[SERVING], Some("shared-deployment"))]
    #[case::mistaken(&[(ENABLED, "false"), (MODE, "shared")], &[SERVING], Some("shared"))]
    #[case::no_sidecar(&[(ENABLED, "false"), (MODE, "sidecar")], &[SERVING], None)]
    #[case::with_sidecar(&[(ENABLED, "true"), (SERVICE, "sidecar")], &[SERVING], Some("sidecar"))]
    #[case::proxy(&[(ENABLED, "true"), (SERVICE, "standalone"), (MODE, "shared-deployment")], &[PROXY], Some("sidecar"))]
    #[case::proxy_without(&[(ENABLE, "true")], &[PROXY], None)]
    fn what_open_function_made_keeps_its_proxy(
        #[case] annotations: &[(&str, &str)],
        #[case] labels: &[&str],
        #[case] expected: Option<&str>,
    ) {
        assert_eq!(asked(annotations, labels).as_deref(), expected);
    }

    #[rstest]
    #[case(
        r#"{"name": "sink", "version": "v1", "inputs": {}}"#,
        Some("sink-shop")
    )]
    #[case(r#"{"name": ""}"#, None)]
    #[case(r#"{"version": "v1"}"#, None)]
    #[case("sink", None)]
    fn a_function_is_an_app(#[case] context: &str, #[case] expected: Option<&str>) {
        assert_eq!(function_app_id(context, "shop").as_deref(), expected);
    }
}
