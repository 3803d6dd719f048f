//! Conformance of the frame codec: our own table of cases, each fed whole, in two parts cut at every
//! place, and byte by byte; then seeded streams, and the writers read back.

mod cases;
mod drive;
mod streams;
mod writing;
