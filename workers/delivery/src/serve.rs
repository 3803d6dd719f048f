//! A gateway's side: takes streams of any number of transfers and hands what they carry to its fronts.
//!
//! In: connections, from a network where all but one may be strangers. Out: calls of [`Fronts`], one at a time for each
//! stream and front. A connection has one stream, and a time in which to begin it; there is a bound on connections, on a
//! message, and so on memory.

mod connection;
mod hand;
mod standing;
mod strangers;
mod stream;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use openim_record::Process;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub use self::standing::Streams;
pub use self::strangers::Strangers;
use crate::Told;

/// The fronts of this process.
#[async_trait]
pub trait Fronts: Send + Sync {
    /// Hands something to a front; of deliveries the platforms reached, a bit each, a byte a delivery. What is missing
    /// of an answer counts as not reached, so of a front that this process does not have it may be empty.
    ///
    /// Called in order for each transfer and front, for several at once. It has to end, within the time in which a
    /// transfer waits for the answer: what comes behind it on the same stream waits for it. May be dropped before it
    /// ends, when whoever waits for it is gone.
    async fn tell(&self, front: Process, told: Told) -> Vec<u8>;
}

/// Settings of the gateway's side.
#[derive(Clone)]
pub struct ServeOptions {
    /// What the processes of a cluster know of each other; empty: nothing.
    pub secret: String,
    /// Transfers that may have a stream at once. Each holds a few messages at most.
    pub streams_max: usize,
    /// Bytes of one message: a batch, or a delivery that is larger by itself.
    pub message_bytes_max: usize,
    /// How long a connection may take until its stream has begun.
    pub begin_timeout: Duration,
    /// A peer that is silent is asked for a sign of life after so long ...
    pub keep_alive: Duration,
    /// ... and is dead after so much longer.
    pub keep_alive_timeout: Duration,
    /// Counts connections that were refused.
    pub strangers: Strangers,
    /// Counts streams that stand.
    pub streams: Streams,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            secret: String::new(),
            // Transfers of the largest cluster, and those that are restarting.
            streams_max: 128,
            message_bytes_max: 4 << 20,
            begin_timeout: Duration::from_secs(5),
            keep_alive: Duration::from_secs(5),
            keep_alive_timeout: Duration::from_secs(5),
            strangers: Strangers::default(),
            streams: Streams::default(),
        }
    }
}

/// How long nothing is accepted after the system has refused to.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop` is there; streams that stand then are cut off.
///
/// # Errors
/// The listener has no address.
pub async fn serve(
    listener: TcpListener,
    fronts: Arc<dyn Fronts>,
    options: ServeOptions,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    let options = Arc::new(options);
    let mut connections = JoinSet::new();
    let mut stop = std::pin::pin!(stop);
    let mut refuses = false;
    loop {
        let accepted = tokio::select! {
            () = &mut stop => return Ok(()),
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((_, peer)) if connections.len() >= options.streams_max => {
                options.strangers.met(peer, "too many streams of deliveries");
            }
            Ok((socket, peer)) => {
                refuses = false;
                let (fronts, options) = (Arc::clone(&fronts), Arc::clone(&options));
                connections.spawn(connection::run(socket, peer, fronts, options));
            }
            Err(error) => {
                if !std::mem::replace(&mut refuses, true) {
                    tracing::warn!(%address, %error, "no connection for deliveries is accepted");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

#[cfg(test)]
mod tests;
