//! daprd's security context.

use k8s_openapi::api::core::v1::{
    Capabilities, EnvVar, SeccompProfile, SecurityContext, WindowsSecurityContextOptions,
};

use super::Sidecar;

/// A pod with this variable installs certificates, for which a Windows container must be
/// administrator; no injector can see on which system the pod will run.
const CERTIFICATES: &str = "SSL_CERT_DIR";

pub(super) fn context(sidecar: &Sidecar<'_>, env: &[EnvVar]) -> SecurityContext {
    let mut context = usual(sidecar);
    let certificates = env.iter().any(|variable| variable.name == CERTIFICATES);
    if certificates && !sidecar.security.restricted {
        context = administrator(context);
    }
    if sidecar.security.windows {
        context = without_linux(context);
    }
    context
}

fn administrator(context: SecurityContext) -> SecurityContext {
    let windows = WindowsSecurityContextOptions {
        run_as_user_name: Some("ContainerAdministrator".into()),
        ..WindowsSecurityContextOptions::default()
    };
    SecurityContext {
        windows_options: Some(windows),
        run_as_non_root: Some(false),
        read_only_root_filesystem: Some(false),
        run_as_user: None,
        run_as_group: None,
        ..context
    }
}

/// Keeps only the fields that the API server lets a pod have that says it runs on Windows.
fn without_linux(context: SecurityContext) -> SecurityContext {
    SecurityContext {
        windows_options: context.windows_options,
        run_as_non_root: context.run_as_non_root,
        ..SecurityContext::default()
    }
}

fn usual(sidecar: &Sidecar<'_>) -> SecurityContext {
    let defaults = &sidecar.cluster.security;
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: defaults.drop_all_capabilities.then(|| Capabilities {
            add: None,
            drop: Some(vec!["ALL".into()]),
        }),
        read_only_root_filesystem: Some(defaults.read_only_root),
        run_as_group: defaults.run_as_group,
        run_as_non_root: Some(defaults.run_as_non_root),
        run_as_user: defaults.run_as_user,
        seccomp_profile: seccomp_profile(sidecar),
        ..SecurityContext::default()
    }
}

/// The annotation, else the runtime's own profile where the pod has not chosen for all containers.
fn seccomp_profile(sidecar: &Sidecar<'_>) -> Option<SeccompProfile> {
    let pod = sidecar.security;
    let by_default = sidecar.cluster.security.runtime_seccomp && !pod.has_seccomp_profile;
    let type_ = match sidecar.options.container.seccomp_profile.as_str() {
        "" if by_default => "RuntimeDefault",
        "" => return None,
        annotated => annotated,
    };
    Some(SeccompProfile {
        type_: type_.into(),
        localhost_profile: None,
    })
}
