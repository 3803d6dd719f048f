//! A gateway that only writes down what it is told.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use openim_cluster::Runtime;
use openim_cluster::etcd::Member;
use openim_delivery::{Fronts, LaneOptions, Lanes, ServeOptions, Told, serve};
use openim_record::{Process, Seq, Settled};
use openim_storage::port::wait;
use tokio::net::TcpListener;

/// See the module.
pub(crate) struct Gateway {
    member: Member,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen(Mutex<Vec<(Process, Told)>>);

#[async_trait]
impl Fronts for Seen {
    async fn tell(&self, front: Process, told: Told) -> Vec<u8> {
        let reached = match &told {
            Told::Deliver(all) => vec![1 << 1; all.len()],
            Told::Settle(_) => Vec::new(),
        };
        self.0.lock().expect("nobody panics").push((front, told));
        reached
    }
}

impl Gateway {
    /// The process of this number.
    pub(crate) fn start(runtime: &Runtime, number: u8) -> Self {
        let seen = Arc::<Seen>::default();
        let fronts = seen.clone();
        let bound = runtime.begin(async { TcpListener::bind("127.0.0.1:0").await });
        let listener = wait(bound.answer()).expect("it runs").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        drop(runtime.begin(async move {
            let forever = std::future::pending();
            drop(serve(listener, fronts, ServeOptions::default(), forever).await);
        }));
        Self { member: super::member(number, address), seen }
    }

    pub(crate) fn member(&self) -> Member {
        self.member.clone()
    }

    pub(crate) fn front(&self, shard: u16) -> Process {
        self.member.each_front().nth(shard.into()).expect("it has so many")
    }

    /// A transfer's ways to it.
    pub(crate) fn lanes(runtime: &Runtime) -> Lanes {
        Lanes::new(runtime.handle(), LaneOptions::default())
    }

    /// What a front was given for a user, by number.
    pub(crate) fn given(&self, front: Process, uid: &str) -> Vec<Seq> {
        let of = |told: &(Process, Told)| match told {
            (to, Told::Deliver(all)) if *to == front => {
                let own = all.iter().filter(|delivery| delivery.uid.as_str() == uid);
                own.map(|delivery| delivery.seq).collect()
            }
            _ => Vec::new(),
        };
        self.seen.0.lock().expect("nobody panics").iter().flat_map(of).collect()
    }

    /// What a front was told is settled.
    pub(crate) fn settled(&self, front: Process) -> Vec<Settled> {
        let of = |told: &(Process, Told)| match told {
            (to, Told::Settle(all)) if *to == front => all.clone(),
            _ => Vec::new(),
        };
        self.seen.0.lock().expect("nobody panics").iter().flat_map(of).collect()
    }
}
