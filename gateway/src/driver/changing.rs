//! What operators may change while a shard runs: its settings of that kind, and what is made from them.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use crate::metrics::ShardMetrics;
use crate::reload::Reloads;
use crate::settings::Live;
use crate::third::{Judge, Sts, Terms};

/// See the module.
pub(crate) struct Changing {
    live: RefCell<Rc<Live>>,
    /// Brings others in their place.
    reloads: Reloads,
    /// What clients upload with.
    sts: RefCell<Rc<Sts>>,
    /// Who is asked about messages.
    judge: RefCell<Rc<Judge>>,
    shards: u16,
}

impl Changing {
    pub(crate) fn new(
        live: Live,
        reloads: Reloads,
        clock: Arc<openim_workers::Clock>,
        metrics: Arc<ShardMetrics>,
        shards: u16,
    ) -> Self {
        let judge = Judge::new(terms(&live), Arc::clone(&clock), Arc::clone(&metrics), shards);
        let sts = Sts::new(live.tencent.clone(), clock, metrics);
        Self {
            live: RefCell::new(Rc::new(live)),
            reloads,
            sts: RefCell::new(Rc::new(sts)),
            judge: RefCell::new(Rc::new(judge)),
            shards,
        }
    }

    /// The settings as they are now.
    pub(crate) fn live(&self) -> Rc<Live> {
        Rc::clone(&self.live.borrow())
    }

    /// What clients upload with. Whoever holds it finishes with this account though another has come.
    pub(crate) fn sts(&self) -> Rc<Sts> {
        Rc::clone(&self.sts.borrow())
    }

    /// Who is asked about messages. Whoever holds it asks on these terms though others have come.
    pub(crate) fn judge(&self) -> Rc<Judge> {
        Rc::clone(&self.judge.borrow())
    }

    /// Whether the app's backend is asked about such a message.
    pub(crate) fn judges(&self, session_type: i32, content_type: i32) -> bool {
        self.judge.borrow().judges(session_type, content_type)
    }

    /// Takes the settings that have come last, if any have.
    pub(crate) fn take(&self) -> Option<Rc<Live>> {
        let live = Rc::new(self.reloads.try_iter().last()?);
        let sts = self.sts();
        if *sts.account() != live.tencent {
            self.sts.replace(Rc::new(sts.of(live.tencent.clone())));
        }
        let judge = self.judge();
        if *judge.terms() != terms(&live) {
            self.judge.replace(Rc::new(judge.on(terms(&live), self.shards)));
        }
        self.live.replace(Rc::clone(&live));
        Some(live)
    }
}

fn terms(live: &Live) -> Terms {
    Terms { callback: live.callback.clone(), secret: live.webhook_secret.clone() }
}
