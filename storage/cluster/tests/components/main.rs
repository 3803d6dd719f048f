//! The cluster engine's modules on the real components; one program, for each links all their clients.
//! `scripts/components up`, then `eval "$(scripts/components env)"`, and the tests find them.

mod etcd;
mod kafka;
mod mongo;
mod mysql;
mod redis;
mod support;
