#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| openim_protocol_fuzz::wire::rest_bodies(data));
