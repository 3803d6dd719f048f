//! What operators may change while a shard runs: its settings of that kind, and what is made from them.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use crate::metrics::ShardMetrics;
use crate::reload::Reloads;
use crate::settings::Live;
use crate::third::Sts;

/// See the module.
pub(crate) struct Changing {
    live: RefCell<Rc<Live>>,
    /// Brings others in their place.
    reloads: Reloads,
    /// What clients upload with.
    sts: RefCell<Rc<Sts>>,
}

impl Changing {
    pub(crate) fn new(
        live: Live,
        reloads: Reloads,
        clock: Arc<openim_workers::Clock>,
        metrics: Arc<ShardMetrics>,
    ) -> Self {
        let sts = Sts::new(live.tencent.clone(), clock, metrics);
        Self { live: RefCell::new(Rc::new(live)), reloads, sts: RefCell::new(Rc::new(sts)) }
    }

    /// The settings as they are now.
    pub(crate) fn live(&self) -> Rc<Live> {
        Rc::clone(&self.live.borrow())
    }

    /// What clients upload with. Whoever holds it finishes with this account though another has come.
    pub(crate) fn sts(&self) -> Rc<Sts> {
        Rc::clone(&self.sts.borrow())
    }

    /// Takes the settings that have come last, if any have.
    pub(crate) fn take(&self) -> Option<Rc<Live>> {
        let live = Rc::new(self.reloads.try_iter().last()?);
        let sts = self.sts();
        if *sts.account() != live.tencent {
            self.sts.replace(Rc::new(sts.of(live.tencent.clone())));
        }
        self.live.replace(Rc::clone(&live));
        Some(live)
    }
}
