//! Whose certificates are trusted: this machine's authorities, and for single registries those of Docker's `certs.d`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ConfigBuilder, DigitallySignedStruct, Error, RootCertStore, SignatureScheme, WantsVerifier,
};

use super::{Registries, RegistryError};
use crate::root::files;

/// The largest file with certificates that is read, in bytes.
const LARGEST: u64 = 4 << 20;

fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(ring::default_provider())))
}

fn builder() -> ConfigBuilder<ClientConfig, WantsVerifier> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    // The provider has both versions, so this cannot fail; without it the builder has no other way on.
    builder.unwrap_or_else(|error| unreachable!("ring speaks TLS: {error}"))
}

/// The authorities that this machine trusts, read once.
fn roots() -> &'static RootCertStore {
    static ROOTS: OnceLock<RootCertStore> = OnceLock::new();
    ROOTS.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        roots
    })
}

/// What serves for every host of which nothing is set.
pub(super) fn common() -> ClientConfig {
    static COMMON: OnceLock<ClientConfig> = OnceLock::new();
    COMMON.get_or_init(|| builder().with_root_certificates(roots().clone()).with_no_client_auth()).clone()
}

/// What is set for `host[:port]`, if anything is.
pub(super) fn of_host(settings: &Registries, host: &str) -> Result<Option<ClientConfig>, RegistryError> {
    let found = Found::read(settings, host)?;
    let insecure = settings.is_insecure(host);
    if !insecure && found.authorities.is_empty() && found.client.is_none() {
        return Ok(None);
    }
    let verified = if insecure {
        builder().dangerous().with_custom_certificate_verifier(Arc::new(Anybody))
    } else {
        let mut all = roots().clone();
        for (path, authority) in found.authorities {
            all.add(authority).map_err(|error| unusable(&path, error))?;
        }
        builder().with_root_certificates(all)
    };
    Ok(Some(match found.client {
        None => verified.with_no_client_auth(),
        Some((path, chain, key)) => {
            verified.with_client_auth_cert(chain, key).map_err(|error| unusable(&path, error))?
        }
    }))
}

fn unusable(path: &Path, why: impl std::fmt::Display) -> RegistryError {
    RegistryError::Unsupported(format!("certificate {} cannot be used: {why}", path.display()))
}

/// The files for one host.
#[derive(Default)]
struct Found {
    authorities: Vec<(PathBuf, CertificateDer<'static>)>,
    client: Option<(PathBuf, Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
}

impl Found {
    fn read(settings: &Registries, host: &str) -> Result<Self, RegistryError> {
        let mut found = Self::default();
        // A host is a name and a port: it leads nowhere else.
        if host.contains('/') || host.starts_with('.') {
            return Ok(found);
        }
        for directory in settings.certificates.iter().map(|directory| directory.join(host)) {
            let mut names: Vec<PathBuf> = match fs::read_dir(&directory) {
                Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(unusable(&directory, error)),
            };
            names.sort();
            for path in names {
                found.add(&path)?;
            }
        }
        Ok(found)
    }

    fn add(&mut self, path: &Path) -> Result<(), RegistryError> {
        let chain = |path: &Path| {
            let bytes = files::read(path, LARGEST).map_err(|error| unusable(path, error))?;
            let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
            chain.map_err(|error| unusable(path, error))
        };
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("crt") => self.authorities.extend(chain(path)?.into_iter().map(|one| (path.to_owned(), one))),
            Some("cert") => {
                let key = path.with_extension("key");
                let bytes = files::read(&key, LARGEST).map_err(|error| unusable(path, format!("its key: {error}")))?;
                let key = PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| unusable(&key, error))?;
                self.client = Some((path.to_owned(), chain(path)?, key));
            }
            _ => {}
        }
        Ok(())
    }
}

/// Takes every certificate: for registries that are called insecure.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &provider().signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
