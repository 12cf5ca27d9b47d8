//! Which certificate a client gets to see: by the name that it asks for (SNI), and by the signatures that it can check.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use webpki::EndEntityCert;

/// Certificates for the same name: clients differ in what they can check.
type Alike = Vec<Arc<CertifiedKey>>;

/// Certificates by the names that they are for.
#[derive(Default)]
pub(super) struct Names {
    exact: HashMap<String, Alike>,
    /// By what stands behind `*.`.
    wild: HashMap<String, Alike>,
    default: Option<Arc<CertifiedKey>>,
}

impl Names {
    /// Adds a certificate for all DNS names that it has. The error says what is wrong with it.
    pub(super) fn add(&mut self, certified: &Arc<CertifiedKey>) -> Result<(), String> {
        let certificate = certified.end_entity_cert().map_err(|it| it.to_string())?;
        let parsed = EndEntityCert::try_from(certificate).map_err(|it| it.to_string())?;
        for name in parsed.valid_dns_names() {
            let name = name.to_ascii_lowercase();
            let (map, name) = match name.strip_prefix("*.") {
                Some(parent) => (&mut self.wild, parent.to_owned()),
                None => (&mut self.exact, name),
            };
            map.entry(name).or_default().push(Arc::clone(certified));
        }
        Ok(())
    }

    /// The certificate for clients that ask for no name, or for an unknown one.
    pub(super) fn set_default(&mut self, certified: &Arc<CertifiedKey>) {
        self.default = Some(Arc::clone(certified));
    }

    /// The certificates for a name in lower case.
    fn of(&self, name: &str) -> Option<&Alike> {
        self.exact.get(name).or_else(|| {
            let (_, parent) = name.split_once('.')?;
            self.wild.get(parent)
        })
    }
}

impl ResolvesServerCert for Names {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let Some(alike) = hello.server_name().and_then(|name| self.of(name)) else {
            return self.default.clone();
        };
        let schemes = hello.signature_schemes();
        let suits = |it: &&Arc<CertifiedKey>| it.key.choose_scheme(schemes).is_some();
        alike.iter().find(suits).or(alike.first()).cloned()
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |map: &HashMap<String, Alike>| map.keys().cloned().collect::<Vec<_>>();
        f.debug_struct("Names")
            .field("exact", &names(&self.exact))
            .field("wild", &names(&self.wild))
            .finish_non_exhaustive()
    }
}
