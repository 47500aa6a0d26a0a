//! How AWS is reached: the roots that this machine trusts are read when something is first asked by TLS. The SDK would read and check all of
//! them for each client that it makes ready, also where nothing is reached that way: an emulator of AWS, or an instance's own metadata.

use std::fmt;

use aws_config::{BehaviorVersion, ConfigLoader};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{
    http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector},
    orchestrator::HttpRequest,
    runtime_components::RuntimeComponents,
    stalled_stream_protection::StalledStreamProtectionConfig,
};

/// The SDK's configuration, before anything is set.
pub(super) fn defaults() -> ConfigLoader {
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(SharedHttpClient::new(Web {
            plain: Builder::new().build_http(),
            secure: Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https(),
        }))
        // Each try has a limit of its own (`calls`), with all of its answer: nobody needs to measure how fast that comes.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
}

#[derive(Debug)]
struct Web {
    plain: SharedHttpClient,
    secure: SharedHttpClient,
}

// Whether a client's settings fit is checked by neither: the check is that which reads the roots.
impl HttpClient for Web {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(ByScheme {
            plain: self.plain.http_connector(settings, components),
            secure: self.secure.clone(),
            settings: settings.clone(),
            components: components.clone(),
        })
    }
}

/// Of one client: the connections themselves are kept by the two.
struct ByScheme {
    plain: SharedHttpConnector,
    secure: SharedHttpClient,
    settings: HttpConnectorSettings,
    components: RuntimeComponents,
}

impl fmt::Debug for ByScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByScheme").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl HttpConnector for ByScheme {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        if request.uri().starts_with("http://") {
            self.plain.call(request)
        } else {
            self.secure.http_connector(&self.settings, &self.components).call(request)
        }
    }
}
