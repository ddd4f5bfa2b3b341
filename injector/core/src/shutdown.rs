//! How a pod ends without a failed call.
//!
//! Kubernetes tells all containers of a pod to end at the same moment. An app that obeys is gone
//! while its sidecar still takes calls for it, and a sidecar that obeys is gone while the app still
//! needs it. So both go on until the pod is known to be leaving: first daprd stops, which tells
//! its callers to go elsewhere and lets running calls end, and then the app is told to.
//!
//! ```text
//! deleted                                    block                delay
//!    | daprd: subscriptions end, APIs go on    | daprd: goes away   |
//!    | app:   preStop sleeps                   |                    | SIGTERM, and its own grace
//! ```
//!
//! Pods whose author says how they end are left alone, and so are native sidecars, which the
//! kubelet stops after the app. A shared daprd is told only by the API server that a pod is leaving,
//! so pods that are bound to one go on, too.

use json_patch::jsonptr::PointerBuf;
use serde_json::{Value, json};

use crate::{
    Candidate, Warning,
    options::{Options, SHUTDOWN_DELAY},
    pod::Pod,
};

/// How much sooner than the app daprd goes, in milliseconds: enough for its callers to be told, and
/// no more, since the app has no sidecar from then on.
const LEAD: u64 = 500;
/// Grace of a pod that doesn't say, in seconds.
const GRACE: u32 = 30;

/// The delay of one pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Delay {
    /// How long the pod's own containers go on, in seconds.
    seconds: u32,
    /// How long the pod may take to end, in seconds.
    grace: u32,
}

/// Where the daprd of a pod is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Daprd {
    /// Among the pod's containers.
    Beside,
    /// In the pod, as a native sidecar.
    Native,
    /// In other pods.
    Elsewhere,
}

/// Why a pod gets no delay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exempt {
    Off,
    /// The cluster doesn't know the hook.
    Old,
    Native,
    Block,
    Hook,
    Grace,
}

// === impl Delay ===

impl Delay {
    /// The value of `--dapr-block-shutdown-duration`.
    pub(crate) fn block(self) -> String {
        format!("{}ms", u64::from(self.seconds) * 1000 - LEAD)
    }

    /// The hook that has a container go on.
    pub(crate) fn hook(self) -> Value {
        json!({"sleep": {"seconds": self.seconds}})
    }

    /// The additions to the pod's own fields: the hooks, and the time that they take.
    pub(crate) fn additions(self, pod: &Pod) -> impl Iterator<Item = (PointerBuf, Value)> {
        let grace = (
            PointerBuf::from_tokens(["spec", "terminationGracePeriodSeconds"]),
            json!(u64::from(self.grace) + u64::from(self.seconds)),
        );
        let containers = pod.spec.containers.iter().enumerate();
        let hooks = containers.map(move |(index, container)| {
            let index = index.to_string();
            let lifecycle = ["spec", "containers", &index, "lifecycle"];
            match &container.lifecycle {
                None => (
                    PointerBuf::from_tokens(lifecycle),
                    json!({"preStop": self.hook()}),
                ),
                Some(_) => (
                    PointerBuf::from_tokens(lifecycle.into_iter().chain(["preStop"])),
                    self.hook(),
                ),
            }
        });
        std::iter::once(grace).chain(hooks)
    }
}

// === impl Exempt ===

impl Exempt {
    /// What the author of an annotation should know, if anything.
    const fn reason(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Off => None,
            Self::Old => Some(("needs Kubernetes 1.30 and was ignored", "remove it")),
            Self::Native => Some((
                "has no effect with a native sidecar, which ends after the app",
                "remove it",
            )),
            Self::Block => Some((
                "has no effect beside dapr.io/block-shutdown-duration",
                "remove one of the two",
            )),
            Self::Hook => Some((
                "has no effect in a pod that has a preStop hook",
                "remove the hook, or the annotation",
            )),
            Self::Grace => Some((
                "is not shorter than the pod's terminationGracePeriodSeconds and was ignored",
                "make it shorter, or the grace period longer",
            )),
        }
    }
}

// === impl Candidate ===

impl Candidate {
    /// The delay of the pod, if it gets one. An annotation of its own without effect is warned of.
    pub(crate) fn shutdown_delay(&mut self) -> Option<Delay> {
        let daprd = if self.options.container.native {
            Daprd::Native
        } else {
            Daprd::Beside
        };
        delay(&self.pod, &self.options, daprd, &mut self.warnings)
    }
}

/// The delay of `pod`, if it gets one. An annotation of its own without effect is warned of.
pub(crate) fn delay(
    pod: &Pod,
    options: &Options,
    daprd: Daprd,
    warnings: &mut Vec<Warning>,
) -> Option<Delay> {
    let delay = due(pod, options, daprd);
    let annotated = pod.metadata.annotations.get(SHUTDOWN_DELAY);
    if let (Err(exempt), Some(annotated)) = (&delay, annotated) {
        let warning =
            |(problem, remedy)| Warning::annotation(SHUTDOWN_DELAY, annotated, problem, remedy);
        warnings.extend(exempt.reason().map(warning));
    }
    delay.ok()
}

