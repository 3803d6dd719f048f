//! The few system calls that the standard library does not offer: epoll, a descriptor table of a
//! thread's own, descriptor limits, late port binding. All unsafe code of this crate is here.
//!
//! In: plain values and borrowed descriptors. Out: `io::Result`. Never keeps a descriptor that it
//! does not own.
#![allow(unsafe_code, reason = "system calls; each block says why it is sound")]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// What an [`Epoll`] entry waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interest {
    /// Bytes to read, or the end of the stream.
    Read,
    /// As `Read`, and room to write.
    ReadWrite,
}

impl Interest {
    fn bits(self) -> u32 {
        let read = (libc::EPOLLIN | libc::EPOLLRDHUP) as u32;
        match self {
            Interest::Read => read,
            Interest::ReadWrite => read | libc::EPOLLOUT as u32,
        }
    }
}

/// One readiness report.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ready {
    /// The number given when the descriptor was added.
    pub(crate) token: usize,
    /// Reading will not block (also true for errors, which the read then reports).
    pub(crate) readable: bool,
    /// Writing will not block (also true for errors).
    pub(crate) writable: bool,
}

/// A level-triggered epoll instance with a reused event buffer.
pub(crate) struct Epoll {
    fd: OwnedFd,
    events: Vec<libc::epoll_event>,
    ready: usize,
}

impl Epoll {
    /// Creates an instance that reports up to `batch` events at a time.
    pub(crate) fn new(batch: usize) -> io::Result<Self> {
        // SAFETY: no pointers are passed; the result is checked.
        let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: `fd` was just created and nobody else owns it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let empty = libc::epoll_event { events: 0, u64: 0 };
        Ok(Self { fd, events: vec![empty; batch.max(1)], ready: 0 })
    }

    /// Starts watching `source`.
    pub(crate) fn add(&self, source: &impl AsRawFd, token: usize, on: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, source, token, on)
    }

    /// Changes what is awaited of `source`.
    pub(crate) fn modify(
        &self,
        source: &impl AsRawFd,
        token: usize,
        on: Interest,
    ) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, source, token, on)
    }

    fn control(
        &self,
        operation: libc::c_int,
        source: &impl AsRawFd,
        token: usize,
        on: Interest,
    ) -> io::Result<()> {
        let mut event = libc::epoll_event { events: on.bits(), u64: token as u64 };
        // SAFETY: `event` lives across the call; the kernel copies it and checks both descriptors.
        check(unsafe {
            libc::epoll_ctl(self.fd.as_raw_fd(), operation, source.as_raw_fd(), &mut event)
        })?;
        Ok(())
    }

    /// Waits at most `timeout` and returns how many events [`Epoll::ready`] can give.
    pub(crate) fn wait(&mut self, timeout: Duration) -> io::Result<usize> {
        let capacity = libc::c_int::try_from(self.events.len()).unwrap_or(libc::c_int::MAX);
        let outcome = self.wait_precisely(capacity, timeout);
        self.ready = match outcome {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(error) => return Err(error),
        };
        Ok(self.ready)
    }

    #[cfg(target_env = "gnu")]
    fn wait_precisely(&mut self, capacity: libc::c_int, timeout: Duration) -> io::Result<usize> {
        let limit = libc::timespec {
            tv_sec: timeout.as_secs() as libc::time_t,
            tv_nsec: timeout.subsec_nanos() as libc::c_long,
        };
        // SAFETY: the buffer holds `capacity` events and outlives the call; `limit` is valid; a
        // null signal mask is allowed.
        let count = unsafe {
            libc::epoll_pwait2(
                self.fd.as_raw_fd(),
                self.events.as_mut_ptr(),
                capacity,
                &limit,
                std::ptr::null(),
            )
        };
        check(count).map(|count| count as usize)
    }

    #[cfg(not(target_env = "gnu"))]
    fn wait_precisely(&mut self, capacity: libc::c_int, timeout: Duration) -> io::Result<usize> {
        // Rounded up, so that a short wait does not become a spin.
        let millis = timeout.as_nanos().div_ceil(1_000_000).min(60_000) as libc::c_int;
        // SAFETY: the buffer holds `capacity` events and outlives the call.
        let count = unsafe {
            libc::epoll_wait(self.fd.as_raw_fd(), self.events.as_mut_ptr(), capacity, millis)
        };
        check(count).map(|count| count as usize)
    }

    /// The event at `index` of the last wait.
    pub(crate) fn ready(&self, index: usize) -> Option<Ready> {
        if index >= self.ready {
            return None;
        }
        let event = self.events.get(index)?;
        let bits = event.events;
        let broken = bits & (libc::EPOLLERR | libc::EPOLLHUP) as u32 != 0;
        Some(Ready {
            token: event.u64 as usize,
            readable: broken || bits & (libc::EPOLLIN | libc::EPOLLRDHUP) as u32 != 0,
            writable: broken || bits & libc::EPOLLOUT as u32 != 0,
        })
    }
}

