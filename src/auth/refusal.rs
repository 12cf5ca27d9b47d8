//! Why a request isn't let in.

use std::time::Duration;

/// Why a request isn't let in. What it displays is for the client, and holds nothing secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No credential is there.
    #[error("the request shows no key; send one as the challenge in www-authenticate says")]
    NoKey,
    /// There is one, and nobody has it.
    #[error("the key is not known here; check it, and that it's meant for this gateway")]
    UnknownKey,
    /// It was right, and its time is over.
    #[error("the key has expired; use the one that replaces it")]
    KeyExpired,
    /// The signature isn't the one of this body.
    #[error(
        "the signature doesn't fit; sign the body as it's sent, compressed if it is, with the source's secret"
    )]
    BadSignature,
    /// What is signed is too old, or of the future.
    #[error(
        "the signature's time is too far from now; check the clock, and sign each request anew"
    )]
    SignatureTime,
    /// More than one credential of a kind.
    #[error(
        "there is more than one credential of the same kind, and nobody can say which is meant; send one"
    )]
    Doubled,
    /// The source is known, and this isn't for it.
    #[error("the source may not send here; ask for the stream to be added to it")]
    NotAllowed,
    /// The page is of an origin that isn't listed.
    #[error("pages of this origin may not send here; ask for the origin to be added")]
    OriginNotAllowed,
    /// The source brings more than it may.
    #[error("the source brings more than its quota allows; nothing of the request was taken")]
    SourceQuota(Duration),
    /// The address brings more than it may.
    #[error(
        "there are more requests from this address than are allowed; nothing of the request was taken"
    )]
    AddressQuota(Duration),
}

impl Refusal {
    /// As many as there are: [`Refusal::number`] is below it.
    pub const COUNT: usize = 10;

    /// Its place among all, without what it holds.
    pub fn number(self) -> usize {
        match self {
            Refusal::NoKey => 0,
            Refusal::UnknownKey => 1,
            Refusal::KeyExpired => 2,
            Refusal::BadSignature => 3,
            Refusal::SignatureTime => 4,
            Refusal::Doubled => 5,
            Refusal::NotAllowed => 6,
            Refusal::OriginNotAllowed => 7,
            Refusal::SourceQuota(_) => 8,
            Refusal::AddressQuota(_) => 9,
        }
    }

    /// For programs.
    pub fn code(self) -> &'static str {
        match self {
            Refusal::NoKey => "no_key",
            Refusal::UnknownKey => "unknown_key",
            Refusal::KeyExpired => "key_expired",
            Refusal::BadSignature => "bad_signature",
            Refusal::SignatureTime => "signature_time",
            Refusal::Doubled => "credentials_doubled",
            Refusal::NotAllowed => "source_not_allowed",
            Refusal::OriginNotAllowed => "origin_not_allowed",
            Refusal::SourceQuota(_) => "source_quota",
            Refusal::AddressQuota(_) => "address_quota",
        }
    }

    /// Whether another credential would help.
    pub fn is_unauthorised(self) -> bool {
        matches!(
            self,
            Refusal::NoKey
                | Refusal::UnknownKey
                | Refusal::KeyExpired
                | Refusal::BadSignature
                | Refusal::SignatureTime
        )
    }

    /// When to try again, if that helps.
    pub fn retry_after(self) -> Option<Duration> {
        match self {
            Refusal::SourceQuota(wait) | Refusal::AddressQuota(wait) => Some(wait),
            _ => None,
        }
    }
}
