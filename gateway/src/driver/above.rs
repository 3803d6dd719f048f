//! What the layers above do with what comes to a shard. The composition root hands it in, so that nothing
//! here has to know them.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::Core;
use super::homes::Homes;
use crate::bus::{Handoff, Inquiry};

/// A future of this thread.
pub(crate) type Local<T> = Pin<Box<dyn Future<Output = T>>>;

/// A task that runs beside a shard, on its thread, from its start to its end. Called there before the first socket is
/// accepted.
pub(crate) type Beside = Box<dyn FnOnce(Rc<Core>) -> Local<()> + Send>;

/// See the module.
#[derive(Clone, Copy)]
pub(crate) struct Above {
    /// Who answers questions about users and groups.
    pub(crate) homes: &'static dyn Homes,
    /// Lets a socket in whose user is at home here.
    pub(crate) admit: fn(Rc<Core>, Box<Handoff>) -> Local<()>,
    /// Accepts links until it is dropped.
    pub(crate) accept_websockets: fn(Rc<Core>, TcpListener) -> Local<()>,
    /// Accepts connections of REST until it is dropped.
    pub(crate) accept_rest: fn(Rc<Core>, TcpListener) -> Local<()>,
    /// Answers what operators ask until it is dropped.
    pub(crate) inquire: fn(Rc<Core>, mpsc::Receiver<Inquiry>) -> Local<()>,
}
