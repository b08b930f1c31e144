//! Clients that log on and then do what the bytes say.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ksmbd_fuzz::target::session(data));
