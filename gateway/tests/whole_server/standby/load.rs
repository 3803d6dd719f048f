//! People who write while servers come and go, and what each inbox has to hold then.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;

use crate::support::link::{Arrival, Link, PUSH, message};
use crate::support::platform::IOS;
use crate::support::rest::User;
use crate::support::server::Server;

const PAIRS: usize = 3;

/// By sender: client ids of sends that were acknowledged.
pub(super) type Acked = BTreeMap<String, BTreeSet<String>>;

/// Pairs of users, the first of each of which writes to the second.
pub(super) struct People {
    users: Vec<(User, User)>,
}

/// They write, until they are told to stop or cannot.
pub(super) struct Writing {
    threads: Vec<JoinHandle<()>>,
    acked: Arc<Mutex<Acked>>,
    stop: Arc<AtomicBool>,
}

impl People {
    pub(super) fn register(server: &Server) -> Self {
        let pair =
            |n| (server.register(&format!("w{n}"), IOS), server.register(&format!("r{n}"), IOS));
        Self { users: (0..PAIRS).map(pair).collect() }
    }

    /// Each writes one message after the other to where the server is; their ids begin with `life`.
    pub(super) fn write(&self, to: SocketAddr, life: &str) -> Writing {
        let (acked, stop) = (Arc::new(Mutex::new(Acked::new())), Arc::new(AtomicBool::new(false)));
        let threads = self.users.iter().map(|(writer, reader)| {
            let (acked, stop) = (Arc::clone(&acked), Arc::clone(&stop));
            let (writer, reader, life) = (writer.clone(), reader.uid.clone(), life.to_owned());
            thread::spawn(move || write((to, &writer, &reader), &life, &acked, &stop))
        });
        Writing { threads: threads.collect(), acked, stop }
    }

    /// Both inboxes of each pair: dense, nothing twice, and the same ids in each; the ids by writer.
    pub(super) fn check(&self, server: &Server) -> Acked {
        let mut held = Acked::new();
        for (writer, reader) in &self.users {
            let own = ids(&server.connect(writer).inbox());
            assert_eq!(
                own,
                ids(&server.connect(reader).inbox()),
                "{}: both have the same",
                writer.uid
            );
            held.insert(writer.uid.clone(), own);
        }
        held
    }

    /// One more message each; a client goes on with the token that it has.
    pub(super) fn say(&self, server: &Server, id: &str) {
        for (writer, reader) in &self.users {
            server.connect(writer).say(&reader.uid, id, "it goes on");
        }
    }
}

impl Writing {
    /// What was acknowledged so far.
    pub(super) fn acked(&self) -> Acked {
        self.acked.lock().expect("no writer panics").clone()
    }

    /// Waits until each has so many acknowledged.
    pub(super) fn until(&self, each: usize) {
        let enough =
            |acked: &Acked| acked.len() == PAIRS && acked.values().all(|ids| ids.len() >= each);
        while !enough(&self.acked()) {
            thread::sleep(std::time::Duration::from_millis(10));
        }
    }

    /// What was acknowledged at all.
    pub(super) fn end(self) -> Acked {
        self.stop.store(true, Ordering::SeqCst);
        for thread in self.threads {
            thread.join().expect("no writer panics");
        }
        Arc::try_unwrap(self.acked)
            .expect("nobody writes")
            .into_inner()
            .expect("no writer panicked")
    }
}

fn write(
    (to, writer, reader): (SocketAddr, &User, &str),
    life: &str,
    acked: &Mutex<Acked>,
    stop: &AtomicBool,
) {
    let Ok(mut link) = Link::open(to, writer) else { return };
    let mut n = 0;
    while !stop.load(Ordering::SeqCst) {
        let id = format!("{life}.{n}");
        n += 1;
        let Some(taken) = say(&mut link, &message(reader, &id, "under load")) else { return };
        if taken {
            let mut acked = acked.lock().expect("no writer panics");
            acked.entry(writer.uid.clone()).or_default().insert(id);
        }
    }
}

/// Whether a message was taken; `None` when the link has ended.
fn say(link: &mut Link, message: &Value) -> Option<bool> {
    let envelope = link.envelope(1003, message);
    link.try_send(Message::text(envelope.to_string())).ok()?;
    loop {
        match link.arrival() {
            Arrival::Json(frame) if frame["reqIdentifier"] == PUSH => {}
            Arrival::Json(frame) => return Some(frame["errCode"] == 0),
            _ => return None,
        }
    }
}

fn ids(inbox: &[Value]) -> BTreeSet<String> {
    let seqs: Vec<i64> =
        inbox.iter().map(|message| message["seq"].as_i64().expect("a seq")).collect();
    assert_eq!(seqs, (1..=inbox.len() as i64).collect::<Vec<_>>(), "dense");
    let ids: BTreeSet<String> = inbox
        .iter()
        .map(|message| message["clientMsgID"].as_str().expect("an id").to_owned())
        .collect();
    assert_eq!(ids.len(), inbox.len(), "nothing is there twice");
    ids
}
