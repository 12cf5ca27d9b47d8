//! Why a handshake failed, by the few words that a metric may have.

use std::io;

use rustls::Error;

/// The client doesn't speak TLS, or breaks its rules.
const MALFORMED: &str = "tls_malformed";
/// The client and we have no version, cipher or protocol in common.
const INCOMPATIBLE: &str = "tls_incompatible";
/// The client asks for a name that no certificate has.
const UNKNOWN_NAME: &str = "tls_unknown_name";
/// The client refuses our certificate.
const REFUSED: &str = "tls_refused_by_client";
/// The client shows no certificate, or a bad one.
const CLIENT_CERTIFICATE: &str = "tls_client_certificate";
/// The client sends more than any handshake has.
pub const TOO_LARGE: &str = "tls_too_large";
/// The client went away in the middle.
const BROKEN_OFF: &str = "tls_broken_off";

/// The reason, for an error that ended a handshake.
pub fn reason(error: &io::Error) -> &'static str {
    let inner = error.get_ref().and_then(|it| it.downcast_ref::<Error>());
    match inner {
        None => BROKEN_OFF,
        Some(Error::NoCertificatesPresented | Error::InvalidCertificate(_)) => CLIENT_CERTIFICATE,
        Some(Error::PeerIncompatible(_) | Error::NoApplicationProtocol) => INCOMPATIBLE,
        Some(Error::AlertReceived(_)) => REFUSED,
        // The library has no value of its own for it; a test pins the words.
        Some(Error::General(what)) if what.contains("no server certificate") => UNKNOWN_NAME,
        Some(_) => MALFORMED,
    }
}
