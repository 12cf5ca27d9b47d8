//! `forebay reload` and `forebay config diff`: the configuration of a gateway that runs, asked for over its admin port.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::header::{AUTHORIZATION, HOST};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use super::{Failure, configuration, control_runtime};
use crate::config::plan::Plan;
use crate::config::{Config, print};

/// How long the gateway may take to answer: a little longer than it takes at most.
const ANSWER_WITHIN: Duration = Duration::from_secs(35);

/// Has the gateway read its configuration again, or say what that would change.
///
/// It reads the file that it was started with, and its own environment. `file` says where its admin port is, unless `admin`
/// does, and is checked first.
pub fn reload(
    file: Option<&Path>,
    admin: Option<&str>,
    token: Option<&Path>,
    is_dry: bool,
) -> Result<(), Failure> {
    let mine = file.map(configuration).transpose()?;
    let admin = admin_of(mine.as_ref(), admin)?;
    let token = token_of(mine.as_ref(), token)?;
    let path = format!("/reload?dry_run={is_dry}");
    let (status, body) = ask(&admin, token.as_deref(), Method::POST, &path)?;
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
pub fn diff(file: &Path, admin: Option<&str>, token: Option<&Path>) -> Result<(), Failure> {
    let mine = configuration(file)?;
    let token = token_of(Some(&mine), token)?;
    let admin = admin.map_or_else(|| url_of(&mine), str::to_owned);
    let (status, theirs) = ask(&admin, token.as_deref(), Method::GET, "/config")?;
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

fn url_of(config: &Config) -> String {
    format!("http://{}", config.admin.listen)
}

/// The admin port's token: what the file has, else what the configuration says.
fn token_of(config: Option<&Config>, file: Option<&Path>) -> Result<Option<String>, Failure> {
    let Some(file) = file else {
        return Ok(config.and_then(|config| config.admin.token.clone()));
    };
    let text = std::fs::read_to_string(file);
    let text =
        text.map_err(|error| Failure::usage(format!("can't read {}: {error}", file.display())))?;
    Ok(Some(text.trim().to_owned()))
}

fn admin_of(config: Option<&Config>, admin: Option<&str>) -> Result<String, Failure> {
    match (admin, config) {
        (Some(admin), _) => Ok(admin.to_owned()),
        (None, Some(config)) => Ok(url_of(config)),
        (None, None) => Err(Failure::usage("give --config FILE, or --admin URL")),
    }
}

/// Status and body of what the admin port answers.
fn ask(
    admin: &str,
    token: Option<&str>,
    method: Method,
    path: &str,
) -> Result<(u16, String), Failure> {
    let url: Uri = admin.parse().map_err(|error| {
        Failure::usage(format!("{admin} is no URL: {error}; give http://HOST:PORT"))
    })?;
    let Some(authority) = url.authority().map(ToString::to_string) else {
        return Err(Failure::usage(format!(
            "{admin} has no host; give http://HOST:PORT"
        )));
    };
    let unavailable = |what: &dyn std::fmt::Display| {
        Failure::unavailable(format!("no admin port answers at {admin}: {what}"))
    };
    let asking = async {
        let socket = TcpStream::connect(&authority)
            .await
            .map_err(|error| unavailable(&error))?;
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await;
        let (mut sender, connection) = handshake.map_err(|error| unavailable(&error))?;
        tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, &authority);
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request
            .body(Full::<Bytes>::default())
            .map_err(|error| unavailable(&error))?;
        let answer = sender
            .send_request(request)
            .await
            .map_err(|error| unavailable(&error))?;
        let status = answer.status().as_u16();
        let body = answer
            .into_body()
            .collect()
            .await
            .map_err(|error| unavailable(&error))?;
        Ok((
            status,
            String::from_utf8_lossy(&body.to_bytes()).into_owned(),
        ))
    };
    control_runtime()?.block_on(async {
        match tokio::time::timeout(ANSWER_WITHIN, asking).await {
            Ok(answered) => answered,
            Err(_) => Err(unavailable(&"it takes too long")),
        }
    })
}
