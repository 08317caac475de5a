//! What the pods of an API service answer: that their group has no resources.

use crate::git_http::tls_front;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};

/// A server of its own, which ends with this value.
pub struct ApiServer {
    pub port: u16,
    front: Option<tokio::runtime::Runtime>,
}

impl ApiServer {
    /// Serves this group and version.
    pub fn start(group_version: &str) -> ApiServer {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let list = format!(
            "{{\"kind\": \"APIResourceList\", \"apiVersion\": \"v1\", \"groupVersion\": \"{group_version}\", \"resources\": []}}"
        );
        // For as long as the tests run: it holds nothing but a port.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let list = list.clone();
                std::thread::spawn(move || answer(stream, &list));
            }
        });
        let (port, front) = tls_front(address);
        ApiServer { port, front: Some(front) }
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        if let Some(front) = self.front.take() {
            front.shutdown_background();
        }
    }
}

/// One request. Of all groups at once nothing is told: the API server then asks for each.
fn answer(mut stream: TcpStream, list: &str) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let first = lines.next()?.ok()?;
    lines.find(|line| line.as_ref().map_or(true, String::is_empty));
    let (status, body) = match first.split(' ').nth(1)?.split('?').next()? {
        "/apis" | "/apis/" => ("404 Not Found", ""),
        _ => ("200 OK", list),
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close"
    );
    stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).ok()
}
