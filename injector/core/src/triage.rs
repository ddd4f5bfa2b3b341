//! The order in which a review is decided (Dapr: `pkg/injector/service/handler.go`, `pod_patch.go`).

mod asked;

use self::asked::{addition, almost_enabled, asked, lacking, mode};
use crate::{
    AppIdError, Callers, Cluster, Defaults, Request, Setting, Source, UserInfo, Warning,
    app_id::{APP_ID, check},
    defaults::Layers,
    options::Options,
    pod::{Head, Metadata, Pod},
    shared::{Binding, Mode, ModeError, Names},
    warning::quoted,
};

/// A label of 63 characters less the `-dapr` of the app's service.
const LONGEST_APP_ID: usize = 58;

/// A decided review.
#[derive(Debug)]
pub struct Triage {
    /// The app-id as annotated, else the pod's name; for metrics, empty if neither is known.
    pub app_id: String,
    /// What to do.
    pub verdict: Verdict,
}

/// What to do with a pod.
#[derive(Debug)]
pub enum Verdict {
    /// Allow it as it is.
    Skip(Skip, Vec<Warning>),
    /// Refuse it.
    Deny(Denial),
    /// Give it a sidecar.
    Inject(Box<Candidate>),
    /// Tell it where its shared instance is.
    Bind(Box<Binding>),
}

/// Why a pod is left as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Skip {
    /// The object is no pod.
    #[error("the object is not a Pod")]
    NotAPod,
    /// The pod doesn't ask for a sidecar.
    #[error("the pod does not ask for a sidecar")]
    NotEnabled,
    /// The caller may not ask for one.
    #[error("the caller is not allowed to have pods injected")]
    Unauthorized,
    /// The pod has its sidecar.
    #[error("the pod has its sidecar already")]
    Injected,
}

/// Why a pod is refused. The text is shown to the user.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Denial {
    /// The object can't be read.
    #[error("the pod could not be unmarshalled: {0}")]
    Object(serde_json::Error),
    /// The app-id can't be used.
    #[error(transparent)]
    AppId(#[from] AppIdError),
    /// Nobody knows the mode: a sidecar beside a shared instance would be a second life of the app.
    #[error("{error}{}", addition(*.place))]
    Mode {
        /// What is wrong with it.
        error: ModeError,
        /// Where it is.
        place: Source,
    },
    /// The Components of the pod's namespace can't be listed.
    #[error("the components to be injected could not be listed: {0}")]
    Components(String),
}

