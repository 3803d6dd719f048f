//! On which terms a shard takes connections: plain, or with which certificate.
//!
//! In: offers, the newest of which counts, from whoever watches the files. A shard looks when somebody comes.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;

use rustls::{ServerConfig, ServerConnection};
use tokio::net::TcpStream;

use super::Socket;
use super::tls::Tls;
use crate::newest::Newer;

/// Where a shard's new terms come from.
pub(crate) type Offer = Newer<Arc<ServerConfig>>;

/// Of one shard.
pub(crate) struct Terms {
    offer: Option<Offer>,
    taken: RefCell<Option<Arc<ServerConfig>>>,
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
        // Answers wait for their last words else. A client that has gone already may have asked for something all the same.
        drop(stream.set_nodelay(true));
        let Some(offer) = &self.offer else { return Ok(Socket::Plain(stream)) };
        if let Some(newer) = offer.try_iter().last() {
            self.taken.replace(Some(newer));
        }
        let terms = self.taken.borrow().clone();
        let terms = terms.ok_or(io::ErrorKind::NotConnected)?;
        let connection = ServerConnection::new(terms).map_err(io::Error::other)?;
        Ok(Socket::Tls(Box::new(Tls::new(stream, connection))))
    }
}
