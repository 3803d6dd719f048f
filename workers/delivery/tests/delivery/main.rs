//! Transfers and gateways over real sockets on loopback, one behaviour a file.

mod frozen;
mod nobody_is_kept_waiting;
mod order;
mod secrets;
mod sides;
mod stalled;
mod two_transfers;
