//! `/third/tencent_cloud_storage_credential` (spec, REST 1.11). Asks for no token.

use std::rc::Rc;

use openim_protocol::rest::{
    decode_tencent_cloud_storage_credential, tencent_cloud_storage_credential_answer,
};

use super::answer::{self, Outcome};
use super::bearer::Open;
use crate::driver::Core;
use crate::third;

pub(super) async fn tencent_credential(core: &Rc<Core>, _: Open<'_>, body: &[u8]) -> Outcome {
    decode_tencent_cloud_storage_credential(body)?;
    let sts = core.changing.sts();
    let outcome = third::credential(&sts).await;
    let account = sts.account();
    let mut out = Vec::new();
    match &*outcome {
        Ok(credential) => tencent_cloud_storage_credential_answer(
            &mut out,
            Ok(&credential.wire()),
            &account.region,
            &account.bucket,
        ),
        Err(error) => {
            let told = error.for_clients();
            tencent_cloud_storage_credential_answer(&mut out, Err(&told), "", "");
        }
    }
    // A failure has the number of a bad request, but not its status.
    Ok(answer::json(200, out))
}
