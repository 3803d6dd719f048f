//! TLS in front of the mock, by another's hand than the tool's.

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// How long each side is looked at.
const LOOK: Duration = Duration::from_millis(1);

/// Writes a certificate of loopback into `path`, and gives what a server has it with.
pub(super) fn certificate(path: &Path) -> Arc<ServerConfig> {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let made = params.self_signed(&key).unwrap();
    std::fs::write(path, made.pem()).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.der().clone()], key);
    Arc::new(config.unwrap())
}

/// Listens with TLS and passes on to `to`, which speaks plain.
pub(super) fn in_front_of(to: SocketAddr, config: &Arc<ServerConfig>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let config = Arc::clone(config);
    thread::spawn(move || {
        for near in listener.incoming().flatten() {
            let session = ServerConnection::new(Arc::clone(&config)).unwrap();
            thread::spawn(move || drop(pass(near, to, session)));
        }
    });
    address
}

fn pass(mut near: TcpStream, to: SocketAddr, mut session: ServerConnection) -> io::Result<()> {
    let mut far = TcpStream::connect(to)?;
    for stream in [&near, &far] {
        stream.set_read_timeout(Some(LOOK))?;
        stream.set_nodelay(true)?;
    }
    let mut buffer = [0; 16 * 1024];
    loop {
        match unless_late(session.read_tls(&mut near))? {
            Some(0) => return Ok(()),
            Some(_) => {
                let processed = session.process_new_packets();
                while session.wants_write() {
                    session.write_tls(&mut near)?;
                }
                processed.map_err(io::Error::other)?;
            }
            None => {}
        }
        while let Ok(count @ 1..) = session.reader().read(&mut buffer) {
            far.write_all(&buffer[..count])?;
        }
        let ended = match unless_late(far.read(&mut buffer))? {
            Some(0) => {
                session.send_close_notify();
                true
            }
            Some(count) => {
                session.writer().write_all(&buffer[..count])?;
                false
            }
            None => false,
        };
        while session.wants_write() {
            session.write_tls(&mut near)?;
        }
        if ended {
            return Ok(());
        }
    }
}

/// `None` when nothing came in time.
fn unless_late(read: io::Result<usize>) -> io::Result<Option<usize>> {
    match read {
        Ok(count) => Ok(Some(count)),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
