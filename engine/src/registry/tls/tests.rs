//! A registry over TLS with certificates of all kinds.

use std::io::{Read, Write};
use std::net::TcpListener;

use rcgen::{BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::server::WebPkiClientVerifier;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::*;
use crate::progress::Cancel;
use crate::registry::{Credentials, Limits, log_in, run};

/// An authority.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("makes");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().expect("makes")).expect("signs"))
    }

    fn signs(&self, name: &str, twist: impl Fn(&mut CertificateParams)) -> (Certificate, KeyPair) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("makes");
        twist(&mut params);
        let key = KeyPair::generate().expect("makes");
        (params.signed_by(&key, &self.0).expect("signs"), key)
    }
}

/// Serves `200 OK` with a certificate; clients need one of `clients`, if that is given.
fn serve((certificate, key): (Certificate, KeyPair), clients: Option<&Authority>) -> String {
    let builder =
        ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().expect("builds");
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.0.der().clone()).expect("adds");
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider()).build();
            builder.with_client_cert_verifier(verifier.expect("builds"))
        }
    };
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("is one");
    let config = Arc::new(builder.with_single_cert(vec![certificate.der().clone()], key).expect("builds"));
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let host = listener.local_addr().expect("has an address").to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let config = Arc::clone(&config);
            std::thread::spawn(move || {
                let tls = ServerConnection::new(config).expect("begins");
                let mut stream = StreamOwned::new(tls, stream);
                let mut request = [0; 4096];
                while stream.read(&mut request).is_ok_and(|read| read > 0) {
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
                }
            });
        }
    });
    host
}

/// Logs in with the files given for the host.
fn ask(host: &str, files: &[(&str, String)], insecure: &[&str]) -> Result<(), String> {
    let scratch = tempfile::tempdir().expect("temporary directory");
    let own = scratch.path().join(host);
    fs::create_dir(&own).expect("makes");
    for (name, text) in files {
        fs::write(own.join(name), text).expect("writes");
    }
    let settings = Arc::new(Registries {
        insecure: insecure.iter().map(|&entry| entry.to_owned()).collect(),
        certificates: vec![scratch.path().to_owned()],
        ..Registries::default()
    });
    let credentials = Credentials { server_address: host.to_owned(), ..Credentials::default() };
    let asked = run(&Cancel::new(), log_in(&credentials, &settings, Limits::default()));
    asked.map_err(|error: RegistryError| error.to_string())
}

#[test]
fn certificates_are_trusted_as_they_should_be() {
    let (ours, other) = (Authority::new(), Authority::new());
    let good = serve(ours.signs("127.0.0.1", |_| {}), None);
    let ca = |authority: &Authority| ("ca.crt", authority.0.pem());
    assert_eq!(ask(&good, &[ca(&ours)], &[]), Ok(()));
    assert_eq!(ask(&good, &[ca(&other), ("more.crt", ours.0.pem())], &[]), Ok(()));
    assert_eq!(ask(&good, &[], &[&good]), Ok(()));
    assert_eq!(ask(&good, &[ca(&other)], &["127.0.0.0/8"]), Ok(()));
    let elsewhere = serve(ours.signs("r.example", |_| {}), None);
    let expired = serve(ours.signs("127.0.0.1", |params| params.not_after = date_time_ymd(2001, 1, 1)), None);
    for (host, files, why) in [
        (&good, vec![], "nobody whom this machine trusts signed it"),
        (&good, vec![], "/ca.crt, or in SSL_CERT_FILE"),
        (&good, vec![ca(&other)], "nobody whom this machine trusts signed it"),
        (&good, vec![("ca.txt", ours.0.pem())], "nobody whom this machine trusts signed it"),
        (&good, vec![("ca.crt", "-----BEGIN CERTIFICATE-----\n%".into())], "ca.crt cannot be used"),
        (&elsewhere, vec![ca(&ours)], "not valid for name"),
        (&expired, vec![ca(&ours)], "expired"),
    ] {
        let error = ask(host, &files, &["r.example", "10.0.0.0/8"]).expect_err(why);
        assert!(error.contains(why), "{why}: {error}");
    }
}

#[test]
fn clients_show_their_certificate() {
    let ours = Authority::new();
    let host = serve(ours.signs("127.0.0.1", |_| {}), Some(&ours));
    let ca = ("ca.crt", ours.0.pem());
    let (certificate, key) = ours.signs("me", |_| {});
    let client = ("client.cert", certificate.pem());
    assert_eq!(ask(&host, &[ca.clone(), client.clone(), ("client.key", key.serialize_pem())], &[]), Ok(()));
    assert!(ask(&host, std::slice::from_ref(&ca), &[]).is_err(), "it wants one");
    let error = ask(&host, &[ca, client], &[]).expect_err("has no key");
    assert!(error.contains("client.cert cannot be used: its key:"), "{error}");
}
