//! An HTTP server that notes what it is asked and answers as it is told.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// One request.
#[derive(Clone, Debug)]
pub struct Request {
    /// `POST /path`
    pub line: String,
    /// By name in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// It serves until the process ends.
pub struct HttpServer {
    pub address: SocketAddr,
    requests: Receiver<Request>,
}

impl HttpServer {
    /// Answers with the status and body that `answer` gives.
    pub fn start(answer: impl Fn(&Request) -> (u16, String) + Send + Sync + 'static) -> HttpServer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, requests) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                serve(&stream, &answer, &sender);
            }
        });
        HttpServer { address, requests }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next request.
    pub fn next(&self) -> Request {
        self.requests.recv_timeout(Duration::from_secs(120)).expect("a request")
    }

    /// True if nobody has asked anything beyond what was taken.
    pub fn is_quiet(&self) -> bool {
        self.requests.try_recv().is_err()
    }
}

/// Answers the one request of a connection.
fn serve(stream: &TcpStream, answer: &impl Fn(&Request) -> (u16, String), seen: &Sender<Request>) {
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    if let Some(request) = read(&mut reader) {
        let (status, text) = answer(&request);
        let _ = seen.send(request);
        let head =
            format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", text.len());
        let _ = writer.write_all(format!("{head}{text}").as_bytes());
    }
}

fn read(reader: &mut impl BufRead) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
    let mut headers = BTreeMap::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    if length.is_none() && headers.get("transfer-encoding").is_some_and(|coding| coding == "chunked") {
        body = chunks(reader)?;
    }
    let line = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    Some(Request { line, headers, body })
}

fn chunks(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut body = vec![];
    loop {
        let mut size = String::new();
        reader.read_line(&mut size).ok()?;
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        let mut chunk = vec![0; size + 2];
        reader.read_exact(&mut chunk).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(&chunk[..size]);
    }
}
