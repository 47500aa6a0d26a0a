//! TLS of a probe. Verification is on; `insecure` is said per probe and nowhere else.

use std::sync::Arc;

use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};
use tokio_rustls::TlsConnector;

use crate::model::probe::TlsSettings;

/// The TLS side of a probe that speaks this protocol (as ALPN names it; none where it has no name); words for the user when a file is wrong.
pub fn connector(spec: &TlsSettings, protocol: Option<&[u8]>) -> Result<TlsConnector, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}"))?;
    let builder = if spec.insecure {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Anyone(provider)))
    } else {
        builder.with_root_certificates(roots(spec.ca.as_deref())?)
    };
    let mut config = match (&spec.certificate, &spec.key) {
        (None, None) => builder.with_no_client_auth(),
        (Some(chain), Some(key)) => {
            let key = PrivateKeyDer::from_pem_file(key).map_err(|error| format!("no private key can be read from `{key}`: {error}"))?;
            builder
                .with_client_auth_cert(certificates(chain)?, key)
                .map_err(|error| format!("the client certificate `{chain}` and its key do not fit: {error}"))?
        }
        (Some(_), None) => return Err("`tls` has a certificate but no key".to_owned()),
        (None, Some(_)) => return Err("`tls` has a key but no certificate".to_owned()),
    };
    // A new visitor has no session to resume: each connection pays the full handshake.
    config.resumption = Resumption::disabled();
    config.alpn_protocols = protocol.map(<[u8]>::to_vec).into_iter().collect();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn certificates(path: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let cannot = |error: rustls::pki_types::pem::Error| format!("no certificates can be read from `{path}`: {error}");
    let list = CertificateDer::pem_file_iter(path).map_err(cannot)?.collect::<Result<Vec<_>, _>>().map_err(cannot)?;
    if list.is_empty() { Err(format!("`{path}` has no certificate in PEM form")) } else { Ok(list) }
}

fn roots(ca: Option<&str>) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    if let Some(path) = ca {
        for certificate in certificates(path)? {
            store.add(certificate).map_err(|error| format!("`{path}` has a certificate that is no authority: {error}"))?;
        }
        return Ok(store);
    }
    let found = rustls_native_certs::load_native_certs();
    store.add_parsable_certificates(found.certs);
    if store.is_empty() {
        return Err("this machine has no certificate authorities; name a PEM file with `tls: { ca: FILE }`".to_owned());
    }
    Ok(store)
}

/// Takes any certificate; signatures are still checked, so that the handshake is the real one.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
