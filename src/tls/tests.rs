//! Handshakes between a server of this stage and clients, in memory, with certificates of the tests' own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, ServerConnection};
use tempfile::TempDir;

use super::settings::{ClientCertificates, Files, Version};
use super::*;

/// An authority, and a folder with what it signed.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    fn new(name: &str) -> Authority {
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority {
            issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// The authority's own certificate, as a file.
    fn file(&self) -> PathBuf {
        self.write("ca.pem", &self.issuer.pem())
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn sign(&self, names: &[&str], subject: &str) -> (CertificateDer<'static>, KeyPair, String) {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, subject);
        let key = KeyPair::generate().unwrap();
        let signed = params.signed_by(&key, &self.issuer).unwrap();
        (signed.der().clone(), key, signed.pem())
    }

    /// A certificate for these names, in files.
    fn files(&self, file: &str, names: &[&str]) -> Files {
        let (_, key, pem) = self.sign(names, file);
        Files {
            cert: self.write(&format!("{file}.pem"), &pem),
            key: self.write(&format!("{file}.key"), &key.serialize_pem()),
        }
    }

    fn client(&self) -> ClientConfig {
        client::trusting(&self.file()).unwrap()
    }

    /// A client that shows a certificate of this authority, and trusts `servers`.
    fn client_known(&self, subject: &str, servers: &Authority) -> ClientConfig {
        let (certificate, key, _) = self.sign(&["phone.example"], subject);
        let mut roots = RootCertStore::empty();
        roots.add(servers.issuer.der().clone()).unwrap();
        ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(
                vec![certificate],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap()
    }
}

fn settings(certificates: &[(&str, Files)]) -> Settings {
    let named = certificates.iter();
    Settings {
        certificates: named
            .map(|(name, files)| ((*name).to_owned(), files.clone()))
            .collect(),
        ..Settings::default()
    }
}

/// Both sides after the handshake, or the server's or the client's error.
fn shake(
    server: &Server,
    client: &Arc<ClientConfig>,
    name: &str,
) -> Result<(ServerConnection, ClientConnection), rustls::Error> {
    let mut server = ServerConnection::new(Arc::clone(server.config())).unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::clone(client), name).unwrap();
    let pass = |bytes: &mut Vec<u8>| std::mem::take(bytes);
    let mut wire = Vec::new();
    // Two more turns than it needs, so that tickets and alerts arrive.
    for _ in 0..6 {
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let mut bytes = &pass(&mut wire)[..];
        while !bytes.is_empty() {
            server.read_tls(&mut bytes).unwrap();
            server.process_new_packets()?;
        }
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut bytes = &pass(&mut wire)[..];
        while !bytes.is_empty() {
            client.read_tls(&mut bytes).unwrap();
            client.process_new_packets()?;
        }
    }
    assert!(!server.is_handshaking() && !client.is_handshaking());
    Ok((server, client))
}

fn of_server(client: &ClientConnection) -> CertificateDer<'static> {
    client.peer_certificates().unwrap()[0].clone().into_owned()
}

fn first_of(path: &Path) -> CertificateDer<'static> {
    files::certificates(path).unwrap().remove(0)
}

#[test]
fn the_certificate_is_the_one_for_the_name_that_a_client_asks_for() {
    let authority = Authority::new("servers");
    let exact = authority.files("exact", &["a.example.com"]);
    let wild = authority.files("wild", &["*.example.com", "example.com"]);
    let other = authority.files("other", &["127.0.0.1", "other.org"]);
    let mut settings = settings(&[("exact", exact.clone()), ("wild", wild.clone())]);
    settings.certificates.insert("other".into(), other.clone());
    let server = Server::build(&settings, &[], None).unwrap();
    let client = Arc::new(authority.client());
    for (name, files) in [
        ("a.example.com", &exact),
        ("A.Example.com", &exact),
        ("b.example.com", &wild),
        ("example.com", &wild),
        ("other.org", &other),
    ] {
        let (_, shown) = shake(&server, &client, name).unwrap();
        assert_eq!(of_server(&shown), first_of(&files.cert), "{name}");
    }
    // Neither a label more, nor no name at all.
    for name in ["b.c.example.com", "unknown.org", "127.0.0.1"] {
        let error = shake(&server, &client, name).unwrap_err();
        let error = std::io::Error::other(error);
        assert_eq!(reason(&error), "tls_unknown_name", "{name}");
    }
    settings.default_certificate = Some("other".into());
    let server = Server::build(&settings, &[], None).unwrap();
    let (_, shown) = shake(&server, &client, "127.0.0.1").unwrap();
    assert_eq!(of_server(&shown), first_of(&other.cert));
}

