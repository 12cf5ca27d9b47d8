//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Takes attribution events over HTTP and hands them to Apache Kafka; a 2xx means that they are there.
#[derive(Debug, Parser)]
#[command(name = "forebay", version, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What forebay can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the gateway in front of the configured Kafka clusters.
    Serve {
        /// The configuration file; `deploy/forebay.toml` describes every key. The environment goes over it:
        /// FOREBAY__HTTP__LISTEN sets http.listen.
        #[arg(long, short, value_name = "FILE")]
        config: PathBuf,
        /// The spill directory of a gateway that is gone: bring what it holds to Kafka as well. May be given several times.
        /// They go in the order given, and before newer events of their streams, which wait in the spill log meanwhile; a stream
        /// with `drain = "beside"` waits for nothing. After a kill give the same directories again, until the log says that all
        /// that they held is in Kafka. Their dead letters stay there.
        #[arg(long, value_name = "DIR")]
        adopt: Vec<PathBuf>,
    },
    /// Run everything with nothing installed: the gateway and a Kafka stand-in inside this process.
    ///
    /// Prints where it listens and a curl line to send with, and shows the events as a consumer sees them. Nothing is kept when it ends.
    Dev {
        /// A configuration whose streams, routes and sources are tried: its clusters are the stand-in, and there's no spill log.
        #[arg(long, short, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Address and port of the data port.
        #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
        listen: std::net::SocketAddr,
        /// Address and port of the admin port.
        #[arg(long, default_value = "127.0.0.1:9090", value_name = "ADDRESS")]
        admin: std::net::SocketAddr,
        /// Don't show the events.
        #[arg(long)]
        quiet: bool,
    },
    /// Say what is wrong with a configuration before traffic does.
    Check {
        /// The configuration file.
        #[arg(long, short, value_name = "FILE")]
        config: PathBuf,
        /// Also ask every cluster for its topics.
        #[arg(long)]
        connect: bool,
        /// Print the effective configuration, with secrets masked.
        #[arg(long)]
        print: bool,
    },
    /// Show what a route would make of a request: what would be stored, and what would be answered. Nothing is sent.
    Try {
        /// The configuration file.
        #[arg(long, short, value_name = "FILE")]
        config: PathBuf,
        /// The route that is meant. Without it: the one that the request's path belongs to.
        #[arg(long, value_name = "NAME")]
        route: Option<String>,
        /// The request as a client sends it: "POST /v1/batch HTTP/1.1", headers, an empty line, the body. `curl` with `--trace-ascii`,
        /// or a proxy, shows such; `-` reads it from the standard input.
        #[arg(long, value_name = "FILE")]
        request: PathBuf,
    },
    /// Have a gateway that runs read its configuration again: all of it comes into force while traffic flows, or none.
    ///
    /// The gateway reads the file that it was started with, and its secrets, with its own environment. `kill -HUP` and POST /reload
    /// do the same. Exit code 78: the file is wrong, or needs a restart; nothing has changed. 69: the gateway can't be asked, or can't read
    /// the file now; nothing has changed. 75: it takes long and goes on; /status says what becomes of it.
    Reload {
        /// The configuration file: it says where the admin port is, and is checked first.
        #[arg(long, short, value_name = "FILE")]
        config: Option<PathBuf>,
        /// The admin port.
        #[command(flatten)]
        admin: Where,
        /// Only say what would change, and what that means.
        #[arg(long)]
        dry_run: bool,
    },
    /// Make a key for a source, or hash one.
    Key {
        /// What to do.
        #[command(subcommand)]
        what: Key,
    },
    /// Look at the configuration of a gateway that runs.
    Config {
        /// What to look at.
        #[command(subcommand)]
        what: Configuration,
    },
    /// Show a stream's events as consumers see them.
    Tail {
        /// The stream's name in the configuration.
        stream: String,
        /// The configuration file.
        #[arg(long, short, value_name = "FILE")]
        config: PathBuf,
        /// Begin with the oldest event that is there, instead of the next one that comes.
        #[arg(long)]
        from_beginning: bool,
        /// End after so many events.
        #[arg(long, short = 'n', value_name = "NUMBER")]
        count: Option<u64>,
    },
    /// Show what a spill directory holds, of a gateway that runs or is dead; or bring it to Kafka.
    Spill {
        /// What to do.
        #[command(subcommand)]
        what: Spill,
    },
}

