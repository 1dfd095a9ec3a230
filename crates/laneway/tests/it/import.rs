//! `laneway import` and `laneway tail`: many events from a file, and events as they happen.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{CUSTOMER, Dev, Finished, Gateway, Process, run};

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
    let rows: Vec<Value> = checked.stdout.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!((&rows[0]["line"], &rows[0]["code"]), (&json!(9), &json!("unknown_event_type")));
    assert_eq!((rows.len(), &rows[bad]["refused"]), (bad + 1, &json!(bad)), "{rows:?}");
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
fn refused_lines_are_mended_and_imported() {
    let directory = TempDir::new().unwrap();
    let dev = Dev::start(&directory.path().join("dev"));
    let click = dev.world.user_writes(CUSTOMER, "Saw your ad").click;
    for (name, good, bad) in [
        (
            "leads.csv",
            format!("type,to,ctwa_clid\nLeadSubmitted,{CUSTOMER},{click}\n"),
            format!("Lead,{CUSTOMER},{click}\n"),
        ),
        (
            "leads.ndjson",
            format!("{}\n", json!({"type": "QualifiedLead", "to": CUSTOMER, "ctwa_clid": click})),
            format!("{}\n", json!({"type": "Lead", "to": CUSTOMER, "ctwa_clid": click})),
        ),
    ] {
        let file = directory.path().join(name);
        fs::write(&file, good + &bad).unwrap();
        let from = ["--from", dev.world.number()];
        let first = import(&dev, &file, &from);
        assert_eq!((first.code, &first.json()["refused"]), (1, &json!(1)), "{first:?}");

        let refused = first.json()["refused_file"].as_str().unwrap().to_owned();
        let text = fs::read_to_string(&refused).unwrap();
        assert!(text.contains("unknown_event_type"), "{text}");
        let mended = text.replace("Lead,", "LeadSubmitted,").replace("\"Lead\",", "\"LeadSubmitted\",");
        fs::write(&refused, mended).unwrap();
        let second = import(&dev, Path::new(&refused), &from);
        assert_eq!((second.code, &second.json()["taken"]), (0, &json!(1)), "{second:?}");
    }
    let events = dev.gateway.every_event("");
    assert_eq!(events.len(), 4);
    for event in &events {
        assert_eq!(event["custom"], json!({"ctwa_clid": click}), "nothing of the reason is sent along");
    }
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
    let nobody = ["--url", "http://127.0.0.1:1"];
    for (file, more, says, code) in [
        (write("no-header.csv", "a,b\n1,2\n"), &[][..], "one of them must be \"type\"", 1),
        (write("semicolons.csv", "type;to\n"), &[], "columns are separated by commas", 1),
        (write("twice.csv", "type,to,to\n"), &[], "two columns \"to\"", 1),
        (directory.path().join("nowhere.csv"), &[], "cannot open", 1),
        (
            write("misspelt.csv", "type,too\n"),
            &[],
            "note: column \"too\" becomes custom.too; did you mean",
            0,
        ),
        (write("bytes.csv", "type\n"), &[], "", 0),
        // Where nothing has ever answered, waiting for it is no use.
        (write("one.csv", "type\nBlock\n"), &nobody, "error: no gateway answers at http://127.0.0.1:1", 1),
    ] {
        let file = file.to_str().unwrap();
        let url = dev.gateway.0.url();
        let more = if more.is_empty() { ["--url", &url].to_vec() } else { more.to_vec() };
        let done = run(&[vec!["import", file, "--json"], more].concat());
        assert_eq!(done.code, code, "{done:?}");
        assert!(done.stderr.contains(says), "{done:?}");
    }
}

/// A tail under way; it is ended when dropped.
pub(crate) struct Tail {
    process: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Tail {
    /// Starts it and waits until it follows.
    pub(crate) fn start(gateway: &Gateway, args: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_laneway"));
        command.arg("tail").args(args).args(["--url", &gateway.0.url()]);
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(process.stderr.take().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said, "following\n");
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, lines }
    }

    /// The next line with this part.
    pub(crate) fn line(&mut self, part: &str) -> String {
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
    let mut all = Tail::start(&dev.gateway, &["--json"]);
    let mut failed = Tail::start(&dev.gateway, &["--status", "failed", "--type", "Block"]);
    let confirmed = dev.gateway.submit(dev.world.number(), CUSTOMER, &json!({"type": "Block"}));
    let refused = dev.gateway.submit(dev.world.number(), "+4917012345678", &json!({"type": "Block"}));
    let first: Value = all.line(&confirmed).parse().unwrap();
    assert_eq!([&first["type"], &first["to"]], [&json!("Block"), &json!(CUSTOMER)]);
    all.line("\"status\":\"confirmed\"");
    // The first line that it shows at all is that of the refused one.
    let line = failed.line("");
    assert!(line.contains(&refused) && line.contains("Block +4917012345678 failed · "), "{line}");
}
