//! Who may do what in a cluster that was started here: users with a password, rights that come and go at run time, and
//! settings of topics that change under traffic.
//!
//! Every cluster has its authorizer. Clients of [`Kafka::bootstrap`] have no name and may do all, as the harness does;
//! those of [`Kafka::guarded_bootstrap`] are users, and may do what they were allowed. Each test takes a user of its own.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Stdio},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::{
    cluster::Kafka,
    java::{self, Jars},
};

/// Users that PLAIN knows: the list can't change while a broker runs.
const USERS: usize = 100;

/// The settings of a broker with an authorizer and users.
pub(super) fn broker_settings() -> String {
    let users: String = (0..USERS)
        .map(|number| format!(" user_tester{number}=\"secret-{number}\""))
        .collect();
    format!(
        "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
         super.users=User:ANONYMOUS\n\
         sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256\n\
         listener.name.sasl_plaintext.plain.sasl.jaas.config=\
         org.apache.kafka.common.security.plain.PlainLoginModule required{users};\n\
         listener.name.sasl_plaintext.scram-sha-256.sasl.jaas.config=\
         org.apache.kafka.common.security.scram.ScramLoginModule required;\n"
    )
}

/// A user that no other test has. Has no rights at first.
#[derive(Debug, Clone)]
pub(crate) struct User {
    name: String,
    password: String,
    mechanism: &'static str,
}

impl User {
    /// librdkafka's properties for this user, as lines of a configuration.
    pub(crate) fn properties(&self) -> String {
        let User {
            name,
            password,
            mechanism,
        } = self;
        format!(
            "\"security.protocol\" = \"sasl_plaintext\"\n\"sasl.mechanism\" = \"{mechanism}\"\n\
             \"sasl.username\" = \"{name}\"\n\"sasl.password\" = \"{password}\"\n"
        )
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// As `sasl.mechanism` takes it.
    pub(crate) fn mechanism(&self) -> &str {
        self.mechanism
    }

    pub(crate) fn password(&self) -> &str {
        &self.password
    }
}

/// One right, or its opposite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Right(String);

impl Right {
    /// An operation on a topic (`*` for all), as Kafka spells it: `WRITE`, `DESCRIBE_CONFIGS`.
    pub(crate) fn topic(topic: &str, operation: &str) -> Right {
        Right(format!("ALLOW {operation} TOPIC {topic}"))
    }

    /// The opposite, which is stronger than any right.
    pub(crate) fn no_topic(topic: &str, operation: &str) -> Right {
        Right(format!("DENY {operation} TOPIC {topic}"))
    }

    /// What a gateway needs for a topic.
    pub(crate) fn to_produce(topic: &str) -> Vec<Right> {
        ["WRITE", "DESCRIBE", "DESCRIBE_CONFIGS"]
            .map(|operation| Right::topic(topic, operation))
            .into()
    }

    /// The same without the right to write.
    pub(crate) fn to_look(topic: &str) -> Vec<Right> {
        ["DESCRIBE", "DESCRIBE_CONFIGS"]
            .map(|operation| Right::topic(topic, operation))
            .into()
    }
}

impl Kafka {
    /// A user with a password that is known to the brokers for ever.
    pub(crate) fn fresh_user(&self) -> User {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        assert!(number < USERS, "more than {USERS} users");
        User {
            name: format!("tester{number}"),
            password: format!("secret-{number}"),
            mechanism: "PLAIN",
        }
    }

    /// A user that can be made and taken away while the brokers run.
    pub(crate) fn fresh_passing_user(&self) -> User {
        let user = self.fresh_user();
        let user = User {
            name: format!("passing-{}", user.name),
            mechanism: "SCRAM-SHA-256",
            ..user
        };
        self.admit_user(&user);
        user
    }

    /// Makes a passing user, or makes it again.
    pub(crate) fn admit_user(&self, user: &User) {
        self.administrate(&["scram", &user.name, &user.password]);
    }

    /// Takes a passing user away: it can't connect from now on. What is connected stays so.
    pub(crate) fn dismiss_user(&self, user: &User) {
        self.administrate(&["unscram", &user.name]);
    }

    /// The user has these rights from now on, and no others.
    pub(crate) fn set_rights(&self, user: &User, rights: &[Right]) {
        let mut request = vec!["rights", &user.name];
        request.extend(rights.iter().map(|right| right.0.as_str()));
        self.administrate(&request);
    }

    /// Changes one setting of a topic.
    pub(crate) fn configure_topic(&self, topic: &str, name: &str, value: &str) {
        self.administrate(&["topic", topic, name, value]);
    }

    fn administrate(&self, request: &[&str]) {
        let administrator = self
            .administrator
            .get_or_init(|| Administrator::start(self.bootstrap()));
        if let Err(why) = administrator.ask(&request.join("\t")) {
            panic!("{request:?}: {why}\n{}", self.log_tails());
        }
    }
}

/// A running `Administrator.java`, killed on drop.
pub(super) struct Administrator {
    child: Child,
    pipes: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
}

impl Drop for Administrator {
    fn drop(&mut self) {
        // It may have ended by itself, with its stdin.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Administrator {
    fn start(bootstrap: &str) -> Administrator {
        let jars = Jars::get().unwrap_or_else(|why| panic!("no administrator: {why}"));
        // The JVM says on stdout that an archive doesn't fit, as after the folder was moved.
        let mut command = jars.java_without_archive();
        command
            .arg(java::harness_folder().join("Administrator.java"))
            .arg(bootstrap)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = java::spawn(command).expect("java starts");
        let stdin = child.stdin.take().expect("piped");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        Administrator {
            child,
            pipes: Mutex::new((stdin, stdout)),
        }
    }

    fn ask(&self, request: &str) -> Result<(), String> {
        let mut pipes = self.pipes.lock().unwrap_or_else(PoisonError::into_inner);
        let (stdin, stdout) = &mut *pipes;
        let mut answer = String::new();
        writeln!(stdin, "{request}")
            .and_then(|()| stdin.flush())
            .and_then(|()| stdout.read_line(&mut answer))
            .map_err(|error| format!("the administrator is gone: {error}"))?;
        match answer.trim_end() {
            "ok" => Ok(()),
            "" => Err("the administrator is gone".to_owned()),
            why => Err(why.to_owned()),
        }
    }
}
