//! x
use crate::expect::Test;
use crate::server::Env;
use crate::smbtorture::Measured;
pub(crate) fn run_all(
    _env: &Env,
    _tests: &[Test],
    _results: &mut Vec<Measured>,
    _troubles: &mut Vec<(String, Vec<String>)>,
) {
}
