//! Programs that nobody here wrote, as judges: another consumer of the records,
//! and the partitioner of the Java client.

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Command, Stdio},
    sync::OnceLock,
};

use super::java::{self, Jars};

/// Partition, key and value, as another consumer saw them.
pub(crate) type ForeignRecord = (i32, Option<Vec<u8>>, Option<Vec<u8>>);

/// A consumer that is not ours: kcat, or kafka-python where that is missing.
pub(crate) struct ForeignConsumer {
    program: String,
    /// For kafka-python: the program is its interpreter.
    script: Option<std::path::PathBuf>,
}

/// The consumer of `tools.sh`, or `None` where the test is to be skipped.
pub(crate) fn foreign_consumer_or_skip() -> Option<&'static ForeignConsumer> {
    static CONSUMER: OnceLock<Result<ForeignConsumer, String>> = OnceLock::new();
    let consumer = CONSUMER.get_or_init(|| {
        let line = java::run_script("tools.sh", &[])?;
        let (kind, program) = line
            .split_once('\t')
            .ok_or_else(|| format!("tools.sh: {line}"))?;
        let script = (kind == "python").then(|| java::harness_folder().join("consume.py"));
        Ok(ForeignConsumer {
            program: program.to_owned(),
            script,
        })
    });
    match consumer {
        Ok(consumer) => Some(consumer),
        Err(why) => super::skip("a consumer of others", why),
    }
}

impl ForeignConsumer {
    /// All records of the topic, each partition in its order.
    pub(crate) fn consume(&self, bootstrap: &str, topic: &str) -> Vec<ForeignRecord> {
        let mut command = java::bound(&self.program);
        match &self.script {
            Some(script) => command.arg(script).args([bootstrap, topic]),
            // Lengths before bytes: safe for whatever keys and values hold.
            None => command
                .args([
                    "-C",
                    "-q",
                    "-e",
                    "-o",
                    "beginning",
                    "-b",
                    bootstrap,
                    "-t",
                    topic,
                ])
                .args(["-f", "%p %K %S\n%k%s\n"]),
        };
        let (text, stderr) = run(command, &[]);
        parse(&text).unwrap_or_else(|| panic!("{} printed something else: {stderr}", self.program))
    }
}

/// A line of partition, key length and value length (-1 for none), then both and
/// a line feed; repeated.
fn parse(mut text: &[u8]) -> Option<Vec<ForeignRecord>> {
    let mut records = Vec::new();
    while !text.is_empty() {
        let mut line = String::new();
        text.read_line(&mut line).ok()?;
        let mut numbers = line.split_whitespace().map(str::parse::<i64>);
        let partition = i32::try_from(numbers.next()?.ok()?).ok()?;
        let (key, value) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
        let key = take(&mut text, key)?;
        let value = take(&mut text, value)?;
        text = text.strip_prefix(b"\n")?;
        records.push((partition, key, value));
    }
    Some(records)
}

/// The next bytes, or the absent ones; `None` if there are too few.
#[expect(
    clippy::option_option,
    reason = "an absent key is not a failure to parse"
)]
fn take(text: &mut &[u8], length: i64) -> Option<Option<Vec<u8>>> {
    if length < 0 {
        return Some(None);
    }
    let (bytes, rest) = text.split_at_checked(usize::try_from(length).ok()?)?;
    *text = rest;
    Some(Some(bytes.to_vec()))
}

/// The partition that the Java client's own partitioner gives each key, in a
/// topic of `count` partitions; `None` where the test is to be skipped.
pub(crate) fn java_partitions_or_skip(keys: &[Vec<u8>], count: i32) -> Option<Vec<i32>> {
    let jars = match Jars::get() {
        Ok(jars) => jars,
        Err(why) => return super::skip("the Java client", why),
    };
    // The JVM says on stdout that an archive doesn't fit, as after the folder was moved.
    let mut command = jars.java_without_archive();
    command
        .arg(java::harness_folder().join("Partitions.java"))
        .arg(count.to_string());
    let mut input = String::new();
    for key in keys {
        input.extend(key.iter().map(|byte| format!("{byte:02x}")));
        input.push('\n');
    }
    let (text, stderr) = run(command, input.as_bytes());
    let partitions: Vec<i32> = text
        .lines()
        .map_while(|line| line.ok()?.parse().ok())
        .collect();
    assert_eq!(
        partitions.len(),
        keys.len(),
        "one partition per key: {stderr}"
    );
    Some(partitions)
}

/// Runs a program to its end; panics if it fails. Its stdout and stderr.
fn run(mut command: Command, input: &[u8]) -> (Vec<u8>, String) {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut stdin = child.stdin.take().expect("piped");
    let mut errors = BufReader::new(child.stderr.take().expect("piped"));
    let mut stderr = String::new();
    let mut stdout = Vec::new();
    std::thread::scope(|scope| {
        // A program that ends early has closed the pipe; its status tells why.
        scope.spawn(move || drop(stdin.write_all(input)));
        scope.spawn(|| errors.read_to_string(&mut stderr));
        let mut output = child.stdout.take().expect("piped");
        output
            .read_to_end(&mut stdout)
            .expect("the output of a child");
    });
    let status = child.wait().expect("the end of a child");
    assert!(status.success(), "{command:?}: {status}\n{stderr}");
    (stdout, stderr)
}
