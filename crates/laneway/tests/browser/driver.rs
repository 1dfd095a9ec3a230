//! A browser and the few words of WebDriver that the tests need
//! (<https://www.w3.org/TR/webdriver2/>, and ChromeDriver's own `goog/cdp` and `se/log`).

use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::harness::{Answer, Connection, Host};

/// How long a page may take to show what is waited for, on a machine that is busy with other things.
const PATIENCE_MS: u64 = 20_000;

/// What Chromium is started with. It has no screen, and no name but this machine's has an address for it.
const FLAGS: [&str; 12] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--lang=en-GB",
    "--force-color-profile=srgb",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];

/// A screen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen {
    pub(crate) width: u32,
    pub(crate) height: u32,
}

pub(crate) const DESK: Screen = Screen { width: 1280, height: 800 };
/// What WCAG 2.2, 1.4.10 asks for: everything is there without scrolling sideways.
pub(crate) const NARROW: Screen = Screen { width: 320, height: 640 };
pub(crate) const PHONE: Screen = Screen { width: 390, height: 844 };

/// A ChromeDriver with one window.
pub(crate) struct Browser {
    driver: Child,
    host: Host,
    session: String,
}

impl Browser {
    /// Opens a window; `None`, after saying so past the capture of the test program, where there is no Chromium.
    #[track_caller]
    pub(crate) fn open(test: &str) -> Option<Browser> {
        let started = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut driver = match started {
            Ok(driver) => driver,
            Err(error) => {
                let said = format!("\nskipped test: {test}: chromedriver cannot be started: {error}\n");
                io::stdout().write_all(said.as_bytes()).unwrap();
                return None;
            }
        };
        let output = BufReader::new(driver.stdout.take().unwrap());
        let port = output.lines().map_while(Result::ok).find_map(|line| {
            let (_, rest) = line.split_once("started successfully on port ")?;
            Some(rest.trim_end_matches('.').to_owned())
        });
        let host = Host::new(&format!("http://127.0.0.1:{}", port.expect("chromedriver names its port")));
        let mut browser = Browser { driver, host, session: String::new() };
        let options = json!({"args": FLAGS});
        let wanted = json!({"browserName": "chrome", "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"}, "timeouts": {"script": PATIENCE_MS + 5_000}});
        let session = browser.ask("POST", "/session", &json!({"capabilities": {"alwaysMatch": wanted}}));
        browser.session = format!("/session/{}", session["sessionId"].as_str().unwrap());
        // Other windows of this machine take no focus away, and what is copied may be.
        browser.devtools("Emulation.setFocusEmulationEnabled", &json!({"enabled": true}));
        browser.devtools("Browser.grantPermissions", &json!({"permissions": ["clipboardSanitizedWrite"]}));
        Some(browser)
    }

    /// One command of the session.
    #[track_caller]
    fn command(&self, path: &str, body: &Value) -> Value {
        self.ask("POST", &format!("{}{path}", self.session), body)
    }

    #[track_caller]
    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.send(method, path, &body.to_string()).unwrap();
        let mut value = answer.any_json();
        assert_eq!(answer.status, 200, "{path}: {}", value["value"]["message"]);
        value["value"].take()
    }

    /// Makes a request. ChromeDriver leaves every connection open, so its answers end where they say.
    fn send(&self, method: &str, path: &str, body: &str) -> io::Result<Answer> {
        let mut connection = Connection::try_open(&self.host)?;
        let (host, length) = (self.host.address(), body.len());
        let head = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {length}\r\n\r\n");
        connection.write(&[head.as_bytes(), body.as_bytes()].concat())?;
        connection.answer()
    }

    /// A command of Chromium's own protocol.
    #[track_caller]
    pub(crate) fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.command("/goog/cdp/execute", &json!({"cmd": command, "params": parameters}))
    }

    /// Makes the window look like that screen.
    #[track_caller]
    pub(crate) fn resize(&self, screen: Screen) {
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            &json!({"width": screen.width, "height": screen.height, "deviceScaleFactor": 1, "mobile": false}),
        );
    }

    /// Sets a preference of the reader's, such as `prefers-color-scheme`.
    #[track_caller]
    pub(crate) fn prefer(&self, name: &str, value: &str) {
        let feature = json!({"name": name, "value": value});
        self.devtools("Emulation.setEmulatedMedia", &json!({"features": [feature]}));
    }

    #[track_caller]
    pub(crate) fn go(&self, url: &str) {
        self.command("/url", &json!({"url": url}));
    }

    /// Loads the page anew.
    #[track_caller]
    pub(crate) fn reload(&self) {
        self.command("/refresh", &json!({}));
    }

    /// The value of a script.
    #[track_caller]
    pub(crate) fn run(&self, script: &str, arguments: &[Value]) -> Value {
        self.command("/execute/sync", &json!({"script": script, "args": arguments}))
    }

    /// Waits until an expression is true, and tells its value, or the text of the element that it is. The page itself
    /// looks again and again, so the answer comes as soon as it can.
    #[track_caller]
    pub(crate) fn until(&self, expression: &str) -> Value {
        let script = format!(
            "const done = arguments[arguments.length - 1]; const end = Date.now() + {PATIENCE_MS};\n\
             const look = () => {{\n\
               let value; try {{ value = ({expression}); }} catch (error) {{ value = null; }}\n\
               if (value) return done(value === true ? true : String(value.textContent ?? value));\n\
               if (Date.now() > end) return done(null);\n\
               setTimeout(look, 20);\n\
             }}; look();"
        );
        let value = self.command("/execute/async", &json!({"script": script, "args": []}));
        if value.is_null() {
            self.picture("what-was-there-instead");
            let text = self.run("return document.body.innerText", &[]);
            panic!("not shown: {expression}\non the page:\n{}", text.as_str().unwrap_or_default());
        }
        value
    }

    /// Presses keys one after the other, as a person does; `\u{e004}` is Tab, `\u{e007}` Enter, `\u{e012}` to `\u{e015}`
    /// the arrows.
    #[track_caller]
    pub(crate) fn keys(&self, keys: &str) {
        let press = |key: char| {
            let key = key.to_string();
            [json!({"type": "keyDown", "value": key}), json!({"type": "keyUp", "value": key})]
        };
        let actions: Vec<Value> = keys.chars().flat_map(press).collect();
        self.command("/actions", &json!({"actions": [{"type": "key", "id": "keys", "actions": actions}]}));
    }

    /// Clicks what an expression finds, with the pointer, so that it has to be in reach of one.
    #[track_caller]
    pub(crate) fn click(&self, expression: &str) {
        self.until(expression);
        let script = format!(
            "const found = ({expression}); found.scrollIntoView({{block: 'nearest'}}); return found;"
        );
        let element = self.run(&script, &[]);
        let id = element.as_object().and_then(|element| element.values().next()).unwrap().as_str().unwrap();
        self.command(&format!("/element/{id}/click"), &json!({}));
    }

    /// Waits until what moves has come to its end; what moves for ever is left alone.
    #[track_caller]
    pub(crate) fn still(&self) {
        let script = "const done = arguments[0]; \
            const ends = (each) => each.effect.getComputedTiming().iterations < 9; \
            const moving = document.getAnimations().filter(ends); \
            Promise.allSettled(moving.map((each) => each.finished)).then(() => done(true))";
        self.command("/execute/async", &json!({"script": script, "args": []}));
    }

    /// Keeps what is to be seen as `target/screenshots/NAME.png`.
    #[track_caller]
    pub(crate) fn picture(&self, name: &str) {
        self.still();
        let shot = self.devtools("Page.captureScreenshot", &json!({"format": "png"}));
        let folder = pictures();
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("{name}.png")), decoded(shot["data"].as_str().unwrap())).unwrap();
    }

    /// What the page has complained about since the last look.
    #[track_caller]
    pub(crate) fn complaints(&self) -> Vec<String> {
        let rows = self.command("/se/log", &json!({"type": "browser"}));
        let rows = rows.as_array().unwrap().iter();
        rows.map(|row| format!("{} {}", row["level"], row["message"])).collect()
    }
}

/// Closes the window before the driver, which would otherwise leave it behind.
impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() {
            drop(self.send("DELETE", &self.session, ""));
        }
        drop(self.driver.kill());
        drop(self.driver.wait());
    }
}

fn pictures() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("screenshots")
}

/// The bytes of a text in base64.
fn decoded(text: &str) -> Vec<u8> {
    let value = |letter: u8| match letter {
        b'A'..=b'Z' => Some(letter - b'A'),
        b'a'..=b'z' => Some(letter - b'a' + 26),
        b'0'..=b'9' => Some(letter - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    for group in text.as_bytes().chunks(4) {
        let values: Vec<u8> = group.iter().filter_map(|letter| value(*letter)).collect();
        let bits = values.iter().fold(0_u32, |bits, value| bits << 6 | u32::from(*value));
        let bits = bits << (6 * (4 - values.len()));
        bytes.extend_from_slice(&bits.to_be_bytes()[1..values.len()]);
    }
    bytes
}
