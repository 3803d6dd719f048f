//! A socket with TLS and its peer, with little room between them, so that it is felt at once what the peer does not read.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{RootCertStore, ServerConfig};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpSocket;

use super::*;
use crate::newest::Newest;

/// What the system keeps of each direction; it may take that twice.
const ROOM_BYTES: u32 = 2 * 1024;
/// As long as a machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a test with such a pair. The peer reads what comes over the wire, as it is.
pub(crate) fn with_a_pair<F: Future<Output = ()>>(test: impl FnOnce(Socket, TcpStream) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (socket, peer) = pair().await;
        tokio::time::timeout(PATIENCE, test(socket, peer)).await.expect("it comes to its end");
    });
}

async fn pair() -> (Socket, TcpStream) {
    let key = KeyPair::generate().unwrap();
    let made = CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut terms = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![made.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    // Nothing comes but what a test writes.
    terms.send_tls13_tickets = 0;
    let newest = Newest::to(1);
    newest.put(&Arc::new(terms));
    let terms = Terms::new(newest.ends().pop());

    let listener = TcpSocket::new_v4().unwrap();
    listener.set_send_buffer_size(ROOM_BYTES).unwrap();
    listener.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = listener.listen(1).unwrap();
    let peer = TcpSocket::new_v4().unwrap();
    peer.set_recv_buffer_size(ROOM_BYTES).unwrap();
    let at = listener.local_addr().unwrap();
    let (accepted, peer) = tokio::join!(listener.accept(), peer.connect(at));
    let mut socket = terms.take(accepted.unwrap().0).unwrap();

    let mut roots = RootCertStore::empty();
    roots.add(made.der().clone()).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connector = crate::tls::connector(roots);
    let (greeted, peer) = tokio::join!(socket.greet(), connector.connect(name, peer.unwrap()));
    assert_eq!(greeted, Ok(Some(Greeted::Anew)));
    (socket, peer.unwrap().into_inner().0)
}

/// Writes until nothing is taken any more, for a while.
pub(crate) async fn fill(socket: &mut Socket) {
    let mut untaken = 0;
    while untaken < 20 {
        let taken = socket.offer(&[7; 16 * 1024]).unwrap();
        untaken = if taken.by_system == 0 { untaken + 1 } else { 0 };
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(socket.owed_bytes() > 0);
}

/// Waits until the peer has read something, or the system takes something again. How much was read.
pub(crate) async fn some_is_read(socket: &Socket, peer: &mut TcpStream) -> usize {
    let mut chunk = [0; 1024];
    tokio::select! {
        read = peer.read(&mut chunk) => read.unwrap(),
        ready = poll_fn(|cx| socket.poll_write_ready(cx)) => {
            ready.unwrap();
            0
        }
    }
}
