//! A disk of a few megabytes that only one process sees: a tmpfs in a mount namespace of its own.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::process::BINARY;

/// The size of the disk. The journal's log and what it copies the log to fit well, and it is soon full.
const SIZE: &str = "16m";
/// What fills the disk.
const BALLAST: &str = "ballast";

/// A way to get a disk of one's own, as arguments to `unshare`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SmallDisk(&'static [&'static str]);

/// What a process has mounted, seen from outside.
pub(crate) struct Mounted(PathBuf);

impl SmallDisk {
    /// The first way that works here: as root, or as somebody who becomes root in a namespace of users. Where neither
    /// does, the test is skipped, and says so where the test program does not hide it.
    pub(crate) fn find(test: &str) -> Option<Self> {
        let ways: [&[&str]; 2] = [&["--mount"], &["--mount", "--user", "--map-root-user"]];
        let mut reasons = Vec::new();
        for way in ways {
            let probe = tempfile::tempdir().unwrap();
            let mut command = Self(way).command(probe.path(), "true");
            match command.stdout(Stdio::null()).output() {
                Ok(output) if output.status.success() => return Some(Self(way)),
                Ok(output) => reasons.push(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
                Err(error) => reasons.push(format!("unshare: {error}")),
            }
        }
        let reasons = reasons.join("; ");
        // Whatever is printed by macros is shown only for tests that fail.
        let said = format!("\nskipped test: {test}: no disk can be mounted here: {reasons}\n");
        io::stdout().write_all(said.as_bytes()).unwrap();
        None
    }

    /// A command that becomes the shell's last command, with the disk mounted at that directory.
    fn command(self, directory: &Path, last: &str) -> Command {
        let mut command = Command::new("unshare");
        let mount = format!("mount -t tmpfs -o size={SIZE},mode=700 laneway-test \"$0\" && {last}");
        command.args(self.0).args(["sh", "-c", &mount]).arg(directory);
        command
    }

    /// The binary, which will have the disk at that directory.
    pub(crate) fn laneway(self, directory: &Path, args: &[&str]) -> Command {
        let mut command = self.command(directory, "exec \"$@\"");
        command.arg(BINARY).args(args);
        command
    }
}

impl Mounted {
    /// What that process has at this path.
    pub(crate) fn of(process: u32, directory: &Path) -> Self {
        let root = PathBuf::from(format!("/proc/{process}/root"));
        Self(root.join(directory.strip_prefix("/").unwrap()))
    }

    /// Fills the disk to its last byte.
    #[track_caller]
    pub(crate) fn fill(&self) {
        let mut ballast = OpenOptions::new().create(true).append(true).open(self.0.join(BALLAST)).unwrap();
        for size in [65_536, 1] {
            let full = loop {
                if let Err(error) = ballast.write_all(&vec![7; size]) {
                    break error;
                }
            };
            assert_eq!(full.kind(), io::ErrorKind::StorageFull, "{full}");
        }
    }

    /// Gives back what was filled.
    #[track_caller]
    pub(crate) fn free(&self) {
        File::create(self.0.join(BALLAST)).unwrap();
        fs::remove_file(self.0.join(BALLAST)).unwrap();
    }
}
