//! Certificates and keys as they stand in files.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::settings::{ClientCertificates, Settings};

/// Largest file that is read: hundreds of certificates.
const FILE_MAX: u64 = 1 << 20;

/// The same for the same content of all files.
pub(super) type Digest = [u8; 32];

/// What all files of a listener hold.
pub(super) struct Contents {
    /// By the names of the configuration.
    pub(super) certificates: BTreeMap<String, Pair>,
    /// Those that sign the clients' certificates.
    pub(super) authorities: Vec<CertificateDer<'static>>,
    /// Of all files.
    pub(super) digest: Digest,
    /// Of the authorities.
    pub(super) authorities_digest: Digest,
}

/// A certificate with its key.
pub(super) struct Pair {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

impl Contents {
    /// Reads them. The error names the file.
    pub(super) fn read(settings: &Settings) -> Result<Contents, String> {
        let mut digest = Context::new(&SHA256);
        let mut certificates = BTreeMap::new();
        for (name, files) in &settings.certificates {
            let (cert, key) = (read(&files.cert)?, read(&files.key)?);
            for part in [name.as_bytes(), &cert, &key] {
                digest.update(&(part.len() as u64).to_le_bytes());
                digest.update(part);
            }
            let pair = Pair {
                chain: chain(&files.cert, &cert)?,
                key: PrivateKeyDer::from_pem_slice(&key).map_err(|error| {
                    let path = files.key.display();
                    format!("{path} has no private key that can be read: {error}; give PEM, without a password")
                })?,
            };
            certificates.insert(name.clone(), pair);
        }
        let mut of_authorities = Context::new(&SHA256);
        let mut authorities = Vec::new();
        if settings.client_certificates != ClientCertificates::None
            && let Some(path) = &settings.client_ca
        {
            let text = read(path)?;
            of_authorities.update(&text);
            digest.update(&text);
            authorities = chain(path, &text)?;
        }
        Ok(Contents {
            certificates,
            authorities,
            digest: bytes(digest),
            authorities_digest: bytes(of_authorities),
        })
    }
}

fn bytes(digest: Context) -> Digest {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest.finish().as_ref());
    bytes
}

/// The certificates of a file.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    chain(path, &read(path)?)
}

fn chain(path: &Path, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let shown = path.display();
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    let all = all.map_err(|error| format!("{shown} isn't PEM: {error}"))?;
    if all.is_empty() {
        return Err(format!("{shown} has no certificate; give PEM"));
    }
    Ok(all)
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let shown = path.display();
    let wrong = |error: std::io::Error| {
        format!("can't read {shown}: {error}; create it, or correct the path or its permissions")
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(wrong)?;
    file.take(FILE_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(wrong)?;
    if bytes.len() as u64 > FILE_MAX {
        return Err(format!("{shown} is larger than {FILE_MAX} bytes"));
    }
    Ok(bytes)
}
