//! Chromium, driven over its DevTools pipe: JSON messages that end with a zero byte, on file descriptors 3 and 4.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// Far more than anything here takes: a test that hangs shall end.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Browser {
    child: Child,
    input: ChildStdin,
    messages: mpsc::Receiver<Value>,
    last_id: u64,
    session: Option<String>,
    /// What went wrong in the page: exceptions, lines of the console, refused requests.
    pub complaints: Vec<String>,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts one with a page of nothing.
    pub fn open() -> Browser {
        let chromium = std::env::var("CHROMIUM").unwrap_or_else(|_| "chromium".into());
        let profile = tempfile::tempdir().expect("profile");
        // The shell puts our pipes where Chromium looks for them.
        let command =
            "command -v \"$0\" >/dev/null || exit 127; exec \"$0\" \"$@\" 3<&0 4>&1 0</dev/null 1>/dev/null";
        let mut child = Command::new("sh")
            .args(["-c", command, &chromium, "--headless=new", "--no-sandbox", "--disable-gpu"])
            .args([
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--remote-debugging-pipe",
                "--no-proxy-server",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh");
        let input = child.stdin.take().expect("pipe");
        let output = BufReader::new(child.stdout.take().expect("pipe"));
        let (sender, messages) = mpsc::channel();
        std::thread::spawn(move || {
            for message in output.split(0).map_while(Result::ok) {
                let Ok(message) = serde_json::from_slice(&message) else { return };
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        let mut browser = Browser {
            child,
            input,
            messages,
            last_id: 0,
            session: None,
            complaints: vec![],
            _profile: profile,
        };
        let page = browser.call("Target.createTarget", json!({"url": "about:blank"}));
        let attach = json!({"targetId": page["targetId"], "flatten": true});
        let session = browser.call("Target.attachToTarget", attach);
        browser.session = session["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page.enable", "Runtime.enable", "Log.enable"] {
            browser.call(domain, json!({}));
        }
        browser.resize(1280, 800);
        browser
    }

    /// Calls a method of the DevTools protocol.
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        self.ask(method, params).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    fn ask(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        self.last_id += 1;
        let mut message = json!({"id": self.last_id, "method": method, "params": params});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let sent = self.input.write_all(format!("{message}\0").as_bytes()).and_then(|()| self.input.flush());
        loop {
            let Ok(message) = self.messages.recv_timeout(PATIENCE) else {
                let ended = self.child.try_wait().ok().flatten();
                panic!(
                    "{method}: no answer from Chromium ({sent:?}, {ended:?}). The tests of the web page need it: \
                     apt-get install chromium, or set CHROMIUM to the path of a Chromium or Chrome"
                );
            };
            if message["id"] == json!(self.last_id) {
                return match &message["error"] {
                    Value::Null => Ok(message["result"].clone()),
                    error => Err(error.clone()),
                };
            }
            self.note(&message);
        }
    }

    fn note(&mut self, message: &Value) {
        let params = &message["params"];
        let complaint = match message["method"].as_str().unwrap_or_default() {
            "Runtime.exceptionThrown" => params["exceptionDetails"].to_string(),
            "Runtime.consoleAPICalled" => params["args"].to_string(),
            "Log.entryAdded" => params["entry"]["text"].to_string() + &params["entry"]["url"].to_string(),
            _ => return,
        };
        self.complaints.push(complaint);
    }

    pub fn go(&mut self, url: &str) {
        self.call("Page.navigate", json!({"url": url}));
    }

    pub fn resize(&mut self, width: u32, height: u32) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        self.call("Emulation.setDeviceMetricsOverride", size);
    }

    /// The value of an expression in the page; promises are awaited.
    pub fn eval(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let result = self.call("Runtime.evaluate", params);
        assert_eq!(result["exceptionDetails"], Value::Null, "{expression}");
        result["result"]["value"].clone()
    }

    /// The text of an expression.
    pub fn text(&mut self, expression: &str) -> String {
        self.eval(expression).as_str().unwrap_or_else(|| panic!("{expression}: no text")).to_owned()
    }

    /// Waits until a condition in the page is true.
    pub fn wait_for(&mut self, condition: &str) {
        let look = format!("try {{ if ({condition}) return done(true); }} catch {{}} setTimeout(look, 20)");
        let wait = format!("new Promise((done) => {{ const look = () => {{ {look} }}; look(); }})");
        // A wait that begins while a navigation ends is lost with the page that was there before.
        for _ in 0..3 {
            let params = json!({"expression": wait, "returnByValue": true, "awaitPromise": true});
            if self
                .ask("Runtime.evaluate", params)
                .is_ok_and(|answer| answer["result"]["value"] == json!(true))
            {
                return;
            }
        }
        panic!("{condition}: lost");
    }

    /// Presses a key in the page.
    pub fn press(&mut self, key: &str) {
        let text = if key.chars().count() == 1 { key } else { "" };
        for kind in ["keyDown", "keyUp"] {
            let text = if kind == "keyDown" { text } else { "" };
            self.call("Input.dispatchKeyEvent", json!({"type": kind, "key": key, "text": text}));
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
