//! What a front is told.

use openim_record::Settled;
use openim_transfer::Delivery;

/// One thing that an owner tells a front.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// Messages for links of its users, in this order.
    Deliver(Vec<Delivery>),
    /// These sends of its users are in their inboxes.
    Settle(Vec<Settled>),
}

impl Told {
    pub(crate) const fn len(&self) -> usize {
        match self {
            Self::Deliver(deliveries) => deliveries.len(),
            Self::Settle(settled) => settled.len(),
        }
    }

    /// Bytes of its answer: one a delivery.
    pub(crate) const fn answer_len(&self) -> usize {
        match self {
            Self::Deliver(deliveries) => deliveries.len(),
            Self::Settle(_) => 0,
        }
    }
}
