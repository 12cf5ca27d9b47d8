//! `forebay check`: what is wrong with a configuration, before traffic finds out.

use std::path::Path;

use super::connect::{self, Findings};
use super::{Failure, configuration};
use crate::config::print;
use crate::produce::{Native, client};
use crate::tls;

/// Loads and validates; asks the clusters if `connect`; prints the effective configuration if `print`.
pub fn run(file: &Path, connect: bool, print: bool) -> Result<(), Failure> {
    let config = configuration(file)?;
    if print {
        println!("{}", print::effective(&config));
    }
    let mut found = Findings::default();
    for (name, settings) in &config.clusters {
        // Creating a client shows what librdkafka thinks of the `kafka` properties.
        let made = if connect {
            Native::new(&client::producer(name, settings))
                .map(|client| connect::ask(&config, name, settings, client, &mut found))
                .map_err(|error| client::refusal(&error))
        } else {
            client::try_out(name, settings)
        };
        if let Err(error) = made {
            let what = format!("clusters.{name}.kafka: {error}");
            found.contradictions.push(what);
        }
    }
    if config.http.tls.listen.is_some()
        && let Err(what) = tls::Server::build(&config.http.tls, &[], None)
    {
        found.contradictions.push(format!("http.tls: {what}"));
    }
    for good in &found.good {
        println!("{good}");
    }
    for warning in &found.warnings {
        eprintln!("warning: {warning}");
    }
    let code = if found.unavailable.is_empty() { 78 } else { 69 };
    found.unavailable.append(&mut found.contradictions);
    if !found.unavailable.is_empty() {
        return Err(Failure {
            code,
            message: found.unavailable.join("\n  "),
        });
    }
    let (clusters, streams) = (config.clusters.len(), config.streams.len());
    let routes = match config.routes.len() {
        0 => String::new(),
        routes => format!(", {routes} routes"),
    };
    println!(
        "{} is good: {clusters} clusters, {streams} streams{routes}",
        file.display()
    );
    Ok(())
}
