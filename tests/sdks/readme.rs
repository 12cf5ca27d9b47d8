//! "Send from your SDK" in the README: each piece of code, as it stands there, sends to `forebay dev` with the configuration that stands
//! there.

use std::net::SocketAddr;
use std::process::{Command, Output};

use super::*;
use crate::support::command::{self, Running};
use crate::support::eventually;

/// How long anything but the sending may take.
const SOON: Duration = Duration::from_secs(15);

/// Where the pieces send to.
const ADDRESS: &str = "127.0.0.1:8080";

/// The pieces of code in a language.
fn pieces(language: &str) -> Vec<&'static str> {
    let readme = include_str!("../../README.md");
    let section = readme.split_once("### Send from your SDK\n").unwrap().1;
    let section = section.split_once("\n### ").unwrap().0;
    let begin = format!("```{language}\n");
    let pieces = section.split(begin.as_str()).skip(1);
    pieces
        .map(|piece| piece.split_once("\n```").unwrap().0)
        .collect()
}

/// `forebay dev` with the section's configuration.
struct Dev {
    running: Running,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Dev {
    fn start() -> Dev {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("try.toml");
        let presets = format!("{}/deploy/presets", env!("CARGO_MANIFEST_DIR"));
        let config = pieces("toml")[0].replace("deploy/presets", &presets);
        std::fs::write(&file, config).unwrap();
        let (any, file) = ("127.0.0.1:0", file.to_str().unwrap());
        let arguments = ["dev", "--config", file, "--listen", any, "--admin", any];
        let running = command::start(&arguments, &[]);
        eventually("it tells where it listens", 4 * SOON, || {
            running.out().contains("ctrl-c ends it")
        });
        let out = running.out();
        let address = out.split_once("takes events at http://").unwrap().1;
        Dev {
            address: address.lines().next().unwrap().parse().unwrap(),
            running,
            _folder: folder,
        }
    }

    /// A piece that sends here.
    fn piece(&self, text: &str) -> String {
        assert!(text.contains(ADDRESS), "it sends elsewhere: {text}");
        text.replace(ADDRESS, &self.address.to_string())
    }

    /// What a piece has sent is shown, under its key.
    #[track_caller]
    fn shows(self, keys: &[&str], outputs: &[Output]) {
        for output in outputs {
            assert!(output.status.success(), "{output:?}");
        }
        for key in keys {
            eventually("its event is shown", 2 * SOON, || {
                self.running.out().contains(&format!(" key={key} "))
            });
        }
        self.running.signal("INT");
        assert_eq!(self.running.wait(2 * SOON).code, Some(0));
    }
}

#[test]
fn its_lines_for_python_send() {
    let Some(folder) = folder_or_skip("python") else {
        return;
    };
    let dev = Dev::start();
    let run = |piece: &&str| {
        let mut python = Command::new(folder.join("venv/bin/python"));
        python
            .args(["-P", "-c", &dev.piece(piece)])
            .output()
            .unwrap()
    };
    let outputs: Vec<_> = pieces("python").iter().map(run).collect();
    dev.shows(&["python", "ce-python"], &outputs);
}

#[test]
fn its_lines_for_node_send() {
    let Some(folder) = folder_or_skip("node") else {
        return;
    };
    let dev = Dev::start();
    let pieces = pieces("js");
    // Those of pages are another matter: `browser` runs the like of them.
    let pieces = pieces.iter().filter(|piece| piece.contains(ADDRESS));
    let run = |piece: &&str| {
        let mut node = Command::new("node");
        let code = dev.piece(piece);
        node.current_dir(&folder)
            .args(["--input-type=module", "-e", &code])
            .output()
            .unwrap()
    };
    let outputs: Vec<_> = pieces.map(run).collect();
    dev.shows(&["node", "ce-node"], &outputs);
}

#[test]
fn its_lines_for_go_send() {
    let Some(folder) = folder_or_skip("go") else {
        return;
    };
    let dev = Dev::start();
    let run = |(number, piece): (usize, &&str)| {
        let code = dev.piece(piece);
        let of_import = |line: &&str| line.starts_with("import ");
        let (imports, rest): (Vec<_>, Vec<_>) = code.lines().partition(of_import);
        let name = format!("readme-{number}-{}", std::process::id());
        let program = folder.join(name);
        std::fs::create_dir_all(&program).unwrap();
        let code = format!(
            "package main\n{}\nfunc main() {{\n{}\n}}\n",
            imports.join("\n"),
            rest.join("\n")
        );
        std::fs::write(program.join("main.go"), code).unwrap();
        let output = Command::new("go")
            .current_dir(&program)
            .args(["run", "."])
            .output();
        std::fs::remove_dir_all(&program).unwrap();
        output.unwrap()
    };
    let outputs: Vec<_> = pieces("go").iter().enumerate().map(run).collect();
    dev.shows(&["go", "ce-go"], &outputs);
}

#[test]
fn its_lines_for_java_send() {
    let Some(folder) = folder_or_skip("java") else {
        return;
    };
    let dev = Dev::start();
    let run = |piece: &&str| {
        let code = dev.piece(piece);
        let of_import = |line: &&str| line.starts_with("import ");
        let (imports, rest): (Vec<_>, Vec<_>) = code.lines().partition(of_import);
        let own = tempfile::tempdir().unwrap();
        let file = own.path().join("Main.java");
        let code = format!(
            "{}\nclass Main {{ public static void main(String[] a) throws Exception {{\n{}\nSystem.exit(0); }} }}\n",
            imports.join("\n"),
            rest.join("\n")
        );
        std::fs::write(&file, code).unwrap();
        let mut java = Command::new("java");
        java.arg("-cp")
            .arg(folder.join("lib").join("*"))
            .arg(&file)
            .output()
            .unwrap()
    };
    let outputs: Vec<_> = pieces("java").iter().map(run).collect();
    dev.shows(&["java", "ce-java"], &outputs);
}

#[test]
fn its_line_for_a_shell_sends() {
    let dev = Dev::start();
    let run = |piece: &&str| {
        Command::new("sh")
            .args(["-c", &dev.piece(piece)])
            .output()
            .unwrap()
    };
    let outputs: Vec<_> = pieces("sh").iter().map(run).collect();
    dev.shows(&["shell"], &outputs);
}
