//! Certificates, and a web server on this machine, with TLS or without.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;

use rcgen::{BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// An authority that signs certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("makes");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().expect("makes")).expect("signs"))
    }

    /// Its own certificate.
    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for a host.
    pub(crate) fn certificate(&self, host: &str) -> (Certificate, KeyPair) {
        let params = CertificateParams::new(vec![host.to_owned()]).expect("makes");
        let key = KeyPair::generate().expect("makes");
        (params.signed_by(&key, &self.0).expect("signs"), key)
    }
}

/// An answer: status, headers, body.
pub(crate) type Answer = (u16, String, Vec<u8>);

/// A web server; every connection has one request.
pub(crate) struct Web {
    pub(crate) host: String,
}

impl Web {
    /// Starts one that answers what `answer` makes of the path, with TLS if there is an authority.
    pub(crate) fn start(
        authority: Option<&Authority>,
        answer: impl Fn(&str) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let tls = authority.map(|authority| {
            let (certificate, key) = authority.certificate("127.0.0.1");
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
            let key = PrivateKeyDer::try_from(key.serialize_der()).expect("is one");
            let config = config.expect("builds").with_no_client_auth();
            Arc::new(config.with_single_cert(vec![certificate.der().clone()], key).expect("builds"))
        });
        let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
        let host = listener.local_addr().expect("has an address").to_string();
        let answer = Arc::new(answer);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (tls, answer) = (tls.clone(), Arc::clone(&answer));
                std::thread::spawn(move || match tls {
                    None => serve(stream, &*answer),
                    Some(config) => {
                        let tls = ServerConnection::new(config).expect("begins");
                        serve(StreamOwned::new(tls, stream), &*answer);
                    }
                });
            }
        });
        Self { host }
    }
}

fn serve(mut stream: impl Read + Write, answer: &impl Fn(&str) -> Answer) {
    let mut request = [0; 4096];
    let Ok(read @ 1..) = stream.read(&mut request) else { return };
    let text = String::from_utf8_lossy(&request[..read]);
    let (status, headers, body) = answer(text.split(' ').nth(1).unwrap_or_default());
    let head = format!("HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)).and_then(|()| stream.flush());
}
