//! The gateways that are alive, each with its fronts, and the lanes to them.

use openim_cluster::etcd::{Member, Members};
use openim_record::Process;
use tokio::sync::watch;

use openim_delivery::Lanes;

pub(crate) struct Gateways {
    pub(crate) lanes: Lanes,
    members: watch::Receiver<Members>,
    /// Processes that have no links, and produce sends.
    others: Vec<watch::Receiver<Members>>,
    fronts: Vec<Process>,
    known: bool,
}

impl Gateways {
    pub(crate) const fn new(
        lanes: Lanes,
        members: watch::Receiver<Members>,
        others: Vec<watch::Receiver<Members>>,
    ) -> Self {
        Self { lanes, members, others, fronts: Vec::new(), known: false }
    }

    /// Whether the first list has come; whoever told it is perhaps gone, then the last one stands.
    pub(crate) fn are_known(&mut self) -> bool {
        self.known |=
            self.members.has_changed().unwrap_or(true) || !self.members.borrow().is_empty();
        if self.known && self.fronts.is_empty() {
            self.take();
        }
        self.known
    }

    /// Takes the newest list.
    pub(crate) fn follow(&mut self) {
        let changed = |members: &watch::Receiver<Members>| members.has_changed().unwrap_or(false);
        if changed(&self.members) || self.others.iter().any(changed) {
            self.take();
        }
    }

    fn take(&mut self) {
        let gateways = self.members.borrow_and_update().clone();
        let others: Vec<Members> =
            self.others.iter_mut().map(|members| members.borrow_and_update().clone()).collect();
        self.fronts = gateways.iter().flat_map(Member::each_front).collect();
        let all = gateways.iter().chain(others.iter().flat_map(|members| members.iter()));
        let all: Vec<(Process, String)> =
            all.map(|member| (member.process, member.address.clone())).collect();
        self.lanes.gateways(&all);
    }

    /// All fronts of gateways that are alive.
    pub(crate) fn fronts(&self) -> &[Process] {
        &self.fronts
    }
}

#[cfg(test)]
mod tests {
    use openim_delivery::LaneOptions;

    use super::*;

    fn member(number: u8, fronts: u16) -> Member {
        let mut process = [number; 16];
        process[14..].fill(0);
        Member { process: Process(process), address: format!("127.0.0.1:{number}"), fronts }
    }

    #[test]
    fn gateways_are_known_by_their_first_list_though_it_is_empty() {
        let (told, members) = watch::channel(Members::default());
        let runtime = openim_cluster::Runtime::start(1).expect("a runtime");
        let lanes = Lanes::new(runtime.handle(), LaneOptions::default());
        let mut gateways = Gateways::new(lanes, members, Vec::new());
        assert!(!gateways.are_known());
        told.send_replace(Members::default());
        assert!(gateways.are_known() && gateways.fronts().is_empty());
        told.send_replace([member(1, 2), member(2, 1)].into());
        gateways.follow();
        let ends: Vec<[u8; 3]> =
            gateways.fronts().iter().map(|front| [front.0[0], front.0[14], front.0[15]]).collect();
        assert_eq!(ends, [[1, 0, 0], [1, 1, 0], [2, 0, 0]]);
        drop(told);
        gateways.follow();
        assert_eq!(gateways.fronts().len(), 3, "the last list stands");
    }
}
