//! What sentry is told on its command line.

use std::path::{Path, PathBuf};

use clap::{ArgAction, Args, Parser};
use config::{GoDuration, args::boolean};
use identity_core::{SpiffeIdError, TrustDomain};
use jiff::SignedDuration;
use sentry_core::{
    Terms,
    agreement::Names,
    generate::Profile,
    jwt::{self, UnknownAlgorithm},
    oidc::{Oidc, Prefix, PrefixError},
    rotation,
    settings::Mode,
    trust_domain,
    validator::kubernetes::ControlPlane,
};

use crate::oidc::CertificateFiles;

/// Sentry: the SPIFFE certificate authority of the control plane
#[derive(Parser, Clone, Debug)]
#[command(name = "sentry", version)]
pub struct Flags {
    /// Logs, health and metrics
    #[command(flatten)]
    pub process: process::Flags,
    /// Configuration: a file, or in kubernetes mode the name of the resource
    #[arg(long, default_value = "daprsystem")]
    pub config: String,
    /// Directory of the credential files
    #[arg(long, default_value = "/var/run/secrets/dapr.io/credentials")]
    pub issuer_credentials: PathBuf,
    /// File, or key of the Secret, of the trust anchors
    #[arg(long, default_value = "ca.crt")]
    pub issuer_ca_filename: PathBuf,
    /// File, or key of the Secret, of the issuer's certificate chain
    #[arg(long, default_value = "issuer.crt")]
    pub issuer_certificate_filename: PathBuf,
    /// File, or key of the Secret, of the issuer's private key
    #[arg(long, default_value = "issuer.key")]
    pub issuer_key_filename: PathBuf,
    /// Trust domain of the control plane
    #[arg(long, default_value = "localhost")]
    pub trust_domain: String,
    /// Port of the gRPC server
    #[arg(long, default_value_t = 50001)]
    pub port: u16,
    /// Address of the gRPC server; all when empty
    #[arg(long, default_value = "")]
    pub listen_address: String,
    /// Where sentry runs: standalone or kubernetes
    #[arg(long, default_value = "standalone")]
    pub mode: String,
    /// The one namespace whose pods are followed; all when empty
    #[arg(long, default_value = "")]
    pub watch_namespace: String,
    /// Kubeconfig, if not run inside the cluster
    #[arg(long)]
    pub kubeconfig: Option<PathBuf>,
    /// How authorities follow each other
    #[command(flatten)]
    pub rotation: RotationFlags,
    /// Tokens beside certificates
    #[command(flatten)]
    pub jwt: JwtFlags,
    /// The server that publishes the tokens' keys
    #[command(flatten)]
    pub oidc: OidcFlags,
}

/// How authorities follow each other, in a cluster.
#[derive(Args, Clone, Debug)]
pub struct RotationFlags {
    /// Replace authorities that sentry made by age
    #[arg(long, default_value_t = true, action = ArgAction::Set, num_args = 0..=1,
          require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub root_rotation: bool,
    /// How long a new root lives
    #[arg(long, default_value = "8760h")]
    pub root_lifetime: GoDuration,
    /// How long an authority signs before the next takes over; at most half of its root's life
    #[arg(long, default_value = "2920h")]
    pub root_rotation_interval: GoDuration,
}

/// Tokens beside certificates.
#[derive(Args, Clone, Debug)]
pub struct JwtFlags {
    /// Issue JWT SVIDs
    #[arg(long, default_value_t = false, action = ArgAction::Set, num_args = 0..=1,
          require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub jwt_enabled: bool,
    /// File of the JWT signing key; obeyed only if absolute
    #[arg(long, default_value = "jwt.key")]
    pub jwt_key_filename: PathBuf,
    /// File of the published key set; obeyed only if absolute
    #[arg(long, default_value = "jwks.json")]
    pub jwks_filename: PathBuf,
    /// Issuer claim of JWT SVIDs
    #[arg(long)]
    pub jwt_issuer: Option<String>,
    /// Signature algorithm of JWT SVIDs
    #[arg(long, default_value = "RS256")]
    pub jwt_signing_algorithm: String,
    /// Key id of JWT SVIDs
    #[arg(long)]
    pub jwt_key_id: Option<String>,
    /// Lifetime of JWT SVIDs
    #[arg(long, default_value = "24h")]
    pub jwt_ttl: GoDuration,
}

