#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ksmbd_fuzz::target::run("journal", data));
