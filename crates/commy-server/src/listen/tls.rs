//! TLS, by rustls with ring.

use crate::config::Tls;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

/// What accepts TLS with a certificate and key.
///
/// # Errors
/// A file that cannot be read, or is none; a key that is not the certificate's.
pub(super) fn acceptor(tls: &Tls) -> Result<TlsAcceptor, String> {
    let said = |path: &std::path::Path, error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let certificates = CertificateDer::pem_file_iter(&tls.certificate)
        .and_then(|all| all.collect::<Result<Vec<_>, _>>())
        .map_err(|error| said(&tls.certificate, &error))?;
    if certificates.is_empty() {
        return Err(said(&tls.certificate, &"there is no certificate in it"));
    }
    let key = PrivateKeyDer::from_pem_file(&tls.key).map_err(|error| said(&tls.key, &error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .map_err(|error| said(&tls.certificate, &error))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
