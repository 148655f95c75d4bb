//! The notice as it is.

use super::{JSON, Message, body};
use crate::notice::Notice;

pub fn render(notice: &Notice) -> Message {
    Message {
        method: "POST",
        path: "",
        content_type: JSON,
        body: body(notice),
    }
}