/// Gives the calling thread a descriptor table of its own, so that the per-table limit applies to
/// this thread alone. Call it before the thread opens anything.
pub(crate) fn own_descriptor_table() -> io::Result<()> {
    // SAFETY: no memory is touched. Descriptors already open are duplicated into the new table.
    check(unsafe { libc::unshare(libc::CLONE_FILES) }).map(|_| ())
}

/// Raises the soft limit of open descriptors to the hard one and returns it.
pub(crate) fn raise_descriptor_limit() -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid place for the answer.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) })?;
    if limit.rlim_cur < limit.rlim_max {
        limit.rlim_cur = limit.rlim_max;
        // SAFETY: `limit` is initialised and only read by the call.
        check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) })?;
    }
    Ok(limit.rlim_cur)
}

/// Lets `bind` choose only the address; the port is chosen at `connect`, when the whole four-tuple
/// is known, so that every source address has all its ports towards each destination.
pub(crate) fn bind_address_without_port(socket: &impl AsRawFd) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the option value is a live `c_int` and its size is passed.
    check(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_BIND_ADDRESS_NO_PORT,
            std::ptr::from_ref(&on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    })
    .map(|_| ())
}

/// Asks the kernel not to round this thread's waits up by its usual 50 us, which would show up as
/// latency of the server in a paced run. Failure only costs precision, so it is ignored.
pub(crate) fn precise_waits() {
    let slack_ns: libc::c_ulong = 1;
    // SAFETY: the call takes integers only and affects the calling thread alone.
    unsafe {
        libc::prctl(libc::PR_SET_TIMERSLACK, slack_ns);
    }
}

/// Clock ticks per second of the times in `/proc/PID/stat`.
pub(crate) fn clock_ticks_per_second() -> u64 {
    // SAFETY: no memory is touched.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    u64::try_from(ticks).unwrap_or(100).max(1)
}

/// Bytes in a page of memory.
pub(crate) fn page_bytes() -> u64 {
    // SAFETY: no memory is touched.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(bytes).unwrap_or(4096).max(1)
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn epoll_reports_bytes_to_read_with_the_token_given() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (far, _) = listener.accept().unwrap();
        let mut epoll = Epoll::new(8).unwrap();
        epoll.add(&far, 42, Interest::Read).unwrap();
        assert_eq!(epoll.wait(Duration::ZERO).unwrap(), 0);
        near.write_all(b"x").unwrap();
        assert_eq!(epoll.wait(Duration::from_secs(5)).unwrap(), 1);
        let ready = epoll.ready(0).unwrap();
        assert_eq!((ready.token, ready.readable, ready.writable), (42, true, false));
        assert!(epoll.ready(1).is_none());
        epoll.modify(&far, 42, Interest::ReadWrite).unwrap();
        epoll.wait(Duration::from_secs(5)).unwrap();
        assert!(epoll.ready(0).unwrap().writable);
    }

    #[test]
    fn a_thread_with_its_own_table_does_not_use_up_the_others() {
        assert!(raise_descriptor_limit().unwrap() > 0);
        let opened = std::thread::spawn(|| {
            own_descriptor_table().unwrap();
            TcpListener::bind("127.0.0.1:0").unwrap().as_raw_fd()
        });
        assert!(opened.join().unwrap() > 2);
    }

    #[test]
    fn a_socket_can_bind_an_address_and_leave_the_port_for_later() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        bind_address_without_port(&socket).unwrap();
        socket.bind(&"127.0.1.9:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
        socket.connect(&listener.local_addr().unwrap().into()).unwrap();
        let (_, peer) = listener.accept().unwrap();
        assert_eq!(peer.ip().to_string(), "127.0.1.9");
    }
}
