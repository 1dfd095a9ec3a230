//! `laneway sandbox exec`: a sandbox around a command.

use rustix::process::Signal;
use serde_json::json;

use crate::harness::{Host, Process, World, run, run_with};

const NAMES: [&str; 8] = [
    "GRAPH_URL",
    "ACCESS_TOKEN",
    "PHONE_NUMBER_ID",
    "WABA_ID",
    "DATASET_ID",
    "APP_SECRET",
    "SANDBOX_URL",
    "BUSINESS_NUMBER",
];

#[test]
fn a_command_finds_the_sandbox_in_its_environment() {
    let told: String = NAMES.map(|name| format!("{name}=${name} ")).concat();
    let script = format!("echo \"{told}\" >&2; exec sleep 60");
    let exec = Process::start(&["sandbox", "exec", "--seed=1", "--", "sh", "-c", &script]);
    let told = |name: &str| exec.value(&format!("{name}="));
    let world = World::of(Host::new(&told("SANDBOX_URL")));
    assert_eq!(told("GRAPH_URL"), told("SANDBOX_URL"));
    for (name, member) in [
        ("ACCESS_TOKEN", "access_token"),
        ("PHONE_NUMBER_ID", "phone_number_id"),
        ("WABA_ID", "waba_id"),
        ("DATASET_ID", "dataset_id"),
        ("APP_SECRET", "app_secret"),
        ("BUSINESS_NUMBER", "number"),
    ] {
        assert_eq!(told(name), world.own(member), "{name}");
    }
    assert_eq!(world.chat("+316012345678")[0]["text"], "Hi");
    let read = json!({"messaging_product": "whatsapp", "status": "read", "message_id": world.chat("+316012345678")[0]["wamid"]});
    let graph = world.host.with("authorization", &format!("Bearer {}", told("ACCESS_TOKEN")));
    let answer = graph.with("content-type", "application/json");
    let answer = answer.post(&format!("/{}/messages", told("PHONE_NUMBER_ID")), &read.to_string());
    assert_eq!(answer.body, r#"{"success":true}"#);
    assert_eq!(exec.stop().0, Some(128 + Signal::TERM.as_raw()));
}

#[test]
fn its_exit_code_and_its_output_are_the_command_s() {
    let ended = |words: &[&str]| run(&[&["sandbox", "exec", "--seed", "1", "--"], words].concat());
    let counted = ended(&["sh", "-c", "echo $PHONE_NUMBER_ID; echo aside >&2; exit 7"]);
    assert_eq!((counted.code, counted.stderr.as_str()), (7, "aside\n"));
    assert_eq!(counted.stdout, "106069905018562\n", "the id of seed 1, as in the manual");
    assert_eq!(ended(&["true"]).code, 0);
    assert_eq!(ended(&["sh", "-c", "kill -KILL $$"]).code, 128 + 9);
    let missing = ended(&["laneway-no-such-command"]);
    assert_eq!((missing.code, missing.stdout.as_str()), (127, ""));
    assert!(
        missing.stderr.starts_with("error: laneway-no-such-command cannot be run: "),
        "{}",
        missing.stderr
    );
    assert_eq!(ended(&["/"]).code, 126);
    let options = ended(&["sh", "-c", "echo \"$@\"", "sh", "--seed", "2"]);
    assert_eq!(options.stdout, "--seed 2\n", "what follows the dashes is the command's");
    let read = run_with(&["sandbox", "exec", "--", "cat"], &[], "from outside");
    assert_eq!(read.stdout, "from outside");
}

#[test]
fn signals_are_passed_on() {
    for (signal, name) in
        [(Signal::TERM, "TERM"), (Signal::INT, "INT"), (Signal::HUP, "HUP"), (Signal::USR1, "USR1")]
    {
        let start = |script: &str| {
            let exec = Process::start(&["sandbox", "exec", "--", "sh", "-c", script]);
            exec.line("ready");
            exec
        };
        // Whoever takes the signal decides on the exit code.
        let taken =
            start(&format!("trap 'kill $!; exit 9' {name}; sleep 60 >/dev/null 2>&1 & echo ready >&2; wait"));
        assert_eq!(taken.stop_by(signal).0, Some(9), "{name}");
        let ended = start("echo ready >&2; exec sleep 60");
        assert_eq!(ended.stop_by(signal).0, Some(128 + signal.as_raw()), "{name}");
    }
}
