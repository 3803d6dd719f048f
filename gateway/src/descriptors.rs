//! The limit of open files: a link is one, and systems begin with 1,024.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files besides links: the log, the store, listeners, operators.
const FILES_BESIDES: u64 = 512;

/// Raises the limit as far as this process may, and gives the links that fit below it. Says so where
/// that is fewer than `links_max` (0: no limit).
pub fn raise(links_max: u64) -> u64 {
    let fit = raise_to_hard();
    if links_max == 0 || fit < links_max {
        tracing::info!(
            links = fit,
            "open files allow this many links; LimitNOFILE or ulimit -n gives more"
        );
    }
    fit
}

fn raise_to_hard() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let allowed = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(cause) => {
            tracing::warn!(%cause, "cannot raise the limit of open files");
            limit.current
        }
    };
    allowed.unwrap_or(u64::MAX).saturating_sub(FILES_BESIDES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn afterwards_the_limit_is_as_high_as_it_may_be() {
        let links = raise(0);
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
        assert_eq!(links, limit.current.unwrap_or(u64::MAX).saturating_sub(FILES_BESIDES));
    }
}
