//! Offline push: notices to the services of others that reach a terminal which has no link.
//!
//! In: a [`Notice`], for a service and, where it wants one, a device's token ([`Job`]). Out: a request to the service, as often as
//! its answers ask for and a bound allows, and what became of it. Everything of a service is here: what it wants to read, how
//! it is signed, what its answers mean. Time, chance, and whether the user is still away are handed in ([`World`]). Bounded: jobs
//! that wait, requests under way, requests a second, tries. Never: knows a log, a shard or a user.

#![forbid(unsafe_code)]

mod apns;
mod client;
mod fcm;
mod notice;
mod places;
mod rate;
mod sender;
mod signing;
mod tpns;
mod vendor;
mod webhook;

pub use apns::Apns;
pub use fcm::Fcm;
pub use notice::{Device, Notice, text};
pub use places::{Place, Places};
pub use sender::{Answering, Counts, Job, Offered, Options, Sender, World};
pub use signing::KeyError;
pub use tpns::{Tpns, TpnsSystem};
pub use vendor::{Service, Vendor};
pub use webhook::{Webhook, sign};