#[test]
fn the_only_certificate_is_for_all_names() {
    let authority = Authority::new("servers");
    let only = authority.files("only", &["127.0.0.1"]);
    let server = Server::build(&settings(&[("only", only)]), &[], None).unwrap();
    let client = Arc::new(authority.client());
    shake(&server, &client, "127.0.0.1").unwrap();
    let error = std::io::Error::other(shake(&server, &client, "else.org").unwrap_err());
    // It's the client who refuses it.
    assert_eq!(reason(&error), "tls_client_certificate");
}

#[test]
fn files_that_have_changed_make_another_server_and_half_a_change_makes_none() {
    let authority = Authority::new("servers");
    let files = authority.files("main", &["a.org"]);
    let server = Server::build(&settings(&[("main", files.clone())]), &[], None).unwrap();
    assert!(server.renewed().unwrap().is_none());
    let before = std::fs::read(&files.cert).unwrap();
    let old = first_of(&files.cert);
    let new = authority.files("main", &["a.org"]);
    assert_eq!(new, files);
    let renewed = server.renewed().unwrap().unwrap();
    assert!(renewed.renewed().unwrap().is_none());
    let client = Arc::new(authority.client());
    let (_, shown) = shake(&renewed, &client, "a.org").unwrap();
    assert_eq!(of_server(&shown), first_of(&files.cert));
    assert_ne!(of_server(&shown), old);
    // The old certificate with the new key, then none at all, then none that is one.
    std::fs::write(&files.cert, before).unwrap();
    let error = renewed.renewed().unwrap_err();
    assert!(error.starts_with("certificate main: "), "{error}");
    std::fs::write(&files.cert, "").unwrap();
    let error = renewed.renewed().unwrap_err();
    assert!(error.contains("has no certificate"), "{error}");
    std::fs::remove_file(&files.cert).unwrap();
    let error = renewed.renewed().unwrap_err();
    assert!(error.starts_with("can't read "), "{error}");
}

#[test]
fn sessions_outlive_a_renewal_and_not_other_clients_than_before() {
    let (authority, phones) = (Authority::new("servers"), Authority::new("phones"));
    let mut settings = settings(&[("main", authority.files("main", &["a.org"]))]);
    let server = Server::build(&settings, &[], None).unwrap();
    let client = Arc::new(authority.client());
    let kind = |server: &Server| shake(server, &client, "a.org").unwrap().0.handshake_kind();
    // With a post-quantum key share or without: what matters is that it's full.
    assert_ne!(kind(&server), Some(HandshakeKind::Resumed));
    assert_eq!(kind(&server), Some(HandshakeKind::Resumed));
    authority.files("main", &["a.org"]);
    let renewed = server.renewed().unwrap().unwrap();
    assert_eq!(kind(&renewed), Some(HandshakeKind::Resumed));
    settings.client_certificates = ClientCertificates::Optional;
    settings.client_ca = Some(phones.file());
    let others = Server::build(&settings, &[], Some(&renewed)).unwrap();
    assert_ne!(kind(&others), Some(HandshakeKind::Resumed));
}

