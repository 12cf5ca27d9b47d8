//! Settings of a listener that speaks TLS.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// `[http.tls]`: the data port over TLS.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Address and port on which TLS is spoken, beside `http.listen`. Default: none.
    pub listen: Option<SocketAddr>,
    /// Certificates by names of the operator's own choice. A client gets the one whose DNS names (subject alternative names)
    /// have the name that it asks for; `*.example.com` stands for one label.
    pub certificates: BTreeMap<String, Files>,
    /// The certificate, by its name here, for clients that ask for no name or for an unknown one. Default: the only certificate if
    /// there is one; if there are several, such clients are refused.
    pub default_certificate: Option<String>,
    /// The oldest version of TLS that is spoken. Default 1.2, which all SDKs in use can; 1.0 and 1.1 aren't there (RFC 8996).
    pub min_version: Version,
    /// Whether clients show a certificate. Default `none`.
    pub client_certificates: ClientCertificates,
    /// File with the certificate authorities (PEM) that sign the clients' certificates. Default: none.
    pub client_ca: Option<PathBuf>,
    /// Time from the beginning of a connection until its handshake is complete. Default 10 s, as for a head.
    #[serde(with = "humantime_serde")]
    pub handshake_timeout: Duration,
    /// Handshakes under way at once. With one more, the one that has taken longest is ended: so those that stall keep nobody
    /// out. Default 1,000.
    pub max_handshakes: usize,
    /// How often the files are looked at; if they have changed, they are in force for the next connection. Default 10 s. 0: only when
    /// the configuration is reloaded.
    #[serde(with = "humantime_serde")]
    pub check_files: Duration,
    /// Each connection begins with its client's address, in the PROXY protocol. Only networks in `http.trusted` may connect then.
    /// Default `false`.
    pub proxy_protocol: bool,
}

/// `[http.tls.certificates.NAME]`: a certificate with its key, both PEM.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Files {
    /// File with the certificate and what it's signed by, up to the authority. Required.
    pub cert: PathBuf,
    /// File with the private key: PKCS #8, PKCS #1 or SEC 1. Required.
    pub key: PathBuf,
}

/// The oldest version that is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub enum Version {
    /// TLS 1.2 and 1.3.
    #[default]
    #[serde(rename = "1.2")]
    Tls12,
    /// TLS 1.3 alone.
    #[serde(rename = "1.3")]
    Tls13,
}

/// Whether clients show a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientCertificates {
    /// None is asked for.
    #[default]
    None,
    /// Who shows one has to have a good one.
    Optional,
    /// Who shows none isn't let in.
    Required,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            listen: None,
            certificates: BTreeMap::new(),
            default_certificate: None,
            min_version: Version::default(),
            client_certificates: ClientCertificates::default(),
            client_ca: None,
            handshake_timeout: Duration::from_secs(10),
            max_handshakes: 1_000,
            check_files: Duration::from_secs(10),
            proxy_protocol: false,
        }
    }
}

/// What a connection over TLS holds beside what any connection holds. At worst, and at once: a record that isn't complete (20 KiB),
/// one that is and isn't read yet (16 KiB), what its client doesn't take ([`super::server::OUT_BYTES`]), and 4 KiB for its state.
const CONNECTION_BYTES: u64 = 48 * 1024;

/// What a connection with the names of its client holds beside that: their text, and what each takes without any.
const NAMES_BYTES: u64 = 8 * 1024;

impl Settings {
    /// What a connection over TLS is charged beside what any connection is, in bytes.
    pub fn connection_bytes(&self) -> u64 {
        match self.client_certificates {
            ClientCertificates::None => CONNECTION_BYTES,
            // The certificate is kept, with those that signed it, and its names.
            _ => CONNECTION_BYTES + super::certificate::MOST_BYTES as u64 + NAMES_BYTES,
        }
    }

    /// Whether all that is needed is said; if not, the key and what to do.
    pub fn check(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        if self.listen.is_some() && self.certificates.is_empty() {
            let what = "there is none, so no client could connect; add [http.tls.certificates.NAME] with cert and key";
            wrong.push(("certificates", what.to_owned()));
        }
        if let Some(name) = &self.default_certificate
            && !self.certificates.contains_key(name)
        {
            let known: Vec<_> = self.certificates.keys().map(String::as_str).collect();
            let what = format!(
                "there is no certificate \"{name}\"; give one of: {}",
                known.join(", ")
            );
            wrong.push(("default_certificate", what));
        }
        let asks = self.client_certificates != ClientCertificates::None;
        match &self.client_ca {
            None if asks => {
                let what = "clients are asked for certificates, and no authority is named that signs them; give a file";
                wrong.push(("client_ca", what.to_owned()));
            }
            Some(_) if !asks => {
                let what = "it's used only if clients are asked for certificates; set client_certificates to \"optional\" or \"required\"";
                wrong.push(("client_ca", what.to_owned()));
            }
            _ => {}
        }
        wrong
    }
}
