//! Addresses of one name, looked up once for all who ask meanwhile.
//!
//! A lookup cannot be ended: it goes on in the runtime's one blocking thread, on a task of its own, whoever of those who wait
//! for it goes away. What it found is good for a second, so that many connections begun together are one lookup.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{JoinHandle, spawn_blocking, spawn_local};
use tokio::time::Instant;

/// How long what was found is good.
const KEPT: Duration = Duration::from_secs(1);

/// What was found, or why nothing was.
type Found = Result<Rc<[SocketAddr]>, Rc<str>>;

/// See the module.
pub(super) struct Names {
    host: String,
    port: u16,
    found: RefCell<Option<(Found, Instant)>>,
    looking: Cell<bool>,
    ended: Notify,
}

impl Names {
    pub(super) fn new(host: &str, port: u16) -> Rc<Self> {
        let (host, found, looking) = (host.to_owned(), RefCell::default(), Cell::new(false));
        Rc::new(Self { host, port, found, looking, ended: Notify::new() })
    }

    /// Where the host is. An address is its own.
    pub(super) async fn addresses(self: &Rc<Self>) -> Found {
        if let Ok(ip) = self.host.parse::<IpAddr>() {
            return Ok([SocketAddr::new(ip, self.port)].into());
        }
        loop {
            if let Some((found, at)) = &*self.found.borrow()
                && at.elapsed() < KEPT
            {
                return found.clone();
            }
            let ended = self.ended.notified();
            if !self.looking.get() {
                let asked = (self.host.clone(), self.port);
                self.await_lookup(spawn_blocking(move || {
                    asked.to_socket_addrs().map(Iterator::collect)
                }));
            }
            ended.await;
        }
    }

    /// Keeps what a lookup finds.
    fn await_lookup(self: &Rc<Self>, lookup: JoinHandle<io::Result<Vec<SocketAddr>>>) {
        self.looking.set(true);
        let names = Rc::clone(self);
        spawn_local(async move {
            let found = lookup.await.unwrap_or_else(|cause| Err(io::Error::other(cause)));
            let found = found.map(Rc::from).map_err(|cause| Rc::from(cause.to_string()));
            names.found.replace(Some((found, Instant::now())));
            names.looking.set(false);
            names.ended.notify_waiters();
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_still_looked_up_is_not_looked_up_again() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, async {
            let names = Names::new("localhost", 1);
            let (end, ended) = std::sync::mpsc::channel::<()>();
            names.await_lookup(spawn_blocking(move || {
                ended.recv().ok();
                Ok(vec![SocketAddr::from(([192, 0, 2, 1], 9))])
            }));
            // Given up once: the lookup stays.
            tokio::select! {
                biased;
                _ = names.addresses() => panic!("nothing is found yet"),
                () = tokio::task::yield_now() => {}
            }
            let others = async { tokio::join!(names.addresses(), names.addresses()) };
            let (found, ()) = tokio::join!(others, async move { drop(end) });
            for found in [found.0.unwrap(), found.1.unwrap()] {
                assert_eq!(*found, [SocketAddr::from(([192, 0, 2, 1], 9))]);
            }
        });
    }
}
