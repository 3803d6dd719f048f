//! `/third`: credentials for object storage (spec, REST 1.11), which ask for no token; devices that are told while their
//! user is away, which no release of the original's time has.

use std::rc::Rc;

use openim_protocol::errcode::ErrCode;
use openim_protocol::rest::{
    decode_delete_push_token, decode_set_push_token, decode_tencent_cloud_storage_credential,
    tencent_cloud_storage_credential_answer,
};
use openim_storage::port::{Device, DeviceChange};

use super::answer::{self, Outcome, Refusal};
use super::bearer::{Open, Token};
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

/// `/third/set_push_token`: a device of the caller is told of messages while they are away.
pub(super) async fn set_push_token(core: &Rc<Core>, token: Token<'_>, body: &[u8]) -> Outcome {
    let asked = decode_set_push_token(body)?;
    let me = token.or(core, ErrCode::ParseToken).await?;
    let device = Device {
        platform: u8::try_from(asked.platform).unwrap_or(0),
        vendor: asked.vendor.into_owned(),
        token: asked.token.into_owned(),
    };
    change(core, DeviceChange::Name(me.uid, device)).await
}

/// `/third/delete_push_token`: it is not any more.
pub(super) async fn delete_push_token(core: &Rc<Core>, token: Token<'_>, body: &[u8]) -> Outcome {
    let asked = decode_delete_push_token(body)?;
    let me = token.or(core, ErrCode::ParseToken).await?;
    let (vendor, token) = (asked.vendor.into_owned(), asked.token.into_owned());
    change(core, DeviceChange::Forget(me.uid, Device { platform: 0, vendor, token })).await
}

async fn change(core: &Rc<Core>, change: DeviceChange) -> Outcome {
    // A cluster keeps none.
    if !core.settings.keeps_devices {
        return Err(ErrCode::Database.into());
    }
    core.change_in_time(change).await.map_err(|_| Refusal::from(ErrCode::Database))?;
    Ok(answer::plain(ErrCode::Ok))
}
