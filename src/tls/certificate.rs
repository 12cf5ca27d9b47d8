//! Who a client is, by the certificate that it showed and that was verified.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

use super::der;

/// Largest certificate of a client, with those that signed it, in bytes: they are kept as long as the connection.
pub const MOST_BYTES: usize = 16 * 1024;

/// Most names of a client, its subject among them.
pub const MOST_NAMES: usize = 100;
/// Most bytes of all its names together.
pub const NAMES_BYTES: usize = 4 * 1024;

/// What a client's certificate says of it. Whoever keeps a copy shares the names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    names: Arc<[String]>,
}

impl Certificate {
    /// Of the certificates that a client showed, its own first. Nothing if there is none, if all are larger than [`MOST_BYTES`], or if
    /// there are more names than [`MOST_NAMES`] or [`NAMES_BYTES`]: such a client isn't let in.
    pub fn of(shown: &[CertificateDer<'_>]) -> Option<Certificate> {
        let own = shown.first()?;
        let bytes: usize = shown.iter().map(|it| it.len()).sum();
        if bytes > MOST_BYTES {
            return None;
        }
        let parsed = EndEntityCert::try_from(own).ok()?;
        let others = parsed.valid_dns_names().chain(parsed.valid_uri_names());
        let subject = der::name(parsed.subject())?;
        let names: Vec<_> = std::iter::once(subject)
            .chain(others.map(str::to_owned))
            .take(MOST_NAMES + 1)
            .collect();
        let bytes: usize = names.iter().map(String::len).sum();
        let are_few = names.len() <= MOST_NAMES && bytes <= NAMES_BYTES;
        are_few.then(|| Certificate {
            names: names.into(),
        })
    }

    /// The subject as RFC 4514 writes it, most specific first: `CN=phone,OU=sdk,O=Acme`. Behind it its DNS names and URIs (subject
    /// alternative names).
    pub fn names(&self) -> &Arc<[String]> {
        &self.names
    }
}
