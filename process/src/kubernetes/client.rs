//! A client from what the process finds: flag, environment, cluster, home.

use std::{
    env,
    path::{Path, PathBuf},
};

use kube::{
    Client, Config,
    config::{InClusterError, KubeConfigOptions, Kubeconfig, KubeconfigError},
};

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// A kubeconfig is unreadable or incomplete.
    #[error("the kubeconfig {path} could not be used")]
    Kubeconfig {
        /// Where it is.
        path: String,
        /// What is wrong with it.
        #[source]
        source: KubeconfigError,
    },
    /// In a pod, but without its service account's files.
    #[error("the service account of this pod could not be used")]
    InCluster(#[source] InClusterError),
    /// Neither in a pod nor with a kubeconfig.
    #[error("no way to a Kubernetes API: not in a pod, and no --kubeconfig, KUBECONFIG or home")]
    Nowhere,
    /// The configuration is readable but makes no client.
    #[error("the Kubernetes client could not be made")]
    Client(#[source] kube::Error),
}

/// A client from, in this order: the flag, `$KUBECONFIG`, the pod's service account,
/// `$HOME/.kube/config`. There is no client-side rate limit.
///
/// A pod is recognised by both `KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT`; one
/// alone falls through, as in client-go.
///
/// # Errors
/// If none of them can be used.
pub async fn client(flag: Option<&Path>) -> Result<Client, ClientError> {
    let config = match source(flag) {
        Some(Source::File(path)) => from_file(&path).await?,
        Some(Source::Pod) => Config::incluster_env().map_err(ClientError::InCluster)?,
        None => return Err(ClientError::Nowhere),
    };
    Client::try_from(config).map_err(ClientError::Client)
}

enum Source {
    File(PathBuf),
    Pod,
}

fn source(flag: Option<&Path>) -> Option<Source> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
    let named = flag
        .filter(|path| !path.as_os_str().is_empty())
        .map(PathBuf::from);
    let file = named.or_else(|| set("KUBECONFIG").map(PathBuf::from));
    let pod = set("KUBERNETES_SERVICE_HOST").and(set("KUBERNETES_SERVICE_PORT"));
    let home = || set("HOME").map(|home| Source::File(Path::new(&home).join(".kube/config")));
    file.map(Source::File)
        .or_else(|| pod.map(|_| Source::Pod))
        .or_else(home)
}

async fn from_file(path: &Path) -> Result<Config, ClientError> {
    let failed = |source| ClientError::Kubeconfig {
        path: path.display().to_string(),
        source,
    };
    let file = Kubeconfig::read_from(path).map_err(failed)?;
    Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
        .await
        .map_err(failed)
}
