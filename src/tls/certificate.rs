//! Who a client is, by the certificate that it showed and that was verified.

use rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

use super::der;

/// Largest certificate of a client, with those that signed it, in bytes: they are kept as long as the connection.
pub const MOST_BYTES: usize = 16 * 1024;

/// What a client's certificate says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The subject as RFC 4514 writes it, most specific first: `CN=phone,OU=sdk,O=Acme`.
    pub subject: String,
    /// Its DNS names and URIs (subject alternative names).
    pub names: Vec<String>,
}

impl Certificate {
    /// Of the certificates that a client showed, its own first. Nothing if there is none, or all are larger than [`MOST_BYTES`]:
    /// such a client isn't let in.
    pub fn of(shown: &[CertificateDer<'_>]) -> Option<Certificate> {
        let own = shown.first()?;
        let bytes: usize = shown.iter().map(|it| it.len()).sum();
        if bytes > MOST_BYTES {
            return None;
        }
        let parsed = EndEntityCert::try_from(own).ok()?;
        let names = parsed.valid_dns_names().chain(parsed.valid_uri_names());
        Some(Certificate {
            subject: der::name(parsed.subject())?,
            names: names.map(str::to_owned).collect(),
        })
    }
}
