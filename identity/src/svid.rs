//! The identity of this process: a certificate chain, its key, and their holder.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use identity_core::SpiffeId;
use rcgen::{
    CertificateParams, DistinguishedName, KeyPair, PKCS_ED25519, PKCS_RSA_SHA256, RsaKeySize,
};
use rustls::{crypto::aws_lc_rs::sign::any_supported_type, sign::CertifiedKey};
use rustls_pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{self, PemObject},
};
use tokio::sync::watch;

/// The kind of key that a process makes for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// What every Dapr process has but the two below.
    Ed25519,
    /// For the two that serve webhooks: some managed API servers refuse Ed25519 there.
    Rsa2048,
}

/// A certificate chain with its key. The key shows in no `Debug`.
pub struct Svid {
    certified: Arc<CertifiedKey>,
    spiffe_id: SpiffeId,
    not_before: SystemTime,
    not_after: SystemTime,
}

/// Why a chain and a key make no identity.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SvidError {
    /// The chain is no PEM or empty.
    #[error("the certificate chain could not be read")]
    Chain(#[source] pem::Error),
    /// No certificate in the chain.
    #[error("the certificate chain is empty")]
    Empty,
    /// The leaf is no SVID.
    #[error("the leaf is no SVID")]
    Leaf(#[from] identity_core::svid::SvidError),
    /// The key is of a kind that can't be used.
    #[error("the private key could not be used")]
    Key(#[source] rustls::Error),
    /// No key or request could be made.
    #[error("the key or its signing request could not be made")]
    Request(#[from] rcgen::Error),
}

// === impl KeyKind ===

impl KeyKind {
    /// A new key and its signing request as PEM: no subject, no names, for sentry adds those.
    ///
    /// An RSA key takes some 100 ms of CPU.
    ///
    /// # Errors
    /// If the crypto library fails.
    pub(crate) fn request(self) -> Result<(PrivateKeyDer<'static>, String), SvidError> {
        let key = match self {
            Self::Ed25519 => KeyPair::generate_for(&PKCS_ED25519)?,
            Self::Rsa2048 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?,
        };
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let request = params.serialize_request(&key)?.pem()?;
        Ok((PrivateKeyDer::Pkcs8(key.serialize_der().into()), request))
    }
}

// === impl Svid ===

impl Svid {
    /// The identity of a chain, leaf first, and the leaf's key.
    ///
    /// # Errors
    /// If the leaf is no SVID or the key can't sign.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: &PrivateKeyDer<'_>,
    ) -> Result<Self, SvidError> {
        let leaf = chain.first().ok_or(SvidError::Empty)?;
        let spiffe_id = identity_core::svid::peer_id(leaf)?;
        let (not_before, not_after) = identity_core::svid::validity(leaf)?;
        let key = any_supported_type(key).map_err(SvidError::Key)?;
        Ok(Self {
            certified: Arc::new(CertifiedKey::new(chain, key)),
            spiffe_id,
            not_before: time(not_before),
            not_after: time(not_after),
        })
    }

    /// As [`new`](Self::new), with the chain as PEM.
    ///
    /// # Errors
    /// As there, and if the text is no PEM.
    pub fn from_pem(chain: &[u8], key: &PrivateKeyDer<'_>) -> Result<Self, SvidError> {
        let chain = CertificateDer::pem_slice_iter(chain).collect::<Result<_, _>>();
        Self::new(chain.map_err(SvidError::Chain)?, key)
    }

    /// Leaf first, then its issuers.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.certified.cert
    }

    /// Who it is.
    pub fn spiffe_id(&self) -> &SpiffeId {
        &self.spiffe_id
    }

    /// The last second of the leaf's validity.
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// When to ask for the next one: at half of the validity, back-dating included, as all of
    /// Dapr's processes do.
    pub fn renew_at(&self) -> SystemTime {
        let life = self
            .not_after
            .duration_since(self.not_before)
            .unwrap_or_default();
        self.not_before + life / 2
    }

    pub(crate) fn certified(&self) -> Arc<CertifiedKey> {
        self.certified.clone()
    }
}

impl fmt::Debug for Svid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Svid")
            .field("spiffe_id", &self.spiffe_id)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

fn time(seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
}

/// The holder of the current SVID. Clones see the same; a new one is served from the next
/// handshake on.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    current: Arc<watch::Sender<Option<Arc<Svid>>>>,
}

// === impl Identity ===

impl Identity {
    /// A holder without an SVID yet.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Replaces the SVID.
    pub fn set(&self, svid: Svid) {
        self.current.send_replace(Some(Arc::new(svid)));
    }

    /// The SVID, or nothing before the first.
    pub fn current(&self) -> Option<Arc<Svid>> {
        self.current.borrow().clone()
    }

    /// Waits for the first SVID.
    pub async fn ready(&self) {
        let mut changes = self.current.subscribe();
        // The sender lives as long as self, so that the channel can't close here.
        let _ = changes.wait_for(Option::is_some).await;
    }
}
