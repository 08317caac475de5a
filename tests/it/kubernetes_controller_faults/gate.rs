//! A TCP forwarder that can be shut: whoever is behind it is away.

use std::net::SocketAddr;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

pub struct Gate {
    pub address: SocketAddr,
    is_open: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Gate {
    /// Leads to `target`, `host:port`.
    pub async fn before(target: String) -> Gate {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let is_open = watch::Sender::new(true);
        let states = is_open.clone();
        let serving = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut inner, _)) = listener.accept().await {
                let (mut state, target) = (states.subscribe(), target.clone());
                if !*state.borrow_and_update() {
                    continue;
                }
                connections.spawn(async move {
                    let Ok(mut outer) = TcpStream::connect(&target).await else { return };
                    tokio::select! {
                        _ = copy_bidirectional(&mut inner, &mut outer) => {}
                        _ = state.wait_for(|is_open| !is_open) => {}
                    }
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Gate { address, is_open, serving }
    }

    /// Cuts what is connected, and lets nobody in until it is opened.
    pub fn shut(&self) {
        self.is_open.send_replace(false);
    }

    pub fn open(&self) {
        self.is_open.send_replace(true);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
