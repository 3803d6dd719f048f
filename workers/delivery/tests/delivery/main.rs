//! Transfers and gateways over real sockets on loopback, one behaviour a file.

mod nobody_is_kept_waiting;
mod order;
mod sides;
