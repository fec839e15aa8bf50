//! TLS: certificates are checked, and authorities can be added.

use std::sync::Arc;

use futures::FutureExt as _;
use loom_http::{HttpClient, InvalidSettings, Settings};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use crate::server::{Server, call, client, client_with, failure, names, response, send};

/// An authority, and a server with its certificate for `here.test`.
async fn authority_and_server() -> (String, Server) {
    let mut parameters = CertificateParams::new(Vec::new()).unwrap();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["here.test".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let accept = move |stream| {
        let acceptor = acceptor.clone();
        async move { acceptor.accept(stream).await.ok() }.boxed()
    };
    let server = Server::start_with(response("200 OK", &[], "over TLS"), accept).await;
    (authority.pem(), server)
}

#[tokio::test]
async fn only_trusted_certificates_for_the_right_name_are_taken() {
    let (authority, server) = authority_and_server().await;
    let url = |host: &str| server.url(host).replace("http:", "https:");
    let trusting = client_with(names(), Settings { extra_ca: authority.into_bytes(), ..Settings::default() });
    assert_eq!(send(&trusting, call("GET", url("here.test"))).await.unwrap().body, b"over TLS");

    for (client, host) in [(&trusting, "there.test"), (&client(), "here.test")] {
        let failure = failure(client, call("GET", url(host))).await;
        assert_eq!((failure.kind.as_str(), failure.retryable), ("http-untrusted", false), "{host}: {failure}");
    }
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn extra_certificates_must_be_some() {
    let with = |text: &str| {
        let settings = Settings { extra_ca: text.as_bytes().to_vec(), ..Settings::default() };
        HttpClient::new(settings, Arc::new(names())).map(drop)
    };
    assert!(matches!(with("nothing"), Err(InvalidSettings::NoCertificate)));
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(matches!(with(broken), Err(InvalidSettings::Certificate(_))));
}
