//! Bytes to values and back, one file a message; no state, no policy.
