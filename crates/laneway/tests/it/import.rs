//! `laneway import` and `laneway tail`: many events from a file, and events as they happen.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{CUSTOMER, Dev, Finished, Process, run};

/// Lines of which one in three hundred names a click that nobody made up right.
const LINES: usize = 1_500;
const BAD_EVERY: usize = 300;

fn import(dev: &Dev, file: &Path, more: &[&str]) -> Finished {
    let file = file.to_str().unwrap();
    run(&[&["import", file, "--json", "--url", &dev.gateway.0.url()], more].concat())
}

/// A file of leads, some of them with a type that there is not.
fn leads(dev: &Dev, directory: &Path) -> std::path::PathBuf {
    let click = dev.world.user_writes(CUSTOMER, "Saw your ad").click;
    let mut text = "type,to,ctwa_clid,order_id\n".to_owned();
    for n in 0..LINES {
        let kind = if n % BAD_EVERY == 7 { "Lead" } else { "LeadSubmitted" };
        text.push_str(&format!("{kind},{CUSTOMER},{click},\"A, {n}\"\n"));
    }
    let file = directory.join("leads.csv");
    fs::write(&file, text).unwrap();
    file
}

#[test]
fn a_file_is_imported_once_however_often_it_is_sent() {
    let directory = TempDir::new().unwrap();
    let dev = Dev::start(&directory.path().join("dev"));
    let file = leads(&dev, directory.path());
    let from = ["--from", dev.world.number()];
    let bad = LINES / BAD_EVERY;

    let checked = import(&dev, &file, &[&from[..], &["--dry-run"]].concat());
    assert_eq!(checked.code, 1);
    assert_eq!(checked.stdout.matches("is not an event type").count(), bad, "{checked:?}");
    assert!(checked.stdout.contains("line 9: event.type: \"Lead\""), "{checked:?}");
    assert_eq!(dev.gateway.list("").len(), 0, "nothing is stored");

    // Two at the same time, as after an interruption that was none.
    let (one, two) = std::thread::scope(|threads| {
        let one = threads.spawn(|| import(&dev, &file, &from));
        let two = threads.spawn(|| import(&dev, &file, &from));
        (one.join().unwrap(), two.join().unwrap())
    });
    let taken = (LINES - bad) as u64;
    let reports = [&one, &two].map(|done| done.stdout.lines().last().unwrap().parse::<Value>().unwrap());
    let repeated: u64 = reports.iter().map(|report| report["repeated"].as_u64().unwrap()).sum();
    assert!(
        reports.iter().all(|report| report["taken"] == taken && report["refused"] == bad as u64),
        "{reports:?}"
    );
    assert_eq!(repeated, taken, "each line was new once: {reports:?}");

    let refused = fs::read_to_string(directory.path().join("leads.csv.refused.csv")).unwrap();
    let rows: Vec<&str> = refused.lines().collect();
    assert_eq!((rows.len(), rows[0]), (bad + 1, "line,code,reason,type,to,ctwa_clid,order_id"));
    assert!(rows[1].starts_with("9,unknown_event_type,"), "{}", rows[1]);
    assert!(rows[1].ends_with("\"A, 7\""), "{}", rows[1]);

    let again = import(&dev, &file, &from);
    let report: Value = again.stdout.lines().last().unwrap().parse().unwrap();
    assert_eq!((&report["taken"], &report["repeated"]), (&json!(taken), &json!(taken)));
    dev.world.rows(&format!("/sandbox/conversions?wait=60s&count={taken}"));
    let waiting = dev.gateway.list("status=open").len();
    assert_eq!((dev.world.rows("/sandbox/conversions").len() as u64, waiting), (taken, 0));
}

#[test]
fn an_import_goes_on_where_it_was_killed() {
    let directory = TempDir::new().unwrap();
    let dev = Dev::start(&directory.path().join("dev"));
    let file = leads(&dev, directory.path());
    let url = dev.gateway.0.url();
    let process =
        Process::start(&["import", file.to_str().unwrap(), "--from", dev.world.number(), "--url", &url]);
    dev.world.rows("/sandbox/conversions?wait=20s&count=1");
    process.kill();
    import(&dev, &file, &["--from", dev.world.number()]);
    let taken = LINES - LINES / BAD_EVERY;
    dev.world.rows(&format!("/sandbox/conversions?wait=60s&count={taken}"));
    assert_eq!(dev.gateway.every_event("").len(), taken);
}

#[test]
fn what_cannot_be_imported_is_said() {
    let directory = TempDir::new().unwrap();
    let dev = Dev::start(&directory.path().join("dev"));
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    for (file, says) in [
        (write("no-header.csv", "a,b\n1,2\n"), "one of them must be \"type\""),
        (directory.path().join("nowhere.csv"), "cannot open"),
        (write("bytes.csv", "type\n"), ""),
    ] {
        let done = import(&dev, &file, &[]);
        assert_eq!(done.code, i32::from(!says.is_empty()), "{done:?}");
        assert!(done.stderr.contains(says), "{done:?}");
    }
}

/// A tail under way; it is ended when dropped.
struct Tail {
    process: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Tail {
    /// Starts it and waits until it follows.
    fn start(dev: &Dev, args: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_laneway"));
        command.arg("tail").args(args).args(["--url", &dev.gateway.0.url()]);
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(process.stderr.take().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said, "following\n");
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, lines }
    }

    fn line(&mut self, part: &str) -> String {
        self.lines.by_ref().map(Result::unwrap).find(|line| line.contains(part)).unwrap()
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

#[test]
fn tail_shows_what_happens() {
    let directory = TempDir::new().unwrap();
    let dev = Dev::start(directory.path());
    let mut all = Tail::start(&dev, &["--json"]);
    let mut failed = Tail::start(&dev, &["--status", "failed", "--type", "Block"]);
    let confirmed = dev.gateway.submit(dev.world.number(), CUSTOMER, &json!({"type": "Block"}));
    let refused = dev.gateway.submit(dev.world.number(), "+4917012345678", &json!({"type": "Block"}));
    let first: Value = all.line(&confirmed).parse().unwrap();
    assert_eq!([&first["type"], &first["to"]], [&json!("Block"), &json!(CUSTOMER)]);
    all.line("\"status\":\"confirmed\"");
    // The first line that it shows at all is that of the refused one.
    let line = failed.line("");
    assert!(line.contains(&refused) && line.contains("Block +4917012345678 failed · "), "{line}");
}
