//! TLS as the one who connects, for whoever asks servers of others.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

/// Begins TLS with servers whose certificates these roots have signed; each time anew.
pub(crate) fn connector(roots: RootCertStore) -> TlsConnector {
    TlsConnector::from(Arc::new(client(roots)))
}

/// The same without a runtime.
pub(crate) fn client(roots: RootCertStore) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has what the default versions need")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    config
}
