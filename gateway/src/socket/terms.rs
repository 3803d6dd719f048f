//! On which terms a shard takes connections: plain, or with which certificate.
//!
//! In: offers, the newest of which counts, from whoever watches the files. A shard looks when somebody comes.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender};
use rustls::{ServerConfig, ServerConnection};
use tokio::net::TcpStream;

use super::Socket;
use super::tls::Tls;

/// Where a shard's new terms come from.
pub(crate) type Offer = Receiver<Arc<ServerConfig>>;

/// The way of new terms to each shard. One waits at most, the newest.
#[derive(Debug)]
pub(crate) struct Offers(Vec<(Sender<Arc<ServerConfig>>, Offer)>);

/// Of one shard.
pub(crate) struct Terms {
    offer: Option<Offer>,
    taken: RefCell<Option<Arc<ServerConfig>>>,
}

impl Offers {
    /// A way to each of `shards` shards.
    pub(crate) fn to(shards: u16) -> Self {
        Self((0..shards).map(|_| crossbeam_channel::bounded(1)).collect())
    }

    /// The end of each way, by shard.
    pub(crate) fn ends(&self) -> Vec<Offer> {
        self.0.iter().map(|(_, end)| end.clone()).collect()
    }

    /// Puts these in the place of those that wait.
    pub(crate) fn make(&self, terms: &Arc<ServerConfig>) {
        for (to, back) in &self.0 {
            // Only this end puts: one that finds no room finds it when the place was emptied, by whomever.
            while to.try_send(Arc::clone(terms)).is_err() {
                drop(back.try_recv());
            }
        }
    }
}

impl Terms {
    /// Without an offer all is plain.
    pub(crate) fn new(offer: Option<Offer>) -> Self {
        Self { offer, taken: RefCell::default() }
    }

    /// Whether connections are taken with TLS only.
    pub(crate) fn are_tls(&self) -> bool {
        self.offer.is_some()
    }

    /// What was accepted just now.
    ///
    /// # Errors
    /// When there can be no TLS; the connection is closed then.
    pub(crate) fn take(&self, stream: TcpStream) -> io::Result<Socket> {
        let Some(offer) = &self.offer else { return Ok(Socket::Plain(stream)) };
        if let Some(newer) = offer.try_iter().last() {
            self.taken.replace(Some(newer));
        }
        let terms = self.taken.borrow().clone();
        let terms = terms.ok_or(io::ErrorKind::NotConnected)?;
        // A handshake waits for its last words else.
        stream.set_nodelay(true)?;
        let connection = ServerConnection::new(terms).map_err(io::Error::other)?;
        Ok(Socket::Tls(Box::new(Tls::new(stream, connection))))
    }
}
