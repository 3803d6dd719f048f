//! The body of a request, read within its bounds: its own size, what all bodies of the shard may take,
//! its time.
//!
//! A body must make progress: it has `limits.bodySeconds`, and a second more for each [`RATE_MIN`] bytes
//! that came. Its bytes count until the request is answered.

use std::rc::Rc;
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use openim_protocol::errcode::ErrCode;
use tokio::time::{Instant, timeout_at};

use super::answer::{self, Response};
use crate::driver::Core;

/// Bytes a second that a body comes with at least, once its first seconds are over.
const RATE_MIN: u64 = 1024;

/// Why a body was not read.
pub(super) enum BodyFault {
    /// Over `limits.requestBodyBytesMax`.
    Large,
    /// All bodies together are over `limits.requestBodiesBytesMax`.
    Many,
    /// It did not arrive in its time, or broke off.
    Slow,
}

impl BodyFault {
    pub(super) fn answer(&self) -> Response {
        match self {
            Self::Large => answer::too_large(),
            Self::Many => answer::plain(ErrCode::Unavailable),
            Self::Slow => answer::too_slow(),
        }
    }
}

/// A body, whole or still arriving. Parts are copied into one buffer: kept as they come, a body of tiny
/// chunks would cost many times its size.
pub(super) struct Body {
    core: Rc<Core>,
    pub(super) bytes: Vec<u8>,
    counted: usize,
}

impl Body {
    /// Reads a body to its end.
    pub(super) async fn read(core: &Rc<Core>, mut incoming: Incoming) -> Result<Self, BodyFault> {
        if incoming.size_hint().lower() > core.settings.body_bytes_max as u64 {
            return Err(BodyFault::Large);
        }
        let begun = Instant::now();
        let mut body = Self { core: Rc::clone(core), bytes: Vec::new(), counted: 0 };
        loop {
            let earned = Duration::from_millis(body.bytes.len() as u64 * 1000 / RATE_MIN);
            let until = begun + core.settings.body_time + earned;
            // A body that breaks off has nobody left to answer.
            let next = timeout_at(until, incoming.frame()).await.map_err(|_| BodyFault::Slow)?;
            let Some(frame) = next else { return Ok(body) };
            if let Some(part) = frame.map_err(|_| BodyFault::Slow)?.data_ref() {
                body.append(part)?;
            }
        }
    }

    fn append(&mut self, part: &[u8]) -> Result<(), BodyFault> {
        let settings = &self.core.settings;
        if self.bytes.len() + part.len() > settings.body_bytes_max {
            return Err(BodyFault::Large);
        }
        if !self.core.rest.take_body(part.len(), settings.bodies_bytes_max) {
            return Err(BodyFault::Many);
        }
        self.counted += part.len();
        self.bytes.extend_from_slice(part);
        Ok(())
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.core.rest.give_body(self.counted);
    }
}
