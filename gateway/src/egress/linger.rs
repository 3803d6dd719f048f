//! The end of a link: what waits is still written, the close frame last, then the socket goes.
//!
//! A socket that is dropped with unread input resets the connection, and the peer may lose the close
//! frame that it was sent. So the end is read until the peer's own end, for a moment.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::ingress::Permit;

const GOODBYE: Duration = Duration::from_secs(1);

/// Writes `bytes[from..]`, ends the stream and waits for the peer's end; each within its time. `taken`
/// is called once the socket has all of it.
pub(crate) async fn linger(
    mut stream: TcpStream,
    bytes: Vec<u8>,
    from: usize,
    write_time: Duration,
    permit: Permit,
    taken: impl FnOnce(),
) {
    let rest = bytes.get(from..).unwrap_or_default();
    let written = timeout(write_time, async {
        stream.write_all(rest).await?;
        stream.shutdown().await
    });
    if matches!(written.await, Ok(Ok(()))) {
        taken();
        drop(bytes);
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
