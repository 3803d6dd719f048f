//! Open files as a budget: a link is one, and systems begin with 1,024.
//!
//! The log, the index, the operators' port and the process itself keep theirs; the rest is for clients'
//! sockets, and most of that for links.

use anyhow::bail;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{admin, doors};

/// Descriptors of the process itself: standard streams, files of the log, signals, reading `/proc`.
const PROCESS: u64 = 64;
/// Of one shard besides its listeners: poller, doorbell, lookups, a connection to the object store's
/// service, and one socket that was just accepted.
const SHARD: u64 = 10;
/// One socket in so many is kept for REST and handshakes, so that links alone never fill the server.
const OTHERS: usize = 16;
/// Fewer sockets than this are no server.
const SOCKETS_MIN: u64 = 64;

/// Fewer links than this are few enough to be told of.
const LINKS_FEW: usize = 10_000;

/// What clients may have of the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    /// Sockets of clients, all together.
    pub sockets: usize,
    /// Links among them.
    pub links: usize,
}

/// Raises the limit of open files as far as this process may, and gives it.
pub fn raise() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let allowed = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(cause) => {
            tracing::warn!(%cause, "cannot raise the limit of open files");
            limit.current
        }
    };
    allowed.unwrap_or(u64::MAX)
}

/// Shares out `limit` open files between an engine that holds `engine` of them, `shards` with `listeners`
/// each, and clients. `links_max` is what is configured; 0: no limit.
///
/// # Errors
/// When hardly any would be left for clients.
pub fn share(
    limit: u64,
    engine: u64,
    shards: u16,
    listeners: usize,
    links_max: usize,
) -> anyhow::Result<Shares> {
    let shard = SHARD + doors::REFUSALS_MAX as u64 + listeners as u64;
    let reserved = engine + admin::FILES_MAX + PROCESS + u64::from(shards) * shard;
    if limit < reserved + SOCKETS_MIN {
        bail!(
            "the limit of open files is {limit}, and {} are needed at least: raise it with LimitNOFILE or \
             ulimit -n, or set gateway.shards lower",
            reserved + SOCKETS_MIN
        );
    }
    let sockets = usize::try_from(limit - reserved).unwrap_or(usize::MAX);
    let fit = sockets - sockets / OTHERS;
    let links = if links_max == 0 { fit } else { fit.min(links_max) };
    let default = openim_config::Config::default().longconnsvr.websocket_max_conn_num;
    let asked_for = links_max != 0 && links_max != default;
    // A limit that nobody asked for, and that hardly anybody reaches, is no news.
    if fit < links_max && asked_for {
        tracing::warn!(
            links,
            "longconnsvr.websocketMaxConnNum is {links_max}, but open files allow fewer links: raise \
             LimitNOFILE or ulimit -n, or set it lower"
        );
    } else if links < LINKS_FEW {
        tracing::info!(
            links,
            "open files allow this many links; LimitNOFILE or ulimit -n gives more"
        );
    }
    Ok(Shares { sockets, links })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn afterwards_the_limit_is_as_high_as_it_may_be() {
        let raised = raise();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
        assert_eq!(raised, limit.current.unwrap_or(u64::MAX));
    }

    #[test]
    fn everybody_has_a_share() {
        let least = share(0, 300, 2, 2, 0).unwrap_err().to_string();
        assert!(least.contains("LimitNOFILE"), "{least}");
        let shares = share(4096, 300, 2, 2, 0).unwrap();
        assert!((3000..4096 - 300).contains(&shares.sockets), "{shares:?}");
        assert!(shares.links < shares.sockets && shares.links > shares.sockets * 9 / 10);
        assert_eq!(share(4096, 300, 2, 2, 100).unwrap().links, 100);
        assert_eq!(share(4096, 300, 2, 2, 1_000_000).unwrap(), shares);
        assert!(share(u64::MAX, 300, 256, 8, 0).is_ok());
    }
}
