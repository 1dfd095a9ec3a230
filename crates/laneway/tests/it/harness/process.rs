//! The binary as a process: run to its end, or kept running and listened to.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// How long a line, an answer or an end may take on a machine that is busy with other things.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What the binary reads from its environment, and what decides how wide its help is.
const ENVIRONMENT: [&str; 7] = [
    "COLUMNS",
    "LANEWAY_CONTROL_TOKEN",
    "LANEWAY_FROM",
    "LANEWAY_LOG",
    "LANEWAY_LOG_FORMAT",
    "LANEWAY_TOKEN",
    "LANEWAY_URL",
];

/// A process that came to its end.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }
}

pub(super) const BINARY: &str = env!("CARGO_BIN_EXE_laneway");

fn laneway(args: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.args(args);
    isolate(&mut command);
    command
}

fn isolate(command: &mut Command) {
    command.stdin(Stdio::null());
    for name in ENVIRONMENT {
        command.env_remove(name);
    }
}

/// Runs a verb to its end.
#[track_caller]
pub(crate) fn run(args: &[&str]) -> Finished {
    run_with(args, &[], "")
}

/// Runs a verb to its end, with an environment and something on stdin.
#[track_caller]
pub(crate) fn run_with(args: &[&str], environment: &[(&str, &str)], input: &str) -> Finished {
    let mut command = laneway(args);
    command.envs(environment.iter().copied());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A verb that does not read its input may have gone before it is written.
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap_or_default();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let code = output.status.code().expect("no signal ends it");
    Finished { code, stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// A process that runs until it is told to end, or dropped.
pub(crate) struct Process {
    child: Child,
    stderr: Arc<Stderr>,
}

/// What a process says.
#[derive(Default)]
struct Stderr {
    said: Mutex<Said>,
    more: Condvar,
}

#[derive(Default)]
struct Said {
    lines: Vec<String>,
    is_closed: bool,
}

impl Stderr {
    fn listen(&self, pipe: ChildStderr) {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            self.said.lock().unwrap().lines.push(line);
            self.more.notify_all();
        }
        self.said.lock().unwrap().is_closed = true;
        self.more.notify_all();
    }

    fn text(&self) -> String {
        self.said.lock().unwrap().lines.iter().map(|line| format!("{line}\n")).collect()
    }

    /// Waits until `found` finds something in the lines, or there will be no more of them.
    fn wait<T>(&self, found: impl Fn(&[String]) -> Option<T>) -> Option<T> {
        let said = self.said.lock().unwrap();
        let is_waiting = |said: &mut Said| found(&said.lines).is_none() && !said.is_closed;
        let (said, _) = self.more.wait_timeout_while(said, PATIENCE, is_waiting).unwrap();
        found(&said.lines)
    }

    /// Waits until the process has closed it, as it does by ending; whether it has.
    fn wait_for_end(&self) -> bool {
        let said = self.said.lock().unwrap();
        let (said, _) = self.more.wait_timeout_while(said, PATIENCE, |said| !said.is_closed).unwrap();
        said.is_closed
    }
}

impl Process {
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::spawn(laneway(args))
    }

    /// The same by a shell that does something to itself before it becomes the binary.
    pub(crate) fn start_after(shell: &str, args: &[&str]) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{shell} && exec \"$0\" \"$@\""), BINARY]).args(args);
        isolate(&mut command);
        Self::spawn(command)
    }

    /// The same by a command that becomes the binary.
    pub(crate) fn start_by(mut command: Command) -> Self {
        isolate(&mut command);
        Self::spawn(command)
    }

    /// Its number, by which the system knows it.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    fn spawn(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = Arc::new(Stderr::default());
        let (pipe, listener) = (child.stderr.take().unwrap(), Arc::clone(&stderr));
        thread::spawn(move || listener.listen(pipe));
        Self { child, stderr }
    }

    /// Waits for the first line that contains a text.
    #[track_caller]
    pub(crate) fn line(&self, part: &str) -> String {
        let line = self.stderr.wait(|lines| lines.iter().find(|line| line.contains(part)).cloned());
        line.unwrap_or_else(|| panic!("nothing said of {part:?}, but:\n{}", self.stderr.text()))
    }

    /// The word that follows `name` on the first line that has it.
    #[track_caller]
    pub(crate) fn value(&self, name: &str) -> String {
        let line = self.line(name);
        let (_, rest) = line.split_once(name).unwrap();
        rest.split_whitespace().next().unwrap().to_owned()
    }

    /// All it has said so far.
    pub(crate) fn said(&self) -> String {
        self.stderr.text()
    }

    /// Asks it to end (SIGTERM) and waits until it has: its exit code, and all it said.
    #[track_caller]
    pub(crate) fn stop(self) -> (Option<i32>, String) {
        self.stop_by(Signal::TERM)
    }

    /// The same by another signal.
    #[track_caller]
    pub(crate) fn stop_by(mut self, signal: Signal) -> (Option<i32>, String) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        self.ended()
    }

    /// Waits until it has ended by itself: its exit code, and all it said.
    #[track_caller]
    pub(crate) fn ended(&mut self) -> (Option<i32>, String) {
        let is_closed = self.stderr.wait_for_end();
        assert!(is_closed, "it does not end, but says:\n{}", self.stderr.text());
        (self.child.wait().unwrap().code(), self.stderr.text())
    }

    /// Ends it at once (SIGKILL), and gives all it said.
    pub(crate) fn kill(mut self) -> String {
        self.child.kill().unwrap();
        self.ended().1
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().unwrap_or_default();
        drop(self.child.wait());
        if thread::panicking() {
            eprintln!("--- stderr of {}\n{}", self.child.id(), self.stderr.text());
        }
    }
}
