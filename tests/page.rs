//! The admin port's page, as Chromium shows it. And what it costs the gateway, with 200 clusters of 64 partitions.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crate::sdks::folder_or_skip;
use crate::support::gateway::{Gateway, config};
use crate::support::http::Client;
use crate::support::mock::Mock;

/// Names a folder for pictures, which the documentation shows.
const PICTURES: &str = "FOREBAY_TEST_PICTURES";

/// Chromium, on a page of a gateway.
struct Look {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Look {
    fn start(folder: &Path, gateway: &Gateway, mode: &str) -> Look {
        let driver = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page/look.mjs");
        // Where its modules are.
        let script = folder.join(format!("look-{mode}.mjs"));
        std::fs::copy(driver, &script).unwrap();
        let mut command = Command::new("node");
        command
            .arg(script)
            .args([&gateway.admin.to_string(), mode])
            .args(std::env::var_os(PICTURES))
            .env("TOKEN", TOKEN)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Look { child, lines }
    }

    /// Reads until it says this; what doesn't hold is a failure.
    #[track_caller]
    fn until(&mut self, word: &str) {
        let mut held = 0;
        loop {
            let line = self.lines.next().expect("it ended").unwrap();
            assert!(!line.starts_with("wrong"), "{line}");
            held += usize::from(line.starts_with("ok"));
            if line == word {
                assert!(held > 0, "nothing was checked");
                return;
            }
        }
    }

    fn go_on(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    }

    #[track_caller]
    fn end(mut self) {
        self.until("done");
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Look {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

const TOKEN: &str = "a token of some length";
const OWNER: &str =
    "[owners.tests]\ncontact = \"#team\"\nrunbook = \"https://wiki.example/team\"\n";

#[test]
fn the_page_lives_says_what_is_wrong_and_what_to_do_and_fits_a_phone() {
    let Some(folder) = folder_or_skip("browser") else {
        return;
    };
    let mock = Mock::start(1, &[("events", 2)]);
    let spill = tempfile::tempdir().unwrap();
    let more = format!("{OWNER}[spill]\ndir = {:?}\n", spill.path());
    let gateway = Gateway::ready(&config(mock.bootstrap(), &more));
    let event = r#"{"id":"1","user":"a"}"#;
    let send = |count: usize| {
        let body = format!("[{}]", vec![event; count].join(","));
        let answer = gateway.client().post_json("events", &body);
        assert_eq!(answer.status, 200, "{}", answer.text());
    };
    send(3);
    let mut look = Look::start(&folder, &gateway, "page");
    look.until("looks");
    (0..7).for_each(|_| send(1_000));
    look.go_on();
    look.until("looks");
    mock.set_broker(false);
    let good = std::fs::read_to_string(gateway.file()).unwrap();
    gateway.rewrite("[[[");
    assert_eq!(gateway.reload("").0, 422);
    gateway.rewrite(&good);
    send(10);
    look.go_on();
    look.until("looks");
    mock.set_broker(true);
    gateway.stop();
    look.go_on();
    look.end();
}

#[test]
fn names_that_would_be_markup_are_shown_as_text() {
    let Some(folder) = folder_or_skip("browser") else {
        return;
    };
    let mock = Mock::start(1, &[("events", 1)]);
    let gateway = Gateway::ready(&config(mock.bootstrap(), OWNER));
    Look::start(&folder, &gateway, "hostile").end();
    gateway.stop();
}

#[test]
fn the_page_asks_for_the_token_that_the_port_asks_for() {
    let Some(folder) = folder_or_skip("browser") else {
        return;
    };
    let mock = Mock::start(1, &[("events", 1)]);
    let admin = format!("[admin]\ntoken = \"{TOKEN}\"\ntoken_for = \"all\"\n");
    let gateway = Gateway::ready(&config(mock.bootstrap(), &admin));
    Look::start(&folder, &gateway, "token").end();
    gateway.stop();
}

/// A gateway with 200 clusters, each with a stream whose topic has 64 partitions.
fn with_many(mock: &Mock, spill: &Path) -> Gateway {
    let mut config = format!("[memory]\nbudget = \"128MiB\"\n[spill]\ndir = {spill:?}\n");
    for number in 0..200 {
        config += &format!(
            "[clusters.living{number}]\nbootstrap = \"{}\"\nowner = \"team{}\"\n\
             [streams.living{number}]\ncluster = \"living{number}\"\ntopic = \"events\"\nkey = \"/user\"\n",
            mock.bootstrap(),
            number % 20
        );
    }
    let gateway = Gateway::start(&config);
    gateway.wait_ready(Duration::from_secs(60));
    gateway
}

const TIMES: u32 = 20;

/// CPU that the threads have used that answer the admin port: the control thread, and the one that looks at the log.
fn cpu_of_looking(gateway: &Gateway) -> Duration {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", gateway.pid())).unwrap();
    let nanos = tasks.flatten().filter_map(|task| {
        let read = |file: &str| std::fs::read_to_string(task.path().join(file)).ok();
        let name = read("comm")?;
        let looks = ["forebay", "sampler"].contains(&name.trim());
        let used = read("schedstat")?;
        let used = used.split_whitespace().next()?.parse::<u64>().ok();
        used.filter(|_| looks)
    });
    Duration::from_nanos(nanos.sum())
}

/// `FOREBAY_TEST_LOOK_MS=50` is the bound of a build with optimisation, on a machine that does nothing else.
#[test]
fn looking_at_two_hundred_clusters_costs_milliseconds() {
    let most = std::env::var("FOREBAY_TEST_LOOK_MS").map_or(250, |most| most.parse().unwrap());
    let mock = Mock::start(1, &[("events", 64)]);
    let spill = tempfile::tempdir().unwrap();
    let gateway = with_many(&mock, spill.path());
    for path in ["/", "/status", "/history", "/metrics"] {
        let (before, begun) = (cpu_of_looking(&gateway), Instant::now());
        for _ in 0..TIMES {
            assert_eq!(Client::connect(gateway.admin).get(path).status, 200);
        }
        let each = (cpu_of_looking(&gateway) - before) / TIMES;
        println!(
            "{path}: {each:?} of CPU, {:?} in all",
            begun.elapsed() / TIMES
        );
        assert!(each <= Duration::from_millis(most), "{path}: {each:?}");
    }
    if let Some(folder) = folder_or_skip("browser") {
        Look::start(&folder, &gateway, "many").end();
    }
    gateway.stop();
}
