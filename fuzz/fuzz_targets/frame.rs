//! Any bytes into a connection: framing, headers, NEGOTIATE, tokens.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ksmbd_fuzz::target::frame(data));
