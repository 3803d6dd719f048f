//! Between a server and MySQL: counts the statements that pass, and is away when a test says so.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// A command of a client has this number; whatever belongs to one has a later.
const FIRST: u8 = 0;
/// The command that runs a prepared statement: all that has arguments does.
const EXECUTE: u8 = 0x17;

/// See the module. It ends with the test's process.
pub(crate) struct MysqlProxy {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    statements: AtomicUsize,
    away: AtomicBool,
    streams: Mutex<Vec<TcpStream>>,
}

impl MysqlProxy {
    /// To the server at `host:port`.
    pub(crate) fn to(server: &str) -> MysqlProxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let state = Arc::<State>::default();
        let (shared, server) = (Arc::clone(&state), server.to_owned());
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if !shared.away.load(Ordering::SeqCst)
                    && let Ok(server) = TcpStream::connect(&server)
                {
                    shared.join(client, server);
                }
            }
        });
        MysqlProxy { address, state }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Statements with arguments that have passed.
    pub(crate) fn statements(&self) -> usize {
        self.state.statements.load(Ordering::SeqCst)
    }

    /// From now on nobody is connected, or is again.
    pub(crate) fn set_away(&self, away: bool) {
        self.state.away.store(away, Ordering::SeqCst);
        for stream in self.state.streams.lock().expect("nobody panics with it").drain(..) {
            // It may have ended by itself.
            drop(stream.shutdown(Shutdown::Both));
        }
    }
}

impl State {
    fn join(self: &Arc<Self>, client: TcpStream, server: TcpStream) {
        let copy = |stream: &TcpStream| stream.try_clone().expect("a descriptor");
        self.streams.lock().expect("nobody panics with it").extend([copy(&client), copy(&server)]);
        let (mut from, mut to) = (copy(&server), copy(&client));
        thread::spawn(move || {
            drop(std::io::copy(&mut from, &mut to));
            drop(to.shutdown(Shutdown::Both));
        });
        let (shared, mut from, mut to) = (Arc::clone(self), client, server);
        thread::spawn(move || {
            while let Some(packet) = packet(&mut from) {
                if packet[3] == FIRST && packet.get(4) == Some(&EXECUTE) {
                    shared.statements.fetch_add(1, Ordering::SeqCst);
                }
                if to.write_all(&packet).is_err() {
                    break;
                }
            }
            drop(to.shutdown(Shutdown::Both));
        });
    }
}

/// The next packet: three bytes of its length, its number, and what it says.
fn packet(from: &mut TcpStream) -> Option<Vec<u8>> {
    let mut packet = vec![0; 4];
    from.read_exact(&mut packet).ok()?;
    let len = u32::from_le_bytes([packet[0], packet[1], packet[2], 0]) as usize;
    packet.resize(4 + len, 0);
    from.read_exact(&mut packet[4..]).ok()?;
    Some(packet)
}