/// The server that publishes the tokens' keys.
#[derive(Args, Clone, Debug)]
pub struct OidcFlags {
    /// Serve OIDC discovery, if JWT SVIDs are issued
    #[arg(long, default_value_t = false, action = ArgAction::Set, num_args = 0..=1,
          require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub oidc_enabled: bool,
    /// Port of the OIDC server
    #[arg(long, default_value_t = 9080)]
    pub oidc_server_listen_port: u16,
    /// Address of the OIDC server
    #[arg(long, default_value = "localhost")]
    pub oidc_server_listen_address: String,
    /// Whether the OIDC server must have a certificate
    #[arg(long, default_value_t = true, action = ArgAction::Set, num_args = 0..=1,
          require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub oidc_server_tls_enabled: bool,
    /// File of the OIDC server's certificate
    #[arg(long)]
    pub oidc_server_tls_cert_file: Option<PathBuf>,
    /// File of the OIDC server's private key
    #[arg(long)]
    pub oidc_server_tls_key_file: Option<PathBuf>,
    /// Published address of the key set, if it is another one
    #[arg(long)]
    pub oidc_jwks_uri: Option<String>,
    /// Path in front of the OIDC endpoints
    #[arg(long)]
    pub oidc_path_prefix: Option<String>,
    /// Hosts that the OIDC server answers for; all when empty
    #[arg(long, value_delimiter = ',')]
    pub oidc_allowed_hosts: Vec<String>,
}

/// Flags that can't be obeyed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FlagError {
    /// `--mode`.
    #[error("--mode must be standalone or kubernetes, not \"{0}\"")]
    Mode(String),
    /// `--trust-domain`.
    #[error("--trust-domain is no trust domain")]
    TrustDomain(#[source] SpiffeIdError),
    /// OIDC over TLS without a certificate.
    #[error(
        "--oidc-server-tls-cert-file and --oidc-server-tls-key-file are needed for OIDC over TLS; --oidc-server-tls-enabled=false serves it without"
    )]
    OidcCertificate,
    /// One of the two OIDC files.
    #[error("--oidc-server-tls-cert-file and --oidc-server-tls-key-file must be given together")]
    OidcPair,
    /// `--jwt-issuer` without `--jwt-enabled`.
    #[error("--jwt-issuer needs --jwt-enabled")]
    JwtIssuer,
    /// `--oidc-path-prefix`.
    #[error("--oidc-path-prefix")]
    Prefix(#[from] PrefixError),
    /// A credential file's name without a last part.
    #[error("{0} names no file")]
    NoFile(&'static str),
    /// The durations of roots.
    #[error(
        "--root-rotation-interval must be longer than nothing and at most half of --root-lifetime"
    )]
    Rotation,
    /// `--jwt-signing-algorithm`.
    #[error("--jwt-signing-algorithm")]
    Algorithm(#[from] UnknownAlgorithm),
}

/// Where the parts of the bundle are.
#[derive(Debug, Clone)]
pub struct Paths {
    /// Trust anchors.
    pub anchors: PathBuf,
    /// Issuer chain.
    pub issuer_chain: PathBuf,
    /// Issuer key.
    pub issuer_key: PathBuf,
    /// Signing key of tokens.
    pub jwt_key: PathBuf,
    /// Key set of tokens.
    pub key_set: PathBuf,
}

// === impl Flags ===

impl Flags {
    /// The one namespace whose pods are followed, if it is not all.
    pub fn served(&self) -> Option<String> {
        Some(self.watch_namespace.clone()).filter(|namespace| !namespace.is_empty())
    }

    /// The mode.
    ///
    /// # Errors
    /// If it is none of the two.
    pub fn mode(&self) -> Result<Mode, FlagError> {
        match self.mode.as_str() {
            "standalone" => Ok(Mode::Standalone),
            "kubernetes" => Ok(Mode::Kubernetes),
            other => Err(FlagError::Mode(other.to_owned())),
        }
    }

    /// The trust domain of the control plane; it beats the Configuration's.
    ///
    /// # Errors
    /// If it is none.
    pub fn trust_domain(&self) -> Result<TrustDomain, FlagError> {
        trust_domain::parse(&self.trust_domain).map_err(FlagError::TrustDomain)
    }

    /// Checks what clap can't see: which flags fit together.
    ///
    /// # Errors
    /// Names the flags that do not.
    pub fn check(&self) -> Result<(), FlagError> {
        let oidc = &self.oidc;
        let certificate = oidc.oidc_server_tls_cert_file.is_some();
        let key = oidc.oidc_server_tls_key_file.is_some();
        if oidc.oidc_enabled && oidc.oidc_server_tls_enabled && !(certificate && key) {
            return Err(FlagError::OidcCertificate);
        }
        if certificate != key {
            return Err(FlagError::OidcPair);
        }
        if self.jwt.jwt_issuer.is_some() && !self.jwt.jwt_enabled {
            return Err(FlagError::JwtIssuer);
        }
        self.rotation.check()
    }

