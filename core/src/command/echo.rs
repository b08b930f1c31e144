//! ECHO.

use super::Step;
use crate::{
    flow::{Flow, Handled},
    wire::message::ResponseBody,
};

/// MS-SMB2 3.3.5.17.
pub(super) fn begin() -> Handled<Step> {
    Flow::answer(ResponseBody::Echo)
}
