//! Members of bodies that are keys of sources: around the events, or in a lone event.

use super::endpoint::{Endpoint, Fault, Place};
use super::settings::{Form, Settings};
use crate::auth::Policy;
use crate::auth::kind::Kind;

/// Has the decoder look for the members that the settings name.
pub(super) fn want(endpoint: &mut Endpoint, settings: &Settings) -> Result<(), Fault> {
    let Some(auth) = &settings.auth else {
        return Ok(());
    };
    let fault = |what: String| ("auth".to_owned(), what);
    if settings.fixed {
        let what = "the route is `fixed` and takes no events; remove one of them";
        return Err(fault(what.into()));
    }
    let policy = Policy::parse(auth).map_err(fault)?;
    for kind in policy.kinds() {
        let Kind::Member(pointer) = kind else {
            continue;
        };
        if settings.body != Form::Json {
            let what = "a key is looked for in a body of \"json\" only";
            return Err(fault(what.into()));
        }
        let layout = &mut endpoint.layout;
        let place = match layout.events() {
            Some(_) => layout.want_of_envelope(pointer).map(Place::Envelope),
            None => layout.want_of_event(pointer).map(Place::Event),
        };
        let place = place.map_err(|error| fault(error.to_string()))?;
        endpoint.members.push((pointer.clone(), place));
    }
    Ok(())
}
