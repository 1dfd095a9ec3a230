//! Running other programs from the workspace's root.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// The workspace's root: the folder above this crate.
pub(crate) fn root() -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder.parent().expect("this crate lies one level below the workspace's root").to_path_buf()
}

/// An environment variable, or `None` when it is unset or not text.
pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The same `cargo` that runs this program.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let cargo = environment("CARGO").unwrap_or_else(|| "cargo".to_owned());
    command(&cargo, arguments)
}

/// A program with its arguments, in the workspace's root and without an input.
pub(crate) fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root()).stdin(Stdio::null());
    command
}

/// Whether the program exists and ends well; what it prints is not shown.
pub(crate) fn works(mut command: Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Runs a program whose output the reader sees; `false` when it failed.
pub(crate) fn passes(mut command: Command) -> Result<bool> {
    let status = command.status().with_context(|| format!("cannot start {}", shown(&command)))?;
    Ok(status.success())
}

/// What a program printed on its standard output.
pub(crate) fn output(mut command: Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start {}", shown(&command)))?;
    if !output.status.success() {
        bail!("{} failed: {}", shown(&command), String::from_utf8_lossy(&output.stderr).trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("{} printed no text", shown(&command)))
}

/// A command line as a reader would type it.
pub(crate) fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let mut words = vec![program.to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|word| word.to_string_lossy().into_owned()));
    words.join(" ")
}

/// The triple of this machine, as the compiler names it.
pub(crate) fn host() -> Result<String> {
    let text = output(command("rustc", &["-vV"]))?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("`rustc -vV` names no host")
}
