//! Between a client and MongoDB: counts writes, and cuts everything off behind some of them, as when a process is killed
//! there.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// Where everything ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// In front of the next write.
    Before,
    /// Behind it: it is done, and its answer lost.
    Unanswered,
    /// At once.
    Everything,
}

/// See the module. It ends with the test's process.
pub(crate) struct Proxy {
    address: std::net::SocketAddr,
    state: Arc<State>,
}

type Meanwhile = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct State {
    /// Writes that still pass, and where it ends then.
    left: Mutex<Option<(usize, Cut)>>,
    is_cut: AtomicBool,
    /// Writes that still pass, and what is done before the next does.
    meanwhile: Mutex<Option<(usize, Meanwhile)>>,
    streams: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// To the server of a URL.
    pub(crate) fn to(url: &str) -> Self {
        let host = url.strip_prefix("mongodb://").expect("a URL of MongoDB");
        let host = host.split('/').next().expect("a host").rsplit('@').next().expect("a host");
        let (host, listener) =
            (host.to_owned(), TcpListener::bind("127.0.0.1:0").expect("a free port"));
        let address = listener.local_addr().expect("bound");
        let state = Arc::<State>::default();
        let shared = state.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if shared.is_cut.load(Ordering::SeqCst) {
                    continue;
                }
                let Ok(server) = TcpStream::connect(&host) else { continue };
                shared.join(client, server);
            }
        });
        Self { address, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("mongodb://{}/?directConnection=true", self.address)
    }

    /// Lets so many more writes pass.
    pub(crate) fn cut_behind(&self, writes: usize, how: Cut) {
        *self.state.left.lock().expect("nobody panics with it") = Some((writes, how));
        if how == Cut::Everything {
            self.state.cut();
        }
    }

    /// Behind so many more writes, and in front of the next, does something else.
    pub(crate) fn do_behind(&self, writes: usize, what: impl FnOnce() + Send + 'static) {
        *self.state.meanwhile.lock().expect("nobody panics with it") =
            Some((writes, Box::new(what)));
    }

    /// Whether it came so far.
    pub(crate) fn is_cut(&self) -> bool {
        self.state.is_cut.load(Ordering::SeqCst)
    }

    /// Ends all connections; others can be opened.
    pub(crate) fn break_connections(&self) {
        self.state.break_connections();
    }
}

impl State {
    fn cut(&self) {
        self.is_cut.store(true, Ordering::SeqCst);
        self.break_connections();
    }

    fn break_connections(&self) {
        for stream in self.streams.lock().expect("nobody panics with it").drain(..) {
            // It may have ended by itself.
            drop(stream.shutdown(Shutdown::Both));
        }
    }

    fn join(self: &Arc<Self>, client: TcpStream, server: TcpStream) {
        let copy = |stream: &TcpStream| stream.try_clone().expect("a descriptor");
        self.streams.lock().expect("nobody panics with it").extend([copy(&client), copy(&server)]);
        let swallows = Arc::<AtomicBool>::default();
        let (shared, swallow) = (self.clone(), swallows.clone());
        let (mut from, mut to) = (copy(&client), copy(&server));
        thread::spawn(move || {
            while let Some(message) = message(&mut from) {
                if is_write(&message) && !shared.lets_pass(&swallow) {
                    shared.cut();
                    return;
                }
                if to.write_all(&message).is_err() {
                    return;
                }
            }
            drop(to.shutdown(Shutdown::Both));
        });
        let shared = self.clone();
        let (mut from, mut to) = (server, client);
        thread::spawn(move || {
            while let Some(message) = message(&mut from) {
                if swallows.load(Ordering::SeqCst) {
                    shared.cut();
                    return;
                }
                if to.write_all(&message).is_err() {
                    return;
                }
            }
            drop(to.shutdown(Shutdown::Both));
        });
    }

    fn lets_pass(&self, swallow: &AtomicBool) -> bool {
        let mut meanwhile = self.meanwhile.lock().expect("nobody panics with it");
        if let Some((left, what)) = meanwhile.take() {
            match left.checked_sub(1) {
                Some(left) => *meanwhile = Some((left, what)),
                None => what(),
            }
        }
        drop(meanwhile);
        let mut left = self.left.lock().expect("nobody panics with it");
        match left.as_mut() {
            None => true,
            Some((0, Cut::Unanswered)) => !swallow.swap(true, Ordering::SeqCst),
            Some((0, _)) => false,
            Some((left, _)) => {
                *left -= 1;
                true
            }
        }
    }
}

/// The next message; `None` at the end.
fn message(from: &mut TcpStream) -> Option<Vec<u8>> {
    let mut message = vec![0; 4];
    from.read_exact(&mut message).ok()?;
    let len = u32::from_le_bytes(message[..4].try_into().expect("four")) as usize;
    message.resize(len, 0);
    from.read_exact(&mut message[4..]).ok()?;
    Some(message)
}

/// Whether it is a command that writes: its name is the first key of the document.
fn is_write(message: &[u8]) -> bool {
    const OP_MSG: u32 = 2013;
    let code = u32::from_le_bytes(message[12..16].try_into().expect("four"));
    // Header, flags, kind of the section, length of the document, kind of the first value.
    let name = message.get(16 + 4 + 1 + 4 + 1..).unwrap_or_default();
    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
    code == OP_MSG && [b"insert", b"update", b"delete"].iter().any(|write| &write[..] == name)
}
