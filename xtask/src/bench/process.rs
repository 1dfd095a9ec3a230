//! Real processes: started, waited for until they are ready, weighed, and ended.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::shell;
use crate::stopwatch::Stopwatch;

/// A server of its own process. It is killed when dropped.
pub(crate) struct Server {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// From the start of the process to the line that says it listens.
    pub(crate) start_time: Duration,
}

impl Server {
    /// Starts the program and waits for its line `listening {role}=http://ADDRESS` on standard error.
    pub(crate) fn start(program: &Path, arguments: &[&str], role: &str) -> Result<Server> {
        let name = program.display();
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let stopwatch = Stopwatch::start();
        let mut child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let lines = child.stderr.take().context("the server has a standard error")?;
        let mut lines = BufReader::new(lines).lines();
        let mut said = Vec::new();
        for line in &mut lines {
            let line = line.with_context(|| format!("{name} says no text"))?;
            if let Some(address) = listening_address(&line, role) {
                let start_time = stopwatch.elapsed();
                // What it says later is read and dropped: a full pipe would stop it.
                thread::spawn(move || lines.for_each(drop));
                return Ok(Server { child, address, start_time });
            }
            said.push(line);
        }
        let status = child.wait()?;
        bail!("{name} ended with {status} before it was ready:\n{}", said.join("\n"));
    }

    /// The memory it holds, in KiB (VmRSS of Linux).
    pub(crate) fn memory_kib(&self) -> Result<u64> {
        let path = format!("/proc/{}/status", self.child.id());
        let status = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        resident_kib(&status).with_context(|| format!("{path} has no VmRSS"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already, and there is nobody left to tell.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The address of `listening gateway=http://127.0.0.1:1 sandbox=http://127.0.0.1:2` for one of the roles.
fn listening_address(line: &str, role: &str) -> Option<SocketAddr> {
    let mut words = line.strip_prefix("listening ")?.split(' ');
    words.find_map(|word| word.strip_prefix(role)?.strip_prefix("=http://")?.parse().ok())
}

fn resident_kib(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// A folder below `target`, on a real disk, removed when dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Makes a folder that no other run uses.
    pub(crate) fn make() -> Result<Folder> {
        let path = shell::root().join("target").join(format!("bench-{}", std::process::id()));
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Folder(path))
    }

    /// The path of something in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file that nobody else can read.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<()> {
        use std::io::Write as _;
        use std::os::unix::fs::OpenOptionsExt as _;
        let path = self.path(name);
        let file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
        let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
        written.with_context(|| format!("cannot write {}", path.display()))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What stays behind lies below `target` and harms nobody.
        fs::remove_dir_all(&self.0).ok();
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Server, listening_address, resident_kib};

    #[test]
    fn the_address_is_that_of_the_role() {
        #[track_caller]
        fn check(line: &str, role: &str, expected: Option<&str>) {
            assert_eq!(listening_address(line, role).map(|address| address.to_string()).as_deref(), expected);
        }
        let both = "listening gateway=http://127.0.0.1:1 sandbox=http://127.0.0.1:2";
        check(both, "gateway", Some("127.0.0.1:1"));
        check(both, "sandbox", Some("127.0.0.1:2"));
        check(both, "admin", None);
        check("ready in 41 ms", "gateway", None);
        check("listening gateway=http://nowhere", "gateway", None);
    }

    #[test]
    fn resident_memory_is_read() {
        assert_eq!(resident_kib("VmPeak:\t 9 kB\nVmRSS:\t   5120 kB\n"), Some(5120));
        assert_eq!(resident_kib("VmPeak:\t 9 kB\n"), None);
    }

    #[test]
    fn a_server_that_ends_early_is_quoted() {
        let start = Server::start(Path::new("/bin/sh"), &["-c", "echo no config >&2; exit 3"], "gateway");
        let error = start.err().unwrap().to_string();
        assert!(error.contains("exit status: 3") && error.contains("no config"), "{error}");
    }
}
