//! Peers are checked by chain and SPIFFE ID, never by host name (as in go-spiffe's tlsconfig).

use std::sync::Arc;

use identity_core::{SpiffeId, svid};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor,
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::{
        ParsedCertificate, WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};

use crate::TrustAnchors;

/// Servers of one SPIFFE ID.
#[derive(Debug)]
pub(crate) struct ExpectedServer {
    pub(crate) anchors: TrustAnchors,
    pub(crate) expected: SpiffeId,
    pub(crate) provider: Arc<CryptoProvider>,
}

/// Clients of any SPIFFE ID under the anchors; what each may do is decided later, from the ID.
#[derive(Debug)]
pub(crate) struct AnyClient {
    pub(crate) anchors: TrustAnchors,
    pub(crate) provider: Arc<CryptoProvider>,
}

fn roots(anchors: &TrustAnchors) -> Result<Arc<RootCertStore>, Error> {
    anchors
        .roots()
        .ok_or_else(|| Error::General("there are no trust anchors yet".into()))
}

/// Refuses a leaf that is no SVID of a workload; the reason stays local.
fn peer_id(leaf: &CertificateDer<'_>) -> Result<SpiffeId, Error> {
    svid::peer_id(leaf).map_err(|error| {
        tracing::debug!(%error, "a peer's certificate was refused");
        CertificateError::ApplicationVerificationFailure.into()
    })
}

// === impl ExpectedServer ===

impl ServerCertVerifier for ExpectedServer {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let algorithms = self.provider.signature_verification_algorithms.all;
        let parsed = ParsedCertificate::try_from(leaf)?;
        let roots = roots(&self.anchors)?;
        verify_server_cert_signed_by_trust_anchor(&parsed, &roots, intermediates, now, algorithms)?;
        let id = peer_id(leaf)?;
        if id == self.expected {
            return Ok(ServerCertVerified::assertion());
        }
        tracing::debug!(%id, expected = %self.expected, "a server has another identity");
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

// === impl AnyClient ===

impl ClientCertVerifier for AnyClient {
    /// None: a client has one identity and needs no hint.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let roots = roots(&self.anchors)?;
        let verifier =
            WebPkiClientVerifier::builder_with_provider(roots, self.provider.clone()).build();
        let verifier = verifier.map_err(|error| Error::General(error.to_string()))?;
        let proof = verifier.verify_client_cert(leaf, intermediates, now)?;
        peer_id(leaf)?;
        Ok(proof)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
