//! The events of a recording into the core: bytes of clients and what calls came to, in any order.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ksmbd_fuzz::target::recording(data));