fn due(pod: &Pod, options: &Options, daprd: Daprd) -> Result<Delay, Exempt> {
    let spec = &pod.spec;
    let seconds = options.shutdown.delay.ok_or(Exempt::Old)?;
    let grace = spec.termination_grace_period_seconds;
    let grace = grace.map_or(Ok(GRACE), u32::try_from).unwrap_or_default();
    let mut hooks = spec
        .containers
        .iter()
        .filter_map(|one| one.lifecycle.as_ref());
    if seconds == 0 {
        Err(Exempt::Off)
    } else if daprd == Daprd::Native {
        Err(Exempt::Native)
    } else if daprd == Daprd::Beside && options.shutdown.block.is_some() {
        Err(Exempt::Block)
    } else if hooks.any(|lifecycle| lifecycle.pre_stop.is_some()) {
        Err(Exempt::Hook)
    } else if seconds >= grace {
        Err(Exempt::Grace)
    } else {
        Ok(Delay { seconds, grace })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use crate::{
        Cluster,
        testing::{Injected, cluster, facts, injected, pod},
    };

    const BLOCK: &str = "--dapr-block-shutdown-duration";

    fn inject(pod: &Value) -> Injected {
        let cluster = Cluster {
            shutdown_delay: Some(7),
            ..cluster()
        };
        injected(pod, &cluster, &facts(), &[])
    }

    #[test]
    fn daprd_goes_a_moment_before_the_app_and_the_app_loses_no_time() {
        let mut pod = pod(&[]);
        pod["spec"]["terminationGracePeriodSeconds"] = json!(40);
        pod["spec"]["containers"] =
            json!([{"name": "a"}, {"name": "b", "lifecycle": {"postStart": {"exec": {}}}}]);
        let injected = inject(&pod);
        assert!(injected.args().contains(&format!("{BLOCK} 6500ms")));
        assert_eq!(injected.pod["spec"]["terminationGracePeriodSeconds"], 47);
        let sleep = json!({"sleep": {"seconds": 7}});
        assert_eq!(
            injected.container("a")["lifecycle"],
            json!({"preStop": sleep})
        );
        let both = json!({"postStart": {"exec": {}}, "preStop": sleep});
        assert_eq!(injected.container("b")["lifecycle"], both);
        assert!(injected.container("daprd")["lifecycle"].is_null());
    }

    #[test]
    fn a_pod_that_says_no_grace_has_that_of_kubernetes() {
        let injected = inject(&pod(&[]));
        assert_eq!(injected.pod["spec"]["terminationGracePeriodSeconds"], 37);
    }

    #[rstest]
    #[case::off("0", None)]
    #[case::short("1", Some(1))]
    #[case::longer("20", Some(20))]
    fn the_pod_may_say_another_delay(#[case] value: &str, #[case] sleep: Option<u32>) {
        let mut pod = pod(&[]);
        pod["metadata"]["annotations"][super::SHUTDOWN_DELAY] = json!(value);
        let injected = inject(&pod);
        let slept = &injected.container("main")["lifecycle"]["preStop"]["sleep"]["seconds"];
        assert_eq!(slept.as_u64(), sleep.map(u64::from));
        assert_eq!(injected.args().contains(BLOCK), sleep.is_some());
        assert_eq!(injected.warnings, []);
    }

    #[test]
    fn an_old_cluster_gets_no_hook() {
        let old = Cluster {
            shutdown_delay: None,
            ..cluster()
        };
        let mut pod = pod(&[]);
        pod["metadata"]["annotations"][super::SHUTDOWN_DELAY] = json!("9");
        let injected = injected(&pod, &old, &facts(), &[]);
        assert!(!injected.patch.to_string().contains("preStop"));
        assert!(injected.warnings[0].as_str().contains("1.30"));
    }

    #[rstest]
    #[case::native(&[("enable-native-sidecar", "true")], json!({}), "native sidecar")]
    #[case::own_block(&[("block-shutdown-duration", "1s")], json!({}), "block-shutdown-duration")]
    #[case::own_hook(&[], json!({"containers": [{"name": "main", "lifecycle": {"preStop": {"exec": {}}}}]}), "preStop hook")]
    #[case::in_a_hurry(&[], json!({"terminationGracePeriodSeconds": 1}), "grace period")]
    #[case::at_once(&[], json!({"terminationGracePeriodSeconds": 0}), "grace period")]
    #[case::no_time(&[], json!({"terminationGracePeriodSeconds": -1}), "grace period")]
    fn a_pod_that_decides_itself_is_left_alone(
        #[case] annotations: &[(&str, &str)],
        #[case] spec: Value,
        #[case] says: &str,
    ) {
        let mut pod = pod(annotations);
        for (field, value) in spec.as_object().unwrap() {
            pod["spec"][field] = value.clone();
        }
        let quiet = inject(&pod);
        assert_eq!(quiet.warnings, []);
        let text = quiet.patch.to_string();
        assert!(
            !text.contains("preStop") && !text.contains("terminationGrace"),
            "{text}"
        );

        pod["metadata"]["annotations"][super::SHUTDOWN_DELAY] = json!("9");
        let warnings = inject(&pod).warnings;
        assert!(warnings[0].as_str().contains(says), "{warnings:?}");
    }
}
