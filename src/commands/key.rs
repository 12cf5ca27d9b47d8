//! `forebay key`: makes a key for a source, or hashes one.

use std::io::Read;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Failure;
use crate::auth::settings::{KEY_BYTES, Key};

/// Random bytes of a key: nobody guesses them.
const RANDOM_BYTES: usize = 24;

/// Prints a new key, and what the configuration keeps of it.
pub fn new() -> Result<(), Failure> {
    let mut random = [0; RANDOM_BYTES];
    aws_lc_rs::rand::fill(&mut random)
        .map_err(|_| Failure::internal("the system gives no random bytes"))?;
    let key = URL_SAFE_NO_PAD.encode(random);
    let hashed = Key::parse(&key).map_err(Failure::internal)?;
    println!("key, for whoever sends; it's shown this once:\n  {key}");
    println!(
        "for the configuration:\n  [sources.NAME]\n  keys = [\"{}\"]",
        hashed.written()
    );
    Ok(())
}

/// Prints what the configuration keeps of the key on standard input.
pub fn hash() -> Result<(), Failure> {
    let mut text = String::new();
    std::io::stdin()
        .take(KEY_BYTES as u64 + 2)
        .read_to_string(&mut text)
        .map_err(|error| {
            Failure::usage(format!("can't read a key from standard input: {error}"))
        })?;
    let key = Key::parse(text.trim_end_matches(['\r', '\n'])).map_err(Failure::usage)?;
    println!("{}", key.written());
    Ok(())
}