    /// How tokens are made, if they are.
    ///
    /// # Errors
    /// If the algorithm is unknown.
    pub fn tokens(&self, skew: GoDuration) -> Result<Option<jwt::Options>, FlagError> {
        if !self.jwt.jwt_enabled {
            return Ok(None);
        }
        Ok(Some(jwt::Options {
            algorithm: self.jwt.jwt_signing_algorithm.parse()?,
            key_id: self.jwt.jwt_key_id.clone(),
            issuer: self.jwt.jwt_issuer.clone(),
            ttl: self.jwt.jwt_ttl,
            skew,
        }))
    }

    /// What the OIDC server says, if there is one: without tokens nobody needs it.
    ///
    /// # Errors
    /// If the algorithm of tokens is unknown, or no path can begin with the prefix.
    pub fn oidc(&self) -> Result<Option<Oidc>, FlagError> {
        let flags = &self.oidc;
        if !(flags.oidc_enabled && self.jwt.jwt_enabled) {
            return Ok(None);
        }
        Ok(Some(Oidc {
            issuer: self.jwt.jwt_issuer.clone(),
            key_set_uri: flags.oidc_jwks_uri.clone(),
            prefix: Prefix::new(flags.oidc_path_prefix.as_deref().unwrap_or_default())?,
            allowed_hosts: flags.oidc_allowed_hosts.clone(),
            algorithm: self.jwt.jwt_signing_algorithm.parse()?,
            tls: flags.certificate().is_some(),
        }))
    }

    /// Where the parts of the bundle are; absolute names stand for themselves.
    pub fn paths(&self) -> Paths {
        let path = |name: &Path| self.issuer_credentials.join(name);
        // Relative names of these two mean nothing, as in the original.
        let absolute = |name: &Path, default: &str| {
            let name = if name.is_absolute() {
                name
            } else {
                Path::new(default)
            };
            path(name)
        };
        Paths {
            anchors: path(&self.issuer_ca_filename),
            issuer_chain: path(&self.issuer_certificate_filename),
            issuer_key: path(&self.issuer_key_filename),
            jwt_key: absolute(&self.jwt.jwt_key_filename, "jwt.key"),
            key_set: absolute(&self.jwt.jwks_filename, "jwks.json"),
        }
    }
}

// === impl RotationFlags ===

impl RotationFlags {
    fn check(&self) -> Result<(), FlagError> {
        let interval = self.root_rotation_interval.as_nanos();
        if interval <= 0 || self.root_lifetime.as_nanos() / 2 < interval {
            return Err(FlagError::Rotation);
        }
        Ok(())
    }

    /// How authorities of this kind follow each other.
    pub fn settings(&self, own: &ControlPlane, terms: Terms) -> rotation::Settings {
        let duration = |go: GoDuration| SignedDuration::from_nanos(go.as_nanos());
        rotation::Settings {
            profile: Profile {
                trust_domain: own.trust_domain.clone(),
                namespace: own.namespace.clone(),
                skew: terms.skew,
                lifetime: self.root_lifetime,
            },
            by_age: self.root_rotation,
            interval: duration(self.root_rotation_interval),
            leaf_life: duration(terms.ttl),
        }
    }
}

// === impl OidcFlags ===

impl OidcFlags {
    /// The certificate, if both of its files are named; it counts even where TLS is said to be
    /// off, as in the original.
    pub fn certificate(&self) -> Option<CertificateFiles> {
        let chain = self.oidc_server_tls_cert_file.clone()?;
        let key = self.oidc_server_tls_key_file.clone()?;
        Some(CertificateFiles { chain, key })
    }
}

// === impl Paths ===

impl Paths {
    /// All of them.
    pub fn files(self) -> Vec<PathBuf> {
        vec![
            self.anchors,
            self.issuer_chain,
            self.issuer_key,
            self.jwt_key,
            self.key_set,
        ]
    }

    /// The keys of the Secret: the last parts of the paths.
    ///
    /// # Errors
    /// If a path has none.
    pub fn names(&self) -> Result<Names, FlagError> {
        Ok(Names {
            anchors: name(&self.anchors, "--issuer-ca-filename")?,
            issuer_chain: name(&self.issuer_chain, "--issuer-certificate-filename")?,
            issuer_key: name(&self.issuer_key, "--issuer-key-filename")?,
            jwt_key: name(&self.jwt_key, "--jwt-key-filename")?,
            key_set: name(&self.key_set, "--jwks-filename")?,
        })
    }
}

fn name(path: &Path, flag: &'static str) -> Result<String, FlagError> {
    let name = path.file_name().and_then(|name| name.to_str());
    name.map(str::to_owned).ok_or(FlagError::NoFile(flag))
}

#[cfg(test)]
mod tests;
