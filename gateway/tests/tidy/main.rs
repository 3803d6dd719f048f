//! Guards: what the house style promises, read from the sources themselves.
//!
//! In: the files of the repository. Out: a failed test with the file and what to do. One file a concern:
//! - [`files`]: module docs, lengths, names.
//! - [`layers`]: which crate may use which, and what pure crates may not touch.
//! - [`locks`]: none on the path of a message.
//! - [`documents`]: paths, settings and metrics that documents name exist.

mod documents;
mod files;
mod layers;
mod locks;
mod tree;
