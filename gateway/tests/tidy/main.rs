//! Guards: what the house style promises, read from the sources themselves.
//!
//! In: the files of the repository. Out: a failed test with the file and what to do. One file a concern:
//! - [`files`]: module docs, lengths, names.
//! - [`layers`]: which crate may use which, and what pure crates may not touch.
//! - [`modules`]: which module of the server may use which.
//! - [`locks`]: none on the path of a message.
//! - [`aids`]: what tests need is no part of the product.
//! - [`documents`]: paths, settings and metrics that documents name exist.
//! - [`frames`]: the frames that docs/protocol.md shows are those of the golden files.
//! - [`translations`]: the Chinese documents have the headings and the code of the English ones.

mod aids;
mod documents;
mod files;
mod frames;
mod layers;
mod locks;
mod modules;
mod translations;
mod tree;
