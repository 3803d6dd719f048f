//! The one place of this crate with unsafe code.
#![allow(unsafe_code, reason = "what the runtime cannot check by type is argued here")]

use std::io;
use std::sync::Arc;

use openim_bus::Doorbell;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Lets the runtime wake for a shard's bell.
///
/// # Errors
/// When the system's poller refuses the descriptor.
pub(crate) fn listen_for(bell: Arc<Doorbell>) -> io::Result<AsyncFd<Arc<Doorbell>>> {
    // SAFETY: the descriptor must stay the same and open for as long as it is registered. The bell
    // owns it, never replaces it, and the registration holds a reference to the bell.
    let registered = unsafe { AsyncFd::register_with_interest(bell, Interest::READABLE) };
    Ok(registered?)
}

/// Makes the system drop a signal, whose number must be one of `libc`'s, instead of ending the process.
pub(crate) fn ignore_signal(number: i32) {
    // SAFETY: `SIG_IGN` installs no code that could run at a wrong moment, and a number that the system
    // does not know only gives an error.
    unsafe { libc::signal(number, libc::SIG_IGN) };
}

/// Ends the process at once, whatever other threads do: nothing of theirs runs any more.
pub(crate) fn end(code: i32) -> ! {
    // SAFETY: it does not return, and runs no code of this process.
    unsafe { libc::_exit(code) }
}

/// Whether the kernel knows of somebody who keeps its clock right.
///
/// # Errors
/// It does not tell, as in some containers.
pub(crate) fn is_clock_kept() -> io::Result<bool> {
    // SAFETY: the structure consists of numbers alone, for which all zeros are values.
    let mut asked: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the structure lives for the whole call, and its `modes` are 0, so nothing is set.
    let state = unsafe { libc::adjtimex(&mut asked) };
    if state < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(state != libc::TIME_ERROR && asked.status & libc::STA_UNSYNC == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ignored_signal_ends_nothing() {
        ignore_signal(libc::SIGUSR2);
        let me = rustix::process::getpid();
        rustix::process::kill_process(me, rustix::process::Signal::USR2).unwrap();
    }

    #[test]
    fn the_kernel_is_asked_for_its_clock() {
        // Where it does not tell, that is told; nothing else can be known of the machine of a test.
        drop(is_clock_kept());
    }

    #[test]
    fn a_ring_wakes_the_runtime() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        let bell = Arc::new(Doorbell::new().unwrap());
        runtime.block_on(async {
            let listening = listen_for(Arc::clone(&bell)).unwrap();
            bell.going_to_sleep();
            bell.ring();
            listening.readable().await.unwrap().clear_ready();
        });
    }
}
