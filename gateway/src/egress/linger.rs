//! The end of a link: what waits is still written, the close frame last, then the socket goes.
//!
//! A socket that is dropped with unread input resets the connection, and the peer may lose the close
//! frame that it was sent. So the end is read until the peer's own end, for a moment.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::doors::Permit;
use crate::socket::Socket;

const GOODBYE: Duration = Duration::from_secs(1);

/// What is still to be written to links that have ended, of one shard.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lingering(Rc<Cell<usize>>);

/// The bytes of one of them.
pub(crate) struct Rest {
    bytes: Vec<u8>,
    from: usize,
    /// What it has of the sum.
    counted: usize,
    sum: Lingering,
}

impl Lingering {
    pub(crate) fn bytes(&self) -> usize {
        self.0.get()
    }

    /// Takes over `bytes[from..]`, of a link whose socket owes so much as well.
    pub(crate) fn take(&self, bytes: Vec<u8>, from: usize, owed: usize) -> Rest {
        let counted = bytes.len() + owed;
        self.0.set(self.0.get() + counted);
        Rest { bytes, from, counted, sum: self.clone() }
    }
}

impl Rest {
    fn bytes(&self) -> &[u8] {
        self.bytes.get(self.from..).unwrap_or_default()
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        self.sum.0.set(self.sum.0.get() - self.counted);
    }
}

/// Writes `rest`, ends the stream and waits for the peer's end; each within its time. `taken` is called
/// once the socket has all of it.
pub(crate) async fn linger(
    mut stream: Socket,
    rest: Rest,
    write_time: Duration,
    permit: Permit,
    taken: impl FnOnce(),
) {
    let written = timeout(write_time, async {
        stream.write_all(rest.bytes()).await?;
        stream.shutdown().await
    });
    if matches!(written.await, Ok(Ok(()))) {
        taken();
        drop(rest);
        let mut sink = [0_u8; 1024];
        // Bounded in bytes as well: a peer that goes on talking is cut off.
        let drained = timeout(GOODBYE, async {
            for _ in 0..256 {
                if !matches!(stream.read(&mut sink).await, Ok(n) if n > 0) {
                    break;
                }
            }
        });
        // Either way the socket is dropped now.
        let _peer_was_slow = drained.await;
    }
    drop(permit);
}
