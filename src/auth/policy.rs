//! How a stream or route has keys shown: the ways, in their order, and what a request shows of them.

use std::sync::Arc;

use hyper::header::HeaderValue;

use super::keys::Keys;
use super::kind::Kind;
use super::refusal::Refusal;
use super::signature::{Given, Whose};
use super::source::{Refused, Source};
use super::view::{Found, Place, View};
use crate::decode::Pointer;

/// The ways in which keys are shown.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    kinds: Vec<Kind>,
    challenges: Vec<HeaderValue>,
}

/// What a head has shown.
#[derive(Debug)]
pub enum Passed {
    /// Nothing was asked for.
    Anybody,
    /// This one sends.
    Source(Arc<Source>),
    /// The body will show it.
    Later(Pending),
}

/// What the body is to show.
#[derive(Debug)]
pub enum Pending {
    /// That this source has signed it, in the way of this number.
    Signed(usize, Arc<Source>, Given),
    /// A key, in one of the ways from this number on.
    Member(usize),
}

impl Policy {
    /// Reads a setting. The error names the way that is wrong.
    pub fn parse(texts: &[String]) -> Result<Policy, String> {
        let kinds = texts.iter().map(|text| Kind::parse(text.trim()));
        let kinds = kinds.collect::<Result<Vec<_>, _>>()?;
        let mut challenges: Vec<HeaderValue> = Vec::new();
        for text in kinds.iter().filter_map(Kind::challenge) {
            let value = HeaderValue::try_from(text).map_err(|error| error.to_string())?;
            if !challenges.contains(&value) {
                challenges.push(value);
            }
        }
        Ok(Policy { kinds, challenges })
    }

    /// Whether anybody may send.
    pub fn is_open(&self) -> bool {
        self.kinds.is_empty()
    }

    /// Whether it asks for the same as another. Policies that were read anew, or of other streams, may.
    pub fn is_like(&self, other: &Policy) -> bool {
        self.kinds == other.kinds
    }

    /// The ways, for those who check settings.
    pub fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// Whether client certificates are one of the ways.
    pub fn has_certificates(&self) -> bool {
        let mut kinds = self.kinds.iter();
        kinds.any(|kind| matches!(kind, Kind::Certificate))
    }

    /// The sources by name that signatures are said to be of.
    pub fn named(&self) -> impl Iterator<Item = &str> {
        self.kinds.iter().filter_map(|kind| match kind {
            Kind::Signature(it) => match &it.whose {
                Whose::Named(name) => Some(&**name),
                Whose::Id(_) => None,
            },
            _ => None,
        })
    }

    /// The captures of a path that the ids of sources are looked for in.
    pub fn captures(&self) -> impl Iterator<Item = &str> {
        self.kinds.iter().filter_map(|kind| match kind {
            Kind::Signature(it) => match &it.whose {
                Whose::Id(Place::Capture(name)) => Some(&**name),
                _ => None,
            },
            _ => None,
        })
    }

    /// What a client that isn't let in is told: the values of `WWW-Authenticate`.
    pub fn challenges(&self) -> &[HeaderValue] {
        &self.challenges
    }

    /// Judges what the head shows. `now` is in seconds since 1970.
    pub fn before_body(
        &self,
        view: &impl View,
        keys: &Keys,
        now: impl Fn() -> u64,
    ) -> Result<Passed, Refused> {
        if self.is_open() {
            return Ok(Passed::Anybody);
        }
        let mut member = None;
        for (number, kind) in self.kinds.iter().enumerate() {
            match kind {
                Kind::Member(_) => member = member.or(Some(number)),
                Kind::Signature(it) => {
                    if let Some(given) = it.given(view, &now)? {
                        let source = signer(&it.whose, view, keys)?;
                        return Ok(Passed::Later(Pending::Signed(number, source, given)));
                    }
                }
                Kind::Certificate => {
                    let shown = view.subjects();
                    if !shown.is_empty() {
                        let source = shown.iter().find_map(|name| keys.by_subject(name));
                        let source = source.ok_or(Refusal::UnknownKey)?;
                        return Ok(Passed::Source(Arc::clone(source)));
                    }
                }
                Kind::Basic | Kind::Bearer | Kind::Plain(_) => {
                    if let Some(key) = kind.key(view)? {
                        return keys.find(&key, now).cloned().map(Passed::Source);
                    }
                }
            }
        }
        let member = member.ok_or(Refusal::NoKey)?;
        Ok(Passed::Later(Pending::Member(member)))
    }

    /// Judges a signature, of the body as it was sent. `None` if it's no signature that is pending.
    pub fn signed(&self, pending: &Pending, body: &[u8]) -> Option<Result<Arc<Source>, Refused>> {
        let Pending::Signed(number, source, given) = pending else {
            return None;
        };
        let Some(Kind::Signature(signature)) = self.kinds.get(*number) else {
            return Some(Err(Refusal::BadSignature.into()));
        };
        if signature.is_good(given, &source.secrets, body) {
            return Some(Ok(Arc::clone(source)));
        }
        Some(Err(Refused::of(source, Refusal::BadSignature)))
    }

    /// Judges the members of a body; `member` finds one.
    pub fn member<'b>(
        &self,
        pending: &Pending,
        keys: &Keys,
        now: impl Fn() -> u64,
        member: impl Fn(&Pointer) -> Found<'b>,
    ) -> Option<Result<Arc<Source>, Refused>> {
        let Pending::Member(from) = pending else {
            return None;
        };
        for kind in &self.kinds[*from..] {
            let Kind::Member(pointer) = kind else {
                continue;
            };
            match member(pointer) {
                Found::None => {}
                Found::One(key) => return Some(keys.find(&key, now).cloned()),
                Found::Several => return Some(Err(Refusal::Doubled.into())),
            }
        }
        Some(Err(Refusal::NoKey.into()))
    }
}

/// Whose secret a signature is to be made with.
fn signer(whose: &Whose, view: &impl View, keys: &Keys) -> Result<Arc<Source>, Refusal> {
    let source = match whose {
        Whose::Named(name) => keys.by_name(name),
        Whose::Id(place) => match place.find(view) {
            Found::None => return Err(Refusal::NoKey),
            Found::Several => return Err(Refusal::Doubled),
            Found::One(id) => std::str::from_utf8(&id).ok().and_then(|id| keys.by_id(id)),
        },
    };
    source.cloned().ok_or(Refusal::UnknownKey)
}
