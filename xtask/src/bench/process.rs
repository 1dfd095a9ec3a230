//! Real processes: started, waited for until they are ready, weighed, and ended.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use crate::shell;
use crate::stopwatch::Stopwatch;

/// How long a server may take to end; it gives calls under way 10 s.
const STOP_TIMEOUT: Duration = Duration::from_secs(60);
/// How often it is looked whether it has.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// The unit of processor time in Linux's `/proc`: `USER_HZ` is 100 on every platform.
const TICK: Duration = Duration::from_millis(10);

/// A server of its own process. It is killed when dropped.
pub(crate) struct Server {
    child: Child,
    /// Where it listens, in the order in which the roles were named.
    pub(crate) addresses: Vec<SocketAddr>,
    /// From the start of the process to the line that says it listens.
    pub(crate) start_time: Duration,
}

impl Server {
    /// Starts the program and waits for its lines `listening {role}=http://ADDRESS` on standard error.
    pub(crate) fn start(program: &Path, arguments: &[&str], roles: &[&str]) -> Result<Server> {
        let name = program.display();
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let stopwatch = Stopwatch::start();
        let mut child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let lines = child.stderr.take().context("the server has a standard error")?;
        let mut lines = BufReader::new(lines).lines();
        let mut said = Vec::new();
        let mut found = vec![None; roles.len()];
        for line in &mut lines {
            let line = line.with_context(|| format!("{name} says no text"))?;
            for (role, found) in roles.iter().zip(&mut found) {
                *found = found.or_else(|| listening_address(&line, role));
            }
            if let Some(addresses) = found.iter().copied().collect() {
                let start_time = stopwatch.elapsed();
                // What it says later is shown: it was told to say errors only, and a full pipe would stop it.
                thread::spawn(move || lines.map_while(Result::ok).for_each(|line| eprintln!("{line}")));
                return Ok(Server { child, addresses, start_time });
            }
            said.push(line);
        }
        let status = child.wait()?;
        bail!("{name} ended with {status} before it was ready:\n{}", said.join("\n"));
    }

    /// Asks it to end (SIGTERM) and waits until it has; answers how long that took.
    pub(crate) fn stop(mut self) -> Result<Duration> {
        let stopwatch = Stopwatch::start();
        let id = self.child.id().to_string();
        ensure!(shell::works(shell::command("kill", &["-TERM", &id])), "the server cannot be told to end");
        while stopwatch.elapsed() < STOP_TIMEOUT {
            if let Some(status) = self.child.try_wait()? {
                ensure!(status.success(), "the server ended with {status}");
                return Ok(stopwatch.elapsed());
            }
            thread::sleep(LOOK_EVERY);
        }
        bail!("the server has not ended after {} s", STOP_TIMEOUT.as_secs());
    }

    /// The memory it holds, in MiB (VmRSS of Linux).
    pub(crate) fn memory_mib(&self) -> Result<f64> {
        self.status_mib("VmRSS:")
    }

    /// The most memory it has held since its start, in MiB (VmHWM of Linux).
    pub(crate) fn memory_peak_mib(&self) -> Result<f64> {
        self.status_mib("VmHWM:")
    }

    fn status_mib(&self, name: &str) -> Result<f64> {
        let path = format!("/proc/{}/status", self.child.id());
        let status = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let kib = kib_of(&status, name).with_context(|| format!("{path} has no {name}"))?;
        Ok(kib as f64 / 1024.0)
    }

    /// The processor time it has used, its own and the system's on its behalf.
    pub(crate) fn cpu_time(&self) -> Result<Duration> {
        let path = format!("/proc/{}/stat", self.child.id());
        let stat = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let ticks = cpu_ticks(&stat).with_context(|| format!("{path} has no times"))?;
        Ok(TICK * ticks)
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

/// A size in KiB, from a file of `/proc` that names one a line.
pub(crate) fn kib_of(file: &str, name: &str) -> Option<u64> {
    let line = file.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// User and system time of the `stat` line. The name of the program comes before and may hold anything, so the fields
/// count from its closing bracket.
fn cpu_ticks(stat: &str) -> Option<u32> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11).map(str::parse::<u32>);
    Some(fields.next()?.ok()? + fields.next()?.ok()?)
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

    /// The same as text, for command lines.
    pub(crate) fn text(&self, name: &str) -> Result<String> {
        self.path(name).into_os_string().into_string().ok().context("the workspace's path is no text")
    }

    /// The bytes of all files in one of its folders.
    pub(crate) fn bytes(&self, name: &str) -> Result<u64> {
        let mut bytes = 0;
        for entry in fs::read_dir(self.path(name))? {
            bytes += entry?.metadata()?.len();
        }
        Ok(bytes)
    }

    /// Removes one of its folders, where a run has left much.
    pub(crate) fn remove(&self, name: &str) -> Result<()> {
        fs::remove_dir_all(self.path(name)).with_context(|| format!("cannot remove {name}"))
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

    use super::{Server, cpu_ticks, kib_of, listening_address};

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
    fn a_size_is_read() {
        assert_eq!(kib_of("VmPeak:\t 9 kB\nVmRSS:\t   5120 kB\n", "VmRSS:"), Some(5120));
        assert_eq!(kib_of("VmPeak:\t 9 kB\n", "VmRSS:"), None);
    }

    #[test]
    fn processor_time_is_read() {
        let stat = "7 (a (b) c) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 4 0 100 0 0";
        assert_eq!(cpu_ticks(stat), Some(300));
        assert_eq!(cpu_ticks("7 (a) S 1"), None);
    }

    #[test]
    fn a_server_that_ends_early_is_quoted() {
        let start = Server::start(Path::new("/bin/sh"), &["-c", "echo no config >&2; exit 3"], &["gateway"]);
        let error = start.err().unwrap().to_string();
        assert!(error.contains("exit status: 3") && error.contains("no config"), "{error}");
    }
}
