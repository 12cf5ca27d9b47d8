//! Certificates of the tests' own, made when they are needed.

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;

/// An authority, and a folder with what it signed.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

/// A certificate with its key.
pub struct Signed {
    /// The certificate.
    pub certificate: CertificateDer<'static>,
    pem: String,
    key: KeyPair,
}

impl Signed {
    /// Its key.
    pub fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key.serialize_der()).unwrap()
    }
}

impl Authority {
    /// One with this name.
    pub fn new(name: &str) -> Authority {
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority {
            issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// Its own certificate.
    pub fn certificate(&self) -> CertificateDer<'static> {
        self.issuer.der().clone()
    }

    /// Its own certificate as a file.
    pub fn file(&self) -> PathBuf {
        let path = self.path("ca.pem");
        std::fs::write(&path, self.issuer.pem()).unwrap();
        path
    }

    /// A certificate for these DNS names and addresses, and with this common name.
    pub fn sign(&self, names: &[&str], subject: &str) -> Signed {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, subject);
        let key = KeyPair::generate().unwrap();
        let signed = params.signed_by(&key, &self.issuer).unwrap();
        Signed {
            certificate: signed.der().clone(),
            pem: signed.pem(),
            key,
        }
    }

    /// Writes a new certificate for these names to `NAME.pem`, and its key to `NAME.key`.
    pub fn write(&self, name: &str, names: &[&str]) -> Signed {
        let signed = self.sign(names, name);
        std::fs::write(self.path(&format!("{name}.pem")), &signed.pem).unwrap();
        let key = signed.key.serialize_pem();
        std::fs::write(self.path(&format!("{name}.key")), key).unwrap();
        signed
    }

    /// Where a file is.
    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// The section of a configuration for a certificate that was written.
    pub fn section(&self, name: &str) -> String {
        let (cert, key) = (
            self.path(&format!("{name}.pem")),
            self.path(&format!("{name}.key")),
        );
        format!("[http.tls.certificates.{name}]\ncert = {cert:?}\nkey = {key:?}\n")
    }
}
