//! The certificate of a workload.

use config::GoDuration;
use identity_core::{Workload, WorkloadError};
use jiff::Timestamp;
use rustls_pki_types::CertificateDer;

pub use crate::x509::template::WriteError;
use crate::{
    bundle::Bundle,
    images::{self, Image},
    pem,
    request::PublicKey,
    x509::{
        extension::{Extension, KeyUsage},
        template::{self, Template},
    },
};

/// How long certificates live, from the Configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// From now to the end.
    pub ttl: GoDuration,
    /// From the beginning to now.
    pub skew: GoDuration,
}

/// What a certificate is to say.
#[derive(Debug)]
pub struct Order<'a> {
    /// The key of the workload.
    pub public_key: &'a PublicKey,
    /// Who the workload is.
    pub workload: &'a Workload,
    /// Host names, for the services that answer to any (see [`crate::dns`]).
    pub dns: &'a [String],
    /// Images that the workload runs, if known.
    pub images: &'a [Image],
}

/// A certificate and the chain to a root, without the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// The workload's certificate first, each signed by the next.
    pub chain: Vec<CertificateDer<'static>>,
    /// Begin of the workload's certificate, in whole seconds.
    pub not_before: Timestamp,
    /// End of the workload's certificate, in whole seconds.
    pub not_after: Timestamp,
}

/// Why no certificate was issued.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IssueError {
    /// Namespace or app id can't stand in a SPIFFE ID.
    #[error("the workload has no SPIFFE ID")]
    Identity(#[source] WorkloadError),
    /// Peers would refuse everything signed now.
    #[error("the issuer or its root ended at {0}")]
    Expired(Timestamp),
    /// The certificate could not be written or signed.
    #[error(transparent)]
    Write(#[from] WriteError),
}

// === impl Issued ===

impl Issued {
    /// The chain as PEM.
    pub fn pem(&self) -> String {
        pem::encode_certificates(&self.chain)
    }
}

// === impl Bundle ===

impl Bundle {
    /// Issues a certificate. `serial` must come from a secure source of randomness.
    ///
    /// It never outlives the issuer or the issuer's root: a sidecar would hold a certificate that
    /// its peers refuse, and would renew it too late.
    ///
    /// # Errors
    /// If the workload has no SPIFFE ID, the issuer has ended, or the signature fails.
    pub fn issue(
        &self,
        order: &Order<'_>,
        terms: Terms,
        now: Timestamp,
        serial: [u8; 16],
    ) -> Result<Issued, IssueError> {
        let end = self.path_not_after();
        if end <= now {
            return Err(IssueError::Expired(end));
        }
        let (not_before, not_after) = validity(terms, now, end)?;
        let template = Template {
            serial,
            issuer: &self.issuer_name,
            subject: &template::empty_name(),
            not_before,
            not_after,
            public_key: order.public_key.der(),
            extensions: self.extensions(order)?,
        };
        let leaf = template.sign(&self.key)?;
        Ok(Issued {
            not_before: whole_seconds(template.not_before),
            not_after: whole_seconds(template.not_after),
            chain: std::iter::once(leaf)
                .chain(self.chain.iter().cloned())
                .collect(),
        })
    }

    fn extensions(&self, order: &Order<'_>) -> Result<Vec<Extension>, IssueError> {
        let id = order
            .workload
            .spiffe_id()
            .map_err(IssueError::Identity)?
            .to_string();
        let mut extensions = vec![
            Extension::key_usage(&[KeyUsage::DigitalSignature]),
            Extension::server_and_client(),
        ];
        extensions.extend(
            self.issuer_key_id
                .as_deref()
                .map(Extension::authority_key_id),
        );
        extensions.push(Extension::alternative_names(order.dns, &id));
        extensions.extend(images::extension(order.images));
        Ok(extensions)
    }
}

/// A certificate is renewed at half of its validity, the back-dated part included. If the end of
/// its chain cuts it short, it is back-dated less: else that half would lie in the past, and
/// daprd would ask for certificates without a pause.
fn validity(
    terms: Terms,
    now: Timestamp,
    end: Timestamp,
) -> Result<(Timestamp, Timestamp), WriteError> {
    let (skew, wanted) = (
        terms.skew.as_nanos(),
        template::shifted(now, terms.ttl.as_nanos())?,
    );
    if wanted <= end {
        return Ok((template::shifted(now, -skew)?, wanted));
    }
    let left = i64::try_from(end.duration_since(now).as_nanos()).unwrap_or(i64::MAX);
    Ok((template::shifted(now, -skew.min(left / 3))?, end))
}

fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}
