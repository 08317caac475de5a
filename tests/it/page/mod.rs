//! The web page in a real, headless Chromium.

mod browser;
mod claims;
mod invented;
mod pictures;

use browser::Browser;
use cutover::controller::Board;
use cutover::window::{WebPage, serve_web};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// A server of the page, and a board to change.
struct Stage {
    board: Arc<Board>,
    url: String,
    runtime: tokio::runtime::Runtime,
    stop: Option<oneshot::Sender<()>>,
}

impl Stage {
    fn open() -> Stage {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_all().build().expect("runtime");
        let mut stage = Stage { board: Arc::default(), url: String::new(), runtime, stop: None };
        stage.serve("127.0.0.1:0");
        stage
    }

    fn serve(&mut self, address: &str) {
        let listener = self.runtime.block_on(TcpListener::bind(address)).expect("listener");
        self.url = format!("http://{}/", listener.local_addr().expect("address"));
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
