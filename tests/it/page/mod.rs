//! The web page in a real, headless Chromium.

mod browser;
mod claims;
mod invented;
mod pictures;

use browser::Browser;
use cutover::controller::Board;
use cutover::window::{WebPage, serve_web};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::oneshot;

/// A server of the page, and a board to change.
struct Stage {
    board: Arc<Board>,
    url: String,
    runtime: tokio::runtime::Runtime,
    stop: Option<oneshot::Sender<()>>,
    /// Keeps the port while no server is there: another test's server could get it meanwhile.
    place: TcpSocket,
}

impl Stage {
    fn open() -> Stage {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_all().build().expect("runtime");
        let place = TcpSocket::new_v4().expect("socket");
        // As every listener of tokio's is, so that they may have the same port; only one of them listens.
        place.set_reuseaddr(true).expect("socket");
        place.bind(([127, 0, 0, 1], 0).into()).expect("port");
        let url = format!("http://{}/", place.local_addr().expect("address"));
        let mut stage = Stage { board: Arc::default(), url, runtime, stop: None, place };
        stage.serve();
        stage
    }

    fn serve(&mut self) {
        let address = self.place.local_addr().expect("address");
        // A program that another test starts just now holds the socket of a server that has ended, from its fork to its exec.
        let listener = (0..100).find_map(|attempt| {
            std::thread::sleep(Duration::from_millis(attempt));
            self.runtime.block_on(TcpListener::bind(address)).ok()
        });
        let listener = listener.expect("listener");
        let (stop, stopped) = oneshot::channel::<()>();
        self.stop = Some(stop);
        let page = WebPage { board: self.board.clone(), names: vec![] };
        self.runtime.spawn(serve_web(listener, page, async move {
            let _ = stopped.await;
        }));
    }

    /// The page in a browser, once it shows the state of the board.
    fn look(&self, fragment: &str) -> Browser {
        let mut browser = Browser::open();
        browser.go(&format!("{}{fragment}", self.url));
        browser.wait_for("document.getElementById('link').dataset.state === 'live'");
        browser
    }
}
