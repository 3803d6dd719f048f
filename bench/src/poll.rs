//! Sockets that are ready, and where frames end: what a loop without a runtime needs, and no more.
//!
//! In: sockets, and the bytes they gave. Out: numbers of ready sockets, counts of frames. Never: looks
//! into a frame.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};

/// Sockets looked at in one turn.
const EVENTS: usize = 1024;
/// Opcodes from here on are of control frames, which are no messages.
const CONTROL: u8 = 8;

/// A level-triggered epoll instance.
pub struct Poll {
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
}

impl Poll {
    /// An instance that watches nothing yet.
    ///
    /// # Errors
    /// When the system gives none.
    pub fn new() -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        Ok(Self { epoll, events: Vec::with_capacity(EVENTS) })
    }

    /// Reports `source` as `number` whenever it can be read.
    ///
    /// # Errors
    /// When it cannot be watched.
    pub fn add(&self, source: &impl AsFd, number: usize) -> io::Result<()> {
        let data = epoll::EventData::new_u64(number as u64);
        Ok(epoll::add(&self.epoll, source, data, epoll::EventFlags::IN)?)
    }

    /// Waits until something can be read, or `wait` is over; puts the numbers into `ready`.
    ///
    /// # Errors
    /// When waiting fails.
    pub fn wait(&mut self, ready: &mut Vec<usize>, wait: Duration) -> io::Result<()> {
        ready.clear();
        self.events.clear();
        let wait = Timespec {
            tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(wait.subsec_nanos()),
        };
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&wait)) {
            Ok(_) => ready.extend(self.events.iter().map(|event| event.data.u64() as usize)),
            Err(rustix::io::Errno::INTR) => {}
            Err(cause) => return Err(cause.into()),
        }
        Ok(())
    }
}

/// One end of a connection that is never waited for.
#[derive(Debug)]
pub struct Pipe {
    socket: TcpStream,
    /// Bytes of a frame that has not come whole.
    rest: Vec<u8>,
    /// Bytes to be written.
    pub out: Vec<u8>,
}

impl Pipe {
    /// Takes a connected socket, and what was read of it already.
    ///
    /// # Errors
    /// When it cannot be made non-blocking.
    pub fn new(socket: TcpStream, rest: Vec<u8>) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        Ok(Self { socket, rest, out: Vec::new() })
    }

    /// The socket.
    #[must_use]
    pub const fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Reads once; gives the bytes of whole frames to `take` and returns how many messages they are.
    ///
    /// # Errors
    /// When the other end is gone.
    pub fn read(&mut self, buffer: &mut [u8], mut take: impl FnMut(&[u8])) -> io::Result<usize> {
        let count = match self.socket.read(buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => count,
            Err(cause) if cause.kind() == ErrorKind::WouldBlock => return Ok(0),
            Err(cause) => return Err(cause),
        };
        if self.rest.is_empty() {
            let (messages, end) = whole_frames(&buffer[..count]);
            take(&buffer[..end]);
            self.rest.extend_from_slice(&buffer[end..count]);
            return Ok(messages);
        }
        self.rest.extend_from_slice(&buffer[..count]);
        let (messages, end) = whole_frames(&self.rest);
        take(&self.rest[..end]);
        self.rest.drain(..end);
        Ok(messages)
    }

    /// Writes what waits; true when all of it went.
    ///
    /// # Errors
    /// When the other end is gone.
    pub fn write(&mut self) -> io::Result<bool> {
        if self.out.is_empty() {
            return Ok(true);
        }
        match self.socket.write(&self.out) {
            Ok(count) => drop(self.out.drain(..count)),
            Err(cause) if cause.kind() == ErrorKind::WouldBlock => {}
            Err(cause) => return Err(cause),
        }
        Ok(self.out.is_empty())
    }
}

/// How many messages stand whole at the start of `bytes`, and where the last whole frame ends.
#[must_use]
pub fn whole_frames(bytes: &[u8]) -> (usize, usize) {
    let (mut messages, mut end) = (0, 0);
    while let Some(length) = frame_length(&bytes[end..]) {
        messages += usize::from(bytes[end] & 0x0f < CONTROL);
        end += length;
    }
    (messages, end)
}

/// The length of the frame at the start of `bytes`, if all of it is there.
fn frame_length(bytes: &[u8]) -> Option<usize> {
    let short = *bytes.get(1)?;
    let mask = if short & 0x80 == 0 { 0 } else { 4 };
    let (head, payload) = match short & 0x7f {
        126 => (4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
        127 => (10, usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?),
        short => (2, usize::from(short)),
    };
    let length = payload.checked_add(head + mask)?;
    (bytes.len() >= length).then_some(length)
}

#[cfg(test)]
mod tests {
    use openim_protocol::frame::{write_message, write_message_masked, write_ping};

    use super::*;

    #[test]
    fn frames_of_every_length_end_where_they_end() {
        for size in [0, 1, 125, 126, 127, 65_535, 65_536, 70_000] {
            let mut bytes = Vec::new();
            write_message(&mut bytes, true, &vec![b'x'; size]);
            write_message_masked(&mut bytes, true, &vec![b'x'; size], [1, 2, 3, 4]);
            write_ping(&mut bytes, b"now");
            let whole = bytes.len();
            assert_eq!(whole_frames(&bytes), (2, whole), "{size}");
            bytes.extend_from_slice(&[0x81, 0xfe, 0]);
            assert_eq!(whole_frames(&bytes), (2, whole), "{size}");
            assert_eq!(whole_frames(&bytes[..whole - 6]).0, 1, "{size}");
        }
    }

    #[test]
    fn what_comes_in_pieces_is_counted_once() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut far, _) = listener.accept().unwrap();
        let mut pipe = Pipe::new(near, Vec::new()).unwrap();
        let mut bytes = Vec::new();
        (0..3).for_each(|_| write_message(&mut bytes, true, b"hello"));
        let mut poll = Poll::new().unwrap();
        poll.add(pipe.socket(), 7).unwrap();
        let (mut seen, mut taken, mut ready) = (0, Vec::new(), Vec::new());
        for piece in bytes.chunks(5) {
            far.write_all(piece).unwrap();
            while ready != [7] {
                poll.wait(&mut ready, Duration::from_secs(1)).unwrap();
            }
            ready.clear();
            let mut buffer = [0; 64];
            seen += pipe.read(&mut buffer, |frames| taken.extend_from_slice(frames)).unwrap();
        }
        assert_eq!((seen, taken), (3, bytes));
    }
}
