//! Typed settings of the server.
//!
//! Owns: every key, its default, its range, and how keys relate. In: a file, the environment.
//! Out: a checked [`Config`] with warnings, or a line for each thing that must change.
//! Never: starts anything, writes anything, or guesses at a key it does not know.
//!
//! The keys of the original server keep their names and places; ours stand beside them.
//! `config/config.yaml` is the commented default, and a test proves that it equals [`Config::default`].
//! Order: default, then file, then environment (`OPENIM_<PATH>`), then checks.
//!
//! What holds, and where each value comes from, is `Loaded::standing`; what that file says of a key is `doc`.
//!
//! A new key is one line in its section's file (`section.rs` shows how) and one in `config.yaml`.

#![forbid(unsafe_code)]

mod admin;
mod api;
mod archive;
mod cluster;
mod components;
mod config;
mod console;
mod credential;
mod doc;
mod duplicates;
mod embedded;
mod endpoint;
mod environment;
mod error;
mod gateway;
mod limits;
mod load;
mod locate;
mod log;
mod login;
mod longconnsvr;
mod managers;
mod messagecallback;
mod names;
mod nearest;
mod original;
mod policy;
mod push;
mod section;
mod setting;
mod standing;
mod tls;
mod url;
mod value;
mod web;
mod webhook;
mod why;
mod wire;
mod written;

pub use admin::Admin;
pub use api::Api;
pub use archive::Archive;
pub use cluster::Cluster;
pub use components::{ConsumerGroups, Etcd, Kafka, Mongo, Mysql, Redis, SaslMechanism, Topic};
pub use config::{Config, Engine, ServerIp};
pub use console::Console;
pub use credential::{Credential, Tencent};
pub use doc::{Doc, NoSuchKey, SettingDoc, doc};
pub use duplicates::Duplicates;
pub use embedded::{Durability, Embedded};
pub use endpoint::{Endpoint, NotAnEndpoint};
pub use environment::{environment, variables};
pub use error::{ConfigError, Faults, Place};
pub use gateway::Gateway;
pub use limits::Limits;
pub use load::{Loaded, load, parse};
pub use log::{Log, LogFormat, LogLevel};
pub use login::{MultiLoginPolicy, TokenPolicy};
pub use longconnsvr::LongConnSvr;
pub use managers::Manager;
pub use messagecallback::{CallbackBefore, CallbackC2c, Fallback, MessageCallback};
pub use original::is_original;
pub use policy::{ClientTips, Policy, TokenPlatform};
pub use push::{Apns, Fcm, Push, PushWebhook, Tpns, TpnsApp, TpnsEnvironment};
pub use standing::Standing;
pub use tls::{Acme, OperatorsTls, Tls};
pub use url::HttpUrl;
pub use value::{Network, NotANetwork, Secret};
pub use web::{Served, Web, WebsocketUrl};
pub use webhook::{EventKind, Webhook};
pub use why::Why;
pub use wire::{TimeUnit, Wire, WireProfile};
