//! A terminal of the walk: one shell, typed into line by line.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::super::demo::PROGRAM;
use super::text::commands;

/// Nothing here takes so long on the slowest machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// Stands before the exit status of a command that ended.
const ENDED: &str = "[the command has ended with ";

/// A shell in `folder` that finds the program by its name, and in whose environment nothing configures it.
pub(super) fn at_home_in(folder: &Path) -> Command {
    let programs = Path::new(PROGRAM).parent().unwrap().to_owned();
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([programs].into_iter().chain(std::env::split_paths(&inherited))).unwrap();
    let mut shell = Command::new("sh");
    shell.current_dir(folder).env("PATH", path);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("THINGSTEAD_"))
    {
        shell.env_remove(name);
    }
    shell
}

pub(super) struct Terminal {
    shell: Child,
    input: ChildStdin,
    lines: Receiver<String>,
    said: Vec<String>,
}

impl Terminal {
    pub(super) fn open(folder: &Path) -> Self {
        let mut shell = at_home_in(folder);
        shell.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let mut shell = shell.spawn().unwrap();
        let (sender, lines) = channel();
        let output = BufReader::new(shell.stdout.take().unwrap());
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut input = shell.stdin.take().unwrap();
        // As on a terminal, failures stand among results.
        input.write_all(b"exec 2>&1\n").unwrap();
        Self { shell, input, lines, said: Vec::new() }
    }

    /// Types a line, to the shell or to what runs in it.
    pub(super) fn type_line(&mut self, line: &str) {
        self.input.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// The next line with `part` in it.
    pub(super) fn wait_for(&mut self, part: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("`{part}` did not come; before it: {:#?}", self.said);
            };
            self.said.push(line.clone());
            if line.contains(part) {
                return line;
            }
        }
    }

    /// Runs one command to its end, which must be success, and gives what it said.
    pub(super) fn run(&mut self, command: &str) -> Vec<String> {
        let before = self.said.len();
        self.type_line(&format!("{command}\necho \"{ENDED}$?]\""));
        let end = self.wait_for(ENDED);
        let said = self.said[before..self.said.len() - 1].to_vec();
        assert_eq!(end, format!("{ENDED}0]"), "{command}: {said:#?}");
        said
    }

    /// Runs every command of a block.
    pub(super) fn run_all(&mut self, block: &str) -> Vec<String> {
        commands(block).iter().flat_map(|command| self.run(command)).collect()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let group = format!("-{}", self.shell.id());
        let _ended = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _waited = self.shell.wait();
    }
}