/// A pod that gets its sidecar.
#[derive(Debug)]
pub struct Candidate {
    pub(crate) pod: Pod,
    pub(crate) namespace: String,
    pub(crate) app_id: String,
    /// Annotations that the pod lacks, for those who read them there.
    pub(crate) annotations: Vec<(&'static str, String)>,
    source: Source,
    pub(crate) options: Options,
    pub(crate) warnings: Vec<Warning>,
}

/// Decides a review as far as the review itself goes. `namespace` has the defaults of the pod's
/// namespace.
pub fn triage(
    request: &Request<'_>,
    callers: &Callers,
    cluster: &Cluster,
    namespace: &Defaults,
) -> Triage {
    if request.kind.kind != "Pod" {
        return Triage::skip(String::new(), Skip::NotAPod, Vec::new());
    }
    let head = Head::read(request.object);
    let app_id = head
        .as_ref()
        .map(|head| app_id(&head.metadata).to_owned())
        .unwrap_or_default();
    // An object that can't be read passes on: whoever may ask for a sidecar is told the reason.
    if let Some(head) = head.filter(|head| asked(&head.metadata).is_none()) {
        return Triage::skip(app_id, Skip::NotEnabled, almost_enabled(&head.metadata));
    }
    if !callers.admit(&request.user_info) {
        return Triage::skip(
            app_id,
            Skip::Unauthorized,
            vec![unauthorized(&request.user_info)],
        );
    }
    let verdict = verdict(request, cluster, namespace);
    Triage { app_id, verdict }
}

fn verdict(request: &Request<'_>, cluster: &Cluster, namespace: &Defaults) -> Verdict {
    let pod = match Pod::read(request.object) {
        Ok(pod) => pod,
        Err(error) => return Verdict::Deny(Denial::Object(error)),
    };
    if pod.is_injected() {
        return Verdict::Skip(Skip::Injected, Vec::new());
    }
    served(pod, &request.namespace, cluster, namespace).unwrap_or_else(Verdict::Deny)
}

/// A verdict for a pod that is to have Dapr.
fn served(
    pod: Pod,
    namespace: &str,
    cluster: &Cluster,
    defaults: &Defaults,
) -> Result<Verdict, Denial> {
    let ask = asked(&pod.metadata);
    let is_function = ask.is_some_and(|ask| ask.is_function);
    let mode = mode(ask.and_then(|ask| ask.mode), cluster, defaults)?;
    let annotated = pod.metadata.annotations.get(APP_ID).map(String::as_str);
    let annotated = annotated.filter(|id| !id.is_empty());
    let function = || pod.function_app_id(namespace).filter(|_| is_function);
    let derived = annotated.map_or_else(function, |_| None);
    if mode.0.is_shared() {
        let names = Names::of(derived.as_deref().or(annotated).unwrap_or_default())?;
        let binding = Binding::new(pod, namespace, names, mode, cluster, defaults);
        return Ok(Verdict::Bind(Box::new(binding)));
    }
    let candidate = Candidate::new(pod, derived, mode.1, namespace, cluster, defaults)?;
    Ok(Verdict::Inject(Box::new(candidate)))
}

fn unauthorized(user: &UserInfo) -> Warning {
    Warning::new(format!(
        "the pod gets no sidecar: {} is not allowed to have pods injected; create it through a \
         Deployment or another controller, or list the account as namespace:name in \
         ALLOWED_SERVICE_ACCOUNTS of the injector",
        quoted(&user.username)
    ))
}

/// The annotation, or the pod's name where that is absent or empty.
fn app_id(metadata: &Metadata) -> &str {
    let annotated = metadata.annotations.get(APP_ID).filter(|id| !id.is_empty());
    annotated.unwrap_or(&metadata.name)
}

// === impl Triage ===

impl Triage {
    const fn skip(app_id: String, skip: Skip, warnings: Vec<Warning>) -> Self {
        Self {
            app_id,
            verdict: Verdict::Skip(skip, warnings),
        }
    }
}

// === impl Candidate ===

impl Candidate {
    /// `derived` is the app-id of a pod that has none of its own, `source` says who wants the
    /// sidecar.
    fn new(
        pod: Pod,
        derived: Option<String>,
        source: Source,
        namespace: &str,
        cluster: &Cluster,
        defaults: &Defaults,
    ) -> Result<Self, Denial> {
        let app_id = derived.as_deref().unwrap_or(app_id(&pod.metadata));
        check(app_id, LONGEST_APP_ID)?;
        let app_id = app_id.to_owned();
        let layers = Layers {
            pod: &pod.metadata,
            namespace: defaults,
            cluster: &cluster.defaults,
        };
        let (options, warnings) = Options::read(layers, cluster);
        Ok(Self {
            annotations: lacking(&pod.metadata, derived),
            source,
            pod,
            namespace: namespace.to_owned(),
            app_id,
            options,
            warnings,
        })
    }

    /// All settings of the sidecar, and where each comes from. `namespace` as in [`triage`].
    pub fn settings(&self, cluster: &Cluster, namespace: &Defaults) -> Vec<Setting> {
        let layers = Layers {
            pod: &self.pod.metadata,
            namespace,
            cluster: &cluster.defaults,
        };
        Options::settings(layers, cluster, (Mode::Sidecar, self.source))
    }

    /// Whether the Components of the pod's namespace are needed to inject it.
    pub fn wants_components(&self) -> bool {
        self.options.components.inject
    }

    /// Namespace of the pod.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }
}

#[cfg(test)]
mod tests;
