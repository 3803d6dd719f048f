//! `longconnsvr`: websocket, under the original's name.

use crate::section::section;
use crate::setting::{list, number};

/// The smallest bound of a frame: what the published clients need. The original's key held the size
/// of a buffer, so smaller values in its files do not mean a bound.
pub(crate) const FRAME_BYTES_FLOOR: usize = 65_536;

section! {
    /// Websocket.
    pub struct LongConnSvr {
        /// Ports, one listener each; 0 takes a free one.
        pub websocket_port: Vec<u16> = vec![7777], "websocketPort" => list(1, "ports from 0 to 65535");
        /// Links at once; more are refused with 503. 0: no limit.
        pub websocket_max_conn_num: usize = 1_000_000, "websocketMaxConnNum" => number(0..=100_000_000);
        /// Bytes in one frame or reassembled message; more closes the link with 1009. At least 65536.
        pub websocket_max_msg_len: usize = FRAME_BYTES_FLOOR, "websocketMaxMsgLen" => number(1..=64 << 20);
        /// Seconds a handshake may take.
        pub websocket_time_out: u64 = 10, "websocketTimeOut" => number(1..=3_600);
    }
}
