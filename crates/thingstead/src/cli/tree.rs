//! What is made from the tree of commands: completions, manual pages, the list of operations.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Command, CommandFactory as _};
use clap_complete::Shell;

use super::stdout::print_line;
use super::{Cli, Output};
use crate::failure::{Failure, Outcome};
use crate::files;

/// Print completions for a shell.
///
/// Examples:
///   thingstead completions bash > ~/.local/share/bash-completion/completions/thingstead
///   thingstead completions fish > ~/.config/fish/completions/thingstead.fish
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Completions {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self) -> Outcome {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "thingstead", &mut script);
        print_line(String::from_utf8_lossy(&script).trim_end());
        Ok(())
    }
}

/// Write a manual page for every command into a folder.
///
/// Example:
///   thingstead man ~/.local/share/man/man1
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Man {
    /// The folder; made if needed.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

impl Man {
    pub(crate) fn run(self, output: Output) -> Outcome {
        files::make_folder(&self.folder)?;
        let mut root = Cli::command().disable_help_subcommand(true);
        root.build();
        let mut written = Vec::new();
        write_pages(&root, "thingstead", &self.folder, &mut written)?;
        match output.json {
            true => print_line(serde_json::json!({ "written": written })),
            false => written.iter().for_each(print_line),
        }
        Ok(())
    }
}

/// The page of `command` and those below it, each under the names of the commands joined by `-`.
fn write_pages(command: &Command, name: &str, folder: &Path, written: &mut Vec<String>) -> Outcome {
    let path = folder.join(format!("{name}.1"));
    let failed =
        |error: std::io::Error| Failure::new("file-unwritable", path.display().to_string()).because(error);
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page).map_err(failed)?;
    std::fs::File::create(&path).and_then(|mut file| file.write_all(&page)).map_err(failed)?;
    written.push(path.display().to_string());
    for below in shown(command) {
        write_pages(below, &format!("{name}-{}", below.get_name()), folder, written)?;
    }
    Ok(())
}

fn shown(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|below| !below.is_hide_set() && below.get_name() != "help")
}

/// Every operation, as its commands joined by dots.
pub(crate) fn operations() -> Vec<String> {
    fn walk(command: &Command, before: &str, found: &mut Vec<String>) {
        let name = format!("{before}{}", command.get_name());
        match shown(command).next() {
            Some(_) => shown(command).for_each(|below| walk(below, &format!("{name}."), found)),
            None => found.push(name),
        }
    }
    let mut found = Vec::new();
    shown(&Cli::command()).for_each(|command| walk(command, "", &mut found));
    found
}