#[test]
fn clients_are_let_in_by_their_certificates_and_are_who_these_say() {
    let (authority, phones) = (Authority::new("servers"), Authority::new("phones"));
    let mut settings = settings(&[("main", authority.files("main", &["a.org"]))]);
    settings.client_ca = Some(phones.file());
    let strange = Arc::new(authority.client_known("stranger", &authority));
    let known = Arc::new(phones.client_known("phone, 1", &authority));
    let unknown = Arc::new(authority.client());
    for asked in [ClientCertificates::Optional, ClientCertificates::Required] {
        settings.client_certificates = asked;
        let server = Server::build(&settings, &[], None).unwrap();
        let (seen, _) = shake(&server, &known, "a.org").unwrap();
        let certificate = Certificate::of(seen.peer_certificates().unwrap()).unwrap();
        assert_eq!(**certificate.names(), ["CN=phone\\, 1", "phone.example"]);
        // What a session is resumed with says the same.
        let (again, _) = shake(&server, &known, "a.org").unwrap();
        assert_eq!(again.handshake_kind(), Some(HandshakeKind::Resumed));
        let resumed = Certificate::of(again.peer_certificates().unwrap()).unwrap();
        assert_eq!(resumed, certificate);
        let refused = shake(&server, &strange, "a.org").unwrap_err();
        let refused = std::io::Error::other(refused);
        assert_eq!(reason(&refused), "tls_client_certificate");
        let without = shake(&server, &unknown, "a.org");
        assert_eq!(without.is_ok(), asked == ClientCertificates::Optional);
    }
}

#[test]
fn a_client_has_only_so_many_names_and_copies_share_them() {
    let phones = Authority::new("phones");
    let of = |names: &[String]| {
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        Certificate::of(&[phones.sign(&names, "phone").0])
    };
    let numbered = |count: usize| -> Vec<_> { (0..count).map(|n| format!("n{n}.org")).collect() };
    let most = of(&numbered(certificate::MOST_NAMES - 1)).unwrap();
    assert_eq!(most.names().len(), certificate::MOST_NAMES);
    assert!(Arc::ptr_eq(most.clone().names(), most.names()));
    assert_eq!(of(&numbered(certificate::MOST_NAMES)), None);
    let label = "x".repeat(60);
    let long = |count: usize| -> Vec<_> {
        let name = |n| format!("n{n}.{label}.{label}.{label}.org");
        (0..count).map(name).collect()
    };
    assert!(of(&long(20)).is_some());
    assert_eq!(of(&long(24)), None);
}

#[test]
fn an_old_version_is_refused_where_a_newer_one_is_wanted() {
    let authority = Authority::new("servers");
    let mut settings = settings(&[("main", authority.files("main", &["a.org"]))]);
    let old = {
        let mut roots = RootCertStore::empty();
        roots.add(authority.issuer.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS12]);
        let builder = builder.unwrap().with_root_certificates(roots);
        Arc::new(builder.with_no_client_auth())
    };
    let server = Server::build(&settings, &[], None).unwrap();
    shake(&server, &old, "a.org").unwrap();
    settings.min_version = Version::Tls13;
    let server = Server::build(&settings, &[], None).unwrap();
    let error = std::io::Error::other(shake(&server, &old, "a.org").unwrap_err());
    assert_eq!(reason(&error), "tls_incompatible");
}

#[test]
fn what_is_missing_is_named_with_what_to_do() {
    let wrong = |change: &dyn Fn(&mut Settings)| {
        let mut settings = Settings::default();
        change(&mut settings);
        let keys = settings.check();
        keys.iter().map(|(key, _)| *key).collect::<Vec<_>>()
    };
    let files = Files {
        cert: "a".into(),
        key: "b".into(),
    };
    assert_eq!(wrong(&|_| {}), [""; 0]);
    let listen = "127.0.0.1:1".parse().ok();
    assert_eq!(wrong(&|it| it.listen = listen), ["certificates"]);
    assert_eq!(
        wrong(&|it| it.default_certificate = Some("x".into())),
        ["default_certificate"]
    );
    assert_eq!(wrong(&|it| it.client_ca = Some("x".into())), ["client_ca"]);
    assert_eq!(
        wrong(&|it| it.client_certificates = ClientCertificates::Required),
        ["client_ca"]
    );
    let good = |it: &mut Settings| {
        it.listen = listen;
        it.certificates.insert("x".into(), files.clone());
        it.default_certificate = Some("x".into());
    };
    assert_eq!(wrong(&good), [""; 0]);
}
