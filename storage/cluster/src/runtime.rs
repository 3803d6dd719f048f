//! The runtime that the components' clients need, for whoever awaits their answers without one.
//!
//! In: calls, as futures that own what they need. Out: what they give, on any thread, with any executor. A call that was
//! begun runs to its end though nobody waits for it any more, so a connection is never left in the middle of an answer;
//! every call has an end of its own.

use std::future::Future;
use std::io;
use std::sync::Arc;

use tokio::task::JoinHandle;

/// The threads on which clients of components run; all of them share it. It ends with its last copy, and what is under
/// way then is cut off.
#[derive(Clone)]
pub struct Runtime(Arc<Threads>);

struct Threads(Option<tokio::runtime::Runtime>);

const KEPT: &str = "it is taken out when the last copy goes";

impl Runtime {
    /// Starts so many threads.
    ///
    /// # Errors
    /// What the system says when it gives no more threads or descriptors.
    pub fn start(threads: usize) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads.max(1))
            .thread_name("cluster")
            .enable_all()
            .build()?;
        Ok(Self(Arc::new(Threads(Some(runtime)))))
    }

    /// Runs what only sets something up that its threads are to turn.
    pub(crate) fn inside<T>(&self, set_up: impl FnOnce() -> T) -> T {
        let _entered = self.0.0.as_ref().expect(KEPT).enter();
        set_up()
    }

    /// For whoever keeps tasks of its own on these threads; without them it does nothing.
    #[must_use]
    pub fn handle(&self) -> tokio::runtime::Handle {
        self.0.0.as_ref().expect(KEPT).handle().clone()
    }

    /// Begins a call; its answer is awaited anywhere, or not at all.
    pub fn begin<T: Send + 'static>(
        &self,
        call: impl Future<Output = T> + Send + 'static,
    ) -> Begun<T> {
        let runtime = self.0.0.as_ref().expect(KEPT);
        Begun(runtime.spawn(call))
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // Whoever drops it may be a thread of another runtime, which must not wait.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// A call that runs.
#[must_use = "whoever asked is owed the answer"]
pub struct Begun<T>(JoinHandle<T>);

impl<T> Begun<T> {
    /// What it gives; `None` when the runtime has ended before.
    ///
    /// # Panics
    /// Where the call did.
    pub async fn answer(self) -> Option<T> {
        match self.0.await {
            Ok(answer) => Some(answer),
            Err(ended) if ended.is_panic() => std::panic::resume_unwind(ended.into_panic()),
            Err(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use openim_storage::port::wait;

    use super::*;

    #[test]
    fn a_call_is_awaited_without_a_runtime_and_goes_on_when_it_is_not() {
        let runtime = Runtime::start(1).expect("a runtime");
        let pause = || tokio::time::sleep(Duration::from_millis(1));
        let begun = runtime.begin(async move {
            pause().await;
            7
        });
        assert_eq!(wait(begun.answer()), Some(7));
        let (told, tell) = mpsc::channel();
        drop(runtime.begin(async move {
            pause().await;
            told.send(()).expect("somebody listens");
        }));
        tell.recv().expect("the call went on");
        // What does not end is cut off with the runtime.
        let begun = runtime.begin(std::future::pending::<()>());
        drop(runtime);
        assert_eq!(wait(begun.answer()), None);
    }
}
