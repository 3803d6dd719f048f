//! A websocket client that can be as odd as a test wants: heads written by hand, frames with any bits, silence.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use super::PATIENCE;
use super::http::{self, Answer};
use super::rest::User;

pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

/// The headers of a correct upgrade.
pub(crate) const UPGRADE: [(&str, &str); 4] = [
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

/// A frame as it came off the wire.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) fin: bool,
    pub(crate) opcode: u8,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// The code of a close frame.
    pub(crate) fn close_code(&self) -> Option<u16> {
        let code = self.payload.first_chunk::<2>()?;
        (self.opcode == CLOSE).then(|| u16::from_be_bytes(*code))
    }
}

/// An upgraded connection without any manners of its own.
pub(crate) struct RawLink {
    stream: TcpStream,
    buffered: Vec<u8>,
}

/// Sends an upgrade request (or what the test makes of one) and returns the answer's head.
pub(crate) fn upgrade(
    to: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
) -> Answer {
    let mut stream = http::dial(to);
    write_head(&mut stream, method, target, headers);
    http::read_answer(&mut stream)
}

/// Writes a request head.
pub(crate) fn write_head(
    stream: &mut TcpStream,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
) {
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).expect("the head is sent");
}

/// One masked frame, ready to be sent.
pub(crate) fn frame(fin: bool, opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![u8::from(fin) << 7 | opcode];
    match payload.len() {
        len @ 0..126 => bytes.push(0x80 | len as u8),
        len @ 126..0x1_0000 => {
            bytes.push(0x80 | 126);
            bytes.extend((len as u16).to_be_bytes());
        }
        len => {
            bytes.push(0x80 | 127);
            bytes.extend((len as u64).to_be_bytes());
        }
    }
    let mask = [0x12, 0x34, 0x56, 0x78];
    bytes.extend(mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

impl RawLink {
    /// Connects as `user`.
    #[track_caller]
    pub(crate) fn open(to: SocketAddr, user: &User) -> RawLink {
        RawLink::over(http::dial(to), user)
    }

    /// Connects as `user` with a small receive buffer, so that not reading is felt soon.
    #[track_caller]
    pub(crate) fn open_narrow(to: SocketAddr, user: &User) -> RawLink {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.set_recv_buffer_size(32 * 1024).expect("a small buffer");
        socket.connect(&to.into()).expect("the server accepts");
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE)).expect("a non-zero time-out");
        RawLink::over(stream, user)
    }

    #[track_caller]
    fn over(mut stream: TcpStream, user: &User) -> RawLink {
        write_head(&mut stream, "GET", &format!("/{}", user.query()), &UPGRADE);
        let (answer, buffered) = http::read_head(&mut stream);
        assert_eq!(answer.status, 101, "{answer:?}");
        RawLink { stream, buffered }
    }

    /// Goes on after a handshake made by hand; `buffered` came behind its head.
    pub(crate) fn resume(stream: TcpStream, buffered: Vec<u8>) -> RawLink {
        RawLink { stream, buffered }
    }

    /// Sends bytes as they are.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the server reads");
    }

    /// Sends bytes as they are, unless the server does not take them for a second.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.set_write_timeout(Some(Duration::from_secs(1)))?;
        self.stream.write_all(bytes)
    }

    /// The next frame, or nothing when the connection is gone.
    #[track_caller]
    pub(crate) fn read(&mut self) -> Option<Frame> {
        self.read_within(PATIENCE).expect("a frame or the end in time")
    }

    /// Frames up to the close frame or the end; returns the code of the close frame if there was one.
    #[track_caller]
    pub(crate) fn read_to_close(&mut self) -> Option<u16> {
        while let Some(frame) = self.read() {
            if frame.opcode == CLOSE {
                return frame.close_code();
            }
        }
        None
    }

    /// Like [`RawLink::read`], but gives up (`Err`) after `patience`.
    pub(crate) fn read_within(&mut self, patience: Duration) -> Result<Option<Frame>, ()> {
        let deadline = Instant::now() + patience;
        let mut chunk = [0; 16 * 1024];
        loop {
            if let Some(frame) = self.take_frame() {
                return Ok(Some(frame));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(());
            }
            self.stream.set_read_timeout(Some(left)).expect("a non-zero time-out");
            match self.stream.read(&mut chunk) {
                Ok(0) => return Ok(None),
                Ok(count) => self.buffered.extend_from_slice(&chunk[..count]),
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Ok(None),
            }
        }
    }

    fn take_frame(&mut self) -> Option<Frame> {
        let bytes = &self.buffered;
        let (first, second) = (*bytes.first()?, *bytes.get(1)?);
        assert_eq!(second & 0x80, 0, "a server must not mask");
        let (length, start) = match second {
            126 => (usize::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?)), 4),
            127 => {
                let length = u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?);
                (usize::try_from(length).expect("fits in memory"), 10)
            }
            short => (usize::from(short), 2),
        };
        let payload = bytes.get(start..start + length)?.to_vec();
        self.buffered.drain(..start + length);
        assert_eq!(first & 0x70, 0, "no extension was negotiated");
        Some(Frame { fin: first & 0x80 != 0, opcode: first & 0x0f, payload })
    }
}
