//! `forebay reload` and `forebay config diff`: the configuration of a gateway that runs, asked for over its admin port.

use std::path::Path;

use hyper::Method;
use serde_json::Value;

use super::admin_port::AdminPort;
use super::{Failure, configuration};
use crate::cli::Where;
use crate::config::plan::Plan;
use crate::config::{Config, print};

/// Has the gateway read its configuration again, or say what that would change.
///
/// It reads the file that it was started with, and its own environment. `file` says where its admin port is, unless `admin`
/// does, and is checked first.
pub fn reload(file: Option<&Path>, admin: &Where, is_dry: bool) -> Result<(), Failure> {
    let mine = file.map(configuration).transpose()?;
    let admin = AdminPort::of(mine.as_ref(), admin)?;
    let path = format!("/reload?dry_run={is_dry}");
    let (status, body) = admin.ask(Method::POST, &path)?;
    let answer: Value = serde_json::from_str(&body).unwrap_or_default();
    let changes = answer["changes"].as_array().cloned().unwrap_or_default();
    changes.iter().for_each(say);
    match (status, answer["error"].as_str()) {
        (200, _) if changes.is_empty() => println!("nothing changes"),
        (200, _) if is_dry => println!("{} changes; nothing was changed", changes.len()),
        (200, _) => println!(
            "{} changes are in force: configuration {}",
            changes.len(),
            answer["generation"]
        ),
        (202, _) => {
            let what = answer["detail"].as_str().unwrap_or(&body);
            return Err(Failure::goes_on(what));
        }
        (401, _) => return Err(Failure::unavailable(body.trim())),
        (503, why) => return Err(Failure::unavailable(why.unwrap_or(&body))),
        (_, Some(why)) => {
            return Err(Failure::config(format!("nothing has changed: {why}")));
        }
        _ => {
            let what = format!("{admin} answered {status}, as no forebay does: {body}");
            return Err(Failure::unavailable(what));
        }
    }
    Ok(())
}

/// Says how `file` differs from what a gateway runs with. Secrets aren't compared: nobody shows them.
pub fn diff(file: &Path, admin: &Where) -> Result<(), Failure> {
    let mine = configuration(file)?;
    let admin = AdminPort::of(Some(&mine), admin)?;
    let (status, theirs) = admin.ask(Method::GET, "/config")?;
    if status != 200 {
        return Err(Failure::unavailable(format!(
            "{admin} answered {status}: {theirs}"
        )));
    }
    let read = |text: &str| {
        toml::from_str::<Config>(text).map_err(|error| {
            Failure::unavailable(format!("a configuration can't be compared: {error}"))
        })
    };
    let plan = Plan::new(&read(&theirs)?, &read(&print::effective(&mine))?);
    for change in &plan.changes {
        println!("{change}");
    }
    if plan.is_empty() {
        println!("the gateway runs with this configuration (secrets aren't compared)");
    }
    Ok(())
}

fn say(change: &Value) {
    let text = |name: &str| change[name].as_str();
    let key = text("key").unwrap_or_default();
    let effect = text("effect").unwrap_or_default();
    match (text("from"), text("to")) {
        (None, None) => println!("{key} [{effect}]"),
        (from, to) => {
            let (from, to) = (from.unwrap_or("(default)"), to.unwrap_or("(default)"));
            println!("{key}: {from} -> {to} [{effect}]");
        }
    }
}