/// Where a gateway's admin port is, and how to ask it.
#[derive(Clone, Debug, Args)]
pub struct Where {
    /// Where the admin port is, if the file isn't to say it: http://HOST:PORT, or https://HOST:PORT if it speaks TLS.
    #[arg(long, value_name = "URL")]
    pub admin: Option<String>,
    /// File with the certificates (PEM) of the authorities by which the admin port is known, if it speaks TLS. Default: those in
    /// admin.tls.cert of the configuration file.
    #[arg(long, value_name = "FILE")]
    pub admin_ca: Option<PathBuf>,
    /// File with the admin port's token. Default: admin.token of the configuration file.
    #[arg(long, value_name = "FILE")]
    pub admin_token_file: Option<PathBuf>,
}

/// What can be done with keys.
#[derive(Debug, Subcommand)]
pub enum Key {
    /// Print a new key, and the line that the configuration has for it.
    New,
    /// Print what the configuration has for a key, which is read from standard input.
    Hash,
}

/// What can be asked about a configuration.
#[derive(Debug, Subcommand)]
pub enum Configuration {
    /// Say how a file differs from what a gateway runs with. Secrets aren't compared.
    Diff {
        /// The configuration file.
        file: PathBuf,
        /// The admin port.
        #[command(flatten)]
        admin: Where,
    },
}

/// What can be done with a spill directory.
#[derive(Debug, Subcommand)]
pub enum Spill {
    /// List the lanes that have events waiting: how many, how large, how old. Dead letters are lanes `dead/…`. Then what damage of
    /// the disk has cost, as far as it is known.
    Ls {
        /// The directory (`spill.dir`).
        dir: PathBuf,
        /// Read all events, to find those that are damaged before a replay does.
        #[arg(long)]
        verify: bool,
    },
    /// Print the events of lanes, oldest first.
    Cat {
        /// The directory (`spill.dir`).
        dir: PathBuf,
        /// The beginning of the lanes' names: CLUSTER/STREAM/TOPIC/PARTITION. Default: all.
        #[arg(default_value = "")]
        lane: String,
    },
    /// Bring what the directory of a gateway that is gone holds to the configured clusters, and end when it's empty.
    ///
    /// Exit code 0: all is in Kafka. 65: all that goes there is, but something stays: dead letters, events of streams that
    /// aren't configured; or this run found that damage of the disk has cost some. 69: events are still on their way; run it
    /// again. What damage cost before, and a gateway or an earlier run has told of, is said again and is no failure.
    Drain {
        /// The directory (`spill.dir` of the gateway that is gone).
        dir: PathBuf,
        /// The configuration file: clusters and streams as the gateway had them.
        #[arg(long, short, value_name = "FILE")]
        config: PathBuf,
        /// End after so long, whatever is left: 90s, 10m, 2h. Default: when it's empty.
        #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
        within: Option<std::time::Duration>,
    },
    /// Send dead letters again, which Kafka refused for good, after what it refused them for was mended.
    ///
    /// Of one topic, what was refused first is sent first; all else that waits in the directory is sent as well. What is refused
    /// again is a dead letter again. For the directory of a gateway that doesn't run; one that runs has POST /dead/redrive on
    /// its admin port. Exit codes as for `drain`: 65 says that dead letters are left.
    Redrive {
        /// The directory (`spill.dir`).
        dir: PathBuf,
        /// The beginning of the lanes' names: CLUSTER/STREAM/TOPIC/PARTITION/REASON. Default: all.
        #[arg(default_value = "")]
        lane: String,
        /// The configuration file: clusters and streams as the gateway had them.
        #[arg(long, short, value_name = "FILE")]
        config: PathBuf,
        /// Only those that were refused for this: too_large, refused, or unknown (an earlier version wrote them).
        #[arg(long, value_name = "REASON", value_parser = ["too_large", "refused", "unknown"])]
        reason: Option<String>,
        /// Only say what would be sent: lanes, events, bytes, age. Works beside a gateway that runs.
        #[arg(long)]
        dry_run: bool,
        /// End after so long, whatever is left: 90s, 10m, 2h. Default: when all is sent.
        #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
        within: Option<std::time::Duration>,
    },
}
