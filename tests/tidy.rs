//! The written rules about the source, run as tests: who may import whom, circles, sizes, docs, words, and which list each
//! test is in.

mod circles;
mod fields;
mod imports;
mod lists;
mod paths;
mod sizes;
mod source;
mod words;
