//! All that TLS on one listener is begun with.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs::{Ticketer, default_provider};
use rustls::server::{NoServerSessionStorage, ProducesTickets, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};

use super::files::{Contents, Digest};
use super::names::Names;
use super::settings::{ClientCertificates, Settings, Version};

/// Bytes that may wait in a connection for its client to take them. What is above waits unencrypted, where it's charged.
pub const OUT_BYTES: usize = 8 * 1024;

/// One listener's certificates, clients and sessions. Never changes: a renewal makes another one.
#[derive(Debug)]
pub struct Server {
    config: Arc<ServerConfig>,
    settings: Settings,
    protocols: Vec<Vec<u8>>,
    digest: Digest,
    clients: Clients,
}

/// Who is let in.
#[derive(Debug, PartialEq, Eq)]
struct Clients {
    asked: ClientCertificates,
    authorities: Digest,
}

impl Server {
    /// Reads the files and makes all of it. `protocols` are what ALPN offers, the best first. Sessions of `before` can be resumed if the
    /// same clients are let in. The error is for the person who wrote the settings.
    pub fn build(
        settings: &Settings,
        protocols: &[&[u8]],
        before: Option<&Server>,
    ) -> Result<Server, String> {
        let contents = Contents::read(settings)?;
        let protocols = protocols.iter().map(|it| it.to_vec()).collect();
        Server::of(settings.clone(), contents, protocols, before)
    }

    /// Reads the files again. Nothing if they hold what they held.
    pub fn renewed(&self) -> Result<Option<Server>, String> {
        let contents = Contents::read(&self.settings)?;
        if contents.digest == self.digest {
            return Ok(None);
        }
        let (settings, protocols) = (self.settings.clone(), self.protocols.clone());
        Server::of(settings, contents, protocols, Some(self)).map(Some)
    }

    /// Whether both were made of files with the same content.
    pub fn has_files_of(&self, other: &Server) -> bool {
        self.digest == other.digest
    }

    /// What a connection is begun with.
    pub fn config(&self) -> &Arc<ServerConfig> {
        &self.config
    }

    fn of(
        settings: Settings,
        contents: Contents,
        protocols: Vec<Vec<u8>>,
        before: Option<&Server>,
    ) -> Result<Server, String> {
        let provider = Arc::new(default_provider());
        let clients = Clients {
            asked: settings.client_certificates,
            authorities: contents.authorities_digest,
        };
        let versions = match settings.min_version {
            Version::Tls12 => rustls::ALL_VERSIONS,
            Version::Tls13 => &[&rustls::version::TLS13],
        };
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .map_err(|error| error.to_string())?;
        let builder = match clients.asked {
            ClientCertificates::None => builder.with_no_client_auth(),
            asked => {
                let mut roots = RootCertStore::empty();
                for authority in contents.authorities {
                    let added = roots.add(authority);
                    added.map_err(|error| format!("client_ca: {error}"))?;
                }
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
                let verifier = match asked {
                    ClientCertificates::Required => verifier,
                    _ => verifier.allow_unauthenticated(),
                };
                let verifier = verifier.build().map_err(|it| format!("client_ca: {it}"))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut names = Names::default();
        let is_only = contents.certificates.len() == 1;
        for (name, pair) in contents.certificates {
            let wrong = |what: &dyn std::fmt::Display| format!("certificate {name}: {what}");
            let certified = CertifiedKey::from_der(pair.chain, pair.key, &provider);
            let certified = Arc::new(certified.map_err(|error| wrong(&error))?);
            names.add(&certified).map_err(|error| wrong(&error))?;
            let is_default = settings.default_certificate.as_ref() == Some(&name);
            if is_default || (is_only && settings.default_certificate.is_none()) {
                names.set_default(&certified);
            }
        }
        let mut config = builder.with_cert_resolver(Arc::new(names));
        config.alpn_protocols.clone_from(&protocols);
        // Tickets need no memory of ours.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = ticketer(&clients, before)?;
        // A second one is for clients that connect twice at once; SDKs don't, and each costs a write.
        config.send_tls13_tickets = 1;
        Ok(Server {
            config: Arc::new(config),
            digest: contents.digest,
            settings,
            protocols,
            clients,
        })
    }
}

fn ticketer(
    clients: &Clients,
    before: Option<&Server>,
) -> Result<Arc<dyn ProducesTickets>, String> {
    match before {
        Some(before) if before.clients == *clients => Ok(Arc::clone(&before.config.ticketer)),
        _ => Ticketer::new().map_err(|error| error.to_string()),
    }
}
