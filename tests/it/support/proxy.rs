//! An HTTP proxy that tunnels: it takes CONNECT and notes where to.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use parking_lot::Mutex;

/// The proxy; it ends with the test's process.
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    targets: Mutex<Vec<String>>,
    refuses: AtomicBool,
}

// === impl Proxy ===

impl Proxy {
    /// Starts a proxy that lets everybody through.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::<Shared>::default();
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = Arc::clone(&serving);
                // A client that goes away in the middle is no matter of the proxy's.
                thread::spawn(move || drop(shared.tunnel(client)));
            }
        });
        Self { address, shared }
    }

    /// Lets nobody through from now on, or everybody again.
    pub fn refuse(&self, refuses: bool) {
        self.shared.refuses.store(refuses, Ordering::Relaxed);
    }

    /// Returns where tunnels were asked for, in order.
    pub fn targets(&self) -> Vec<String> {
        self.shared.targets.lock().clone()
    }
}

// === impl Shared ===

impl Shared {
    fn tunnel(&self, mut client: TcpStream) -> std::io::Result<()> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            client.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let target = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next());
        let target = target.unwrap_or_else(|| panic!("no CONNECT: {head}"));
        self.targets.lock().push(target.to_owned());
        if self.refuses.load(Ordering::Relaxed) {
            return client.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n");
        }
        let mut server = TcpStream::connect(target)?;
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
        let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
        thread::spawn(move || {
            let _ = std::io::copy(&mut from_client, &mut to_server);
            to_server.shutdown(Shutdown::Write)
        });
        std::io::copy(&mut server, &mut client)?;
        client.shutdown(Shutdown::Both)
    }
}
