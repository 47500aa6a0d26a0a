//! TLS: whom an engine must prove to be, and what we show it. Only the given authority is trusted.

use std::{path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use tokio_rustls::TlsConnector;

use crate::platform::docker::endpoint::{Address, Endpoint, Tls};

/// The way to speak TLS with an engine, and the name that it must prove; none where it is spoken to in plain text.
pub(super) fn connector(endpoint: &Endpoint) -> Result<Option<(TlsConnector, ServerName<'static>)>, String> {
    let (Some(tls), Address::Tcp { host, .. }) = (&endpoint.tls, &endpoint.address) else { return Ok(None) };
    let name = ServerName::try_from(host.clone()).map_err(|_| format!("`{host}` cannot be the name of an engine"))?;
    Ok(Some((TlsConnector::from(Arc::new(trust(tls)?)), name)))
}

fn trust(tls: &Tls) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    match &tls.ca {
        Some(path) => {
            let said = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|error| said(&error))?;
            }
        }
        None => {
            for certificate in rustls_native_certs::load_native_certs().certs {
                // The system's store may hold what this library does not take; the others still count.
                let _ = roots.add(certificate);
            }
        }
    }
    if roots.is_empty() {
        return Err("there is no authority to check the engine's certificate with: no ca.pem, and the system has none".to_owned());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}"))?
        .with_root_certificates(roots);
    let Some((certificate, key)) = &tls.client else { return Ok(builder.with_no_client_auth()) };
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| format!("{}: {error}", key.display()))?;
    builder
        .with_client_auth_cert(certificates(certificate)?, secret)
        .map_err(|error| format!("{} and {} do not fit: {error}", certificate.display(), key.display()))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let said = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let all: Vec<_> =
        CertificateDer::pem_file_iter(path).map_err(|error| said(&error))?.collect::<Result<_, _>>().map_err(|error| said(&error))?;
    if all.is_empty() { Err(format!("{} holds no certificate", path.display())) } else { Ok(all) }
}
