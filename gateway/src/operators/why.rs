//! What the console says of a message: what became of it with a user, as one answer in plain words.
//!
//! In: a user, and a message by any of its names. Out: what `/manager/why` answers. Never: the content of a message.

use std::rc::Rc;

use hyper::StatusCode;
use serde_json::Value;

use super::asking::Asking;
use super::serve::Refusal;
use crate::copying::read_why;
use crate::driver::Core;
use crate::ops::why::why;
use crate::query::Query;

/// The reason, and the message if it was found.
pub(super) async fn tell(asking: &Asking, asked: &Query) -> Result<Value, Refusal> {
    let bad = |text| Refusal::new(StatusCode::BAD_REQUEST, "body", text);
    let ask = read_why(asked).map_err(bad)?;
    let home = ask.uid.as_str().to_owned();
    let question = async move |core: Rc<Core>| {
        if core.links.is_none() {
            let text = "no journal of links is kept here (why.journalBytesMax)";
            return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "journal", text));
        }
        why(&core, ask).await.map_err(Refusal::from)
    };
    let told = asking.at_home(&home, question).await??;
    let mut text = Vec::new();
    told.write(&mut text);
    let failed = |cause: serde_json::Error| {
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", cause.to_string())
    };
    let mut whole: Value = serde_json::from_slice(&text).map_err(failed)?;
    Ok(whole["data"].take())
}
