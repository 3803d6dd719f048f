//! A transfer on the real components; one program, for it links all their clients.
//! `scripts/components up`, then `eval "$(scripts/components env)"`, and the tests find them.

mod adopting;
mod archive;
mod gateways;
mod killed;
mod presence;
mod sends;
mod stores;
mod support;
