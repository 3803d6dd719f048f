//! Tickets, by which a client that comes again needs no new handshake with the certificate's key.
//!
//! A ticket is the session itself, sealed with a key that nobody else has: a server keeps nothing of it, so there is
//! nothing to bound, and shards need nothing from each other. Keys are made anew by whoever watches the certificate; what
//! is here never changes, so no lock is needed. Rustls' own makes new keys behind one.

use std::sync::Arc;

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::error::Unspecified;
use ring::rand::{SecureRandom as _, SystemRandom};
use rustls::server::ProducesTickets;

use super::TICKETS_FOR;

const NAME_BYTES: usize = 16;
const NONCE_BYTES: usize = 12;
/// No session is larger: what is longer is none of our tickets.
const TICKET_BYTES_MAX: usize = 16 * 1024;

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Tickets {
    current: Arc<Key>,
    before: Option<Arc<Key>>,
}

struct Key {
    /// Tells keys apart; random, and public.
    name: [u8; NAME_BYTES],
    key: LessSafeKey,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

impl Tickets {
    pub(super) fn new() -> Result<Self, Unspecified> {
        Ok(Self { current: Arc::new(Key::new()?), before: None })
    }

    /// With a new key; tickets of the current one are known until the next.
    pub(super) fn next(&self) -> Result<Self, Unspecified> {
        Ok(Self { current: Arc::new(Key::new()?), before: Some(Arc::clone(&self.current)) })
    }
}

impl Key {
    fn new() -> Result<Self, Unspecified> {
        let (mut name, mut bytes) = ([0; NAME_BYTES], [0; 32]);
        let random = SystemRandom::new();
        random.fill(&mut name)?;
        random.fill(&mut bytes)?;
        let key = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &bytes)?);
        Ok(Self { name, key })
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        u32::try_from(TICKETS_FOR.as_secs()).unwrap_or(u32::MAX)
    }

    /// Name, nonce, and the session, sealed.
    fn encrypt(&self, session: &[u8]) -> Option<Vec<u8>> {
        let Key { name, key } = &*self.current;
        let mut nonce = [0; NONCE_BYTES];
        SystemRandom::new().fill(&mut nonce).ok()?;
        let mut ticket = Vec::with_capacity(NAME_BYTES + NONCE_BYTES + session.len() + 16);
        ticket.extend(name);
        ticket.extend(nonce);
        ticket.extend(session);
        let sealed = &mut ticket[NAME_BYTES + NONCE_BYTES..];
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = key.seal_in_place_separate_tag(nonce, Aad::from(name), sealed).ok()?;
        ticket.extend(tag.as_ref());
        (ticket.len() <= TICKET_BYTES_MAX).then_some(ticket)
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        if ticket.len() > TICKET_BYTES_MAX {
            return None;
        }
        let (name, rest) = ticket.split_first_chunk::<NAME_BYTES>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_BYTES>()?;
        let mut keys = std::iter::once(&self.current).chain(&self.before);
        let Key { key, .. } = &**keys.find(|key| key.name == *name)?;
        let mut sealed = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let length = key.open_in_place(nonce, Aad::from(name), &mut sealed).ok()?.len();
        sealed.truncate(length);
        Some(sealed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tickets_are_known_until_the_key_after_the_next() {
        let first = Tickets::new().unwrap();
        let ticket = first.encrypt(b"a session").unwrap();
        let second = first.next().unwrap();
        for tickets in [&first, &second] {
            assert_eq!(tickets.decrypt(&ticket).as_deref(), Some(&b"a session"[..]));
        }
        assert_eq!(second.next().unwrap().decrypt(&ticket), None);
    }

    #[test]
    fn what_is_none_of_ours_is_no_ticket() {
        let tickets = Tickets::new().unwrap();
        let ticket = tickets.encrypt(b"a session").unwrap();
        for at in 0..ticket.len() {
            let mut altered = ticket.clone();
            altered[at] ^= 1;
            assert_eq!(tickets.decrypt(&altered), None, "{at}");
            assert_eq!(tickets.decrypt(&ticket[..at]), None, "{at}");
        }
        assert_eq!(tickets.decrypt(&vec![0; TICKET_BYTES_MAX + 1]), None);
        assert_eq!(tickets.encrypt(&vec![0; TICKET_BYTES_MAX]), None);
    }
}
