//! TLS as the one who connects, for whoever asks servers of others, or this one.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, VerifierBuilderError, WantsClientCert, WebPkiServerVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ConfigBuilder, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    WantsVerifier,
};
use tokio_rustls::TlsConnector;

/// What a port says, among other things, to who comes without TLS where it is wanted.
pub(crate) const SPEAKS_TLS: &str = "this port speaks TLS";

/// Begins TLS with servers whose certificates these roots have signed; each time anew.
pub(crate) fn connector(roots: RootCertStore) -> TlsConnector {
    built(|builder| builder.with_root_certificates(roots))
}

/// Begins TLS with servers that have one of these certificates, whatever its name and whoever signed it, and with those whose
/// certificates these roots have signed; each time anew.
pub(crate) fn connector_knowing(
    certificates: Vec<CertificateDer<'static>>,
    roots: RootCertStore,
) -> Result<TlsConnector, VerifierBuilderError> {
    let algorithms = ring::default_provider().signature_verification_algorithms;
    let others = match roots.is_empty() {
        true => None,
        false => {
            let provider = Arc::new(ring::default_provider());
            Some(WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build()?)
        }
    };
    let known = Arc::new(Known { certificates, others, algorithms });
    Ok(built(|builder| builder.dangerous().with_custom_certificate_verifier(known)))
}

fn built(
    trust: impl FnOnce(
        ConfigBuilder<ClientConfig, WantsVerifier>,
    ) -> ConfigBuilder<ClientConfig, WantsClientCert>,
) -> TlsConnector {
    let provider: Arc<CryptoProvider> = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has what the default versions need");
    let mut config = trust(builder).with_no_client_auth();
    config.resumption = Resumption::disabled();
    TlsConnector::from(Arc::new(config))
}

/// Trusts these certificates; that the server has the key of one, the handshake shows. Of others it asks on.
#[derive(Debug)]
struct Known {
    certificates: Vec<CertificateDer<'static>>,
    others: Option<Arc<WebPkiServerVerifier>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Known {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.certificates.iter().any(|known| known.as_ref() == end_entity.as_ref()) {
            return Ok(ServerCertVerified::assertion());
        }
        match &self.others {
            Some(others) => others.verify_server_cert(end_entity, intermediates, name, ocsp, now),
            None => Err(Error::General("it has another certificate than tls.certFile".to_owned())),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
