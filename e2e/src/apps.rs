//! The applications of the demo.

use anyhow::{Context, Result};

use crate::Kube;

/// Where the applications live.
pub const NAMESPACE: &str = "trilby-demo";

const NAMESPACE_MANIFEST: &str = include_str!("../manifests/namespace.yaml");
const RESOURCES: &str = include_str!("../manifests/resources.yaml");
const APPS: &str = include_str!("../manifests/apps.yaml");
const WRONG_PORT: &str = include_str!("../manifests/wrong-port.yaml");
pub(crate) const LATE_COMPONENT: &str = include_str!("../manifests/late-component.yaml");

/// The applications on a cluster.
#[derive(Clone, Debug)]
pub struct Apps<'a> {
    /// The cluster.
    pub kube: &'a Kube,
    /// The test application's image.
    pub image: String,
}

// === impl Apps ===

impl Apps<'_> {
    /// Applies namespace, resources and applications, and waits until all pods are ready.
    ///
    /// # Errors
    /// If something is refused, or not ready within two minutes.
    pub fn up(&self) -> Result<()> {
        for manifests in [NAMESPACE_MANIFEST, RESOURCES, &self.with_image(APPS)] {
            self.kube.apply(manifests)?;
        }
        self.ready()
    }

    /// Waits until both applications are rolled out and the plain pod is ready.
    ///
    /// # Errors
    /// If that takes more than two minutes; the message says how the pods are.
    pub fn ready(&self) -> Result<()> {
        let wait = |words: &[&str]| {
            let all = [words, &["--namespace", NAMESPACE, "--timeout=2m"]].concat();
            self.kube.run(&all).with_context(|| self.pods())
        };
        wait(&["rollout", "status", "deployment/front"])?;
        wait(&["rollout", "status", "deployment/back"])?;
        wait(&["wait", "--for=condition=Ready", "pod/plain"])?;
        Ok(())
    }

    /// Says what the API server answers to a pod with an unreadable annotation.
    ///
    /// # Errors
    /// If it refuses the pod; then the message is its answer.
    pub fn wrong_port(&self) -> Result<String> {
        let said = self.kube.apply(&self.with_image(WRONG_PORT));
        let words = ["delete", "pod", "wrong-port", "--namespace", NAMESPACE];
        let rest = ["--ignore-not-found", "--wait=false"];
        self.kube.run(&[&words[..], &rest].concat())?;
        said
    }

    /// Removes the applications with their namespace.
    ///
    /// # Errors
    /// If the API server refuses.
    pub fn down(&self) -> Result<()> {
        self.kube
            .run(&["delete", "namespace", NAMESPACE, "--ignore-not-found"])?;
        Ok(())
    }

    /// The table of pods, for a person.
    pub fn pods(&self) -> String {
        let words = ["get", "pods", "--namespace", NAMESPACE, "--output=wide"];
        self.kube
            .run(&words)
            .unwrap_or_else(|error| format!("{error:#}"))
    }

    fn with_image(&self, manifest: &str) -> String {
        manifest.replace("${IMAGE}", &self.image)
    }
}
