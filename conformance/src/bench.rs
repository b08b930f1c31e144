//! bench
use crate::server::Env;
pub(crate) fn run(_env: &Env) -> Result<(), String> {
    Ok(())
}
