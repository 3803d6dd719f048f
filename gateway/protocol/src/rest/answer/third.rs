//! Credentials of the object store.

use crate::errcode::ErrCode;
use crate::json::Object;

/// A temporary credential. What is empty or 0 is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StorageCredential<'a> {
    /// Name of the temporary key.
    pub tmp_secret_id: &'a str,
    /// The temporary key.
    pub tmp_secret_key: &'a str,
    /// To be sent with the two.
    pub token: &'a str,
    /// When it ends, unix seconds.
    pub expired_time: i64,
    /// The same as a text.
    pub expiration: &'a str,
    /// When it begins, unix seconds.
    pub start_time: i64,
    /// The store's id of the request.
    pub request_id: &'a str,
}

impl StorageCredential<'_> {
    fn append(&self, out: &mut Vec<u8>) {
        Object::begin(out)
            .with("Credentials", |out| {
                Object::begin(out)
                    .filled_text("TmpSecretId", self.tmp_secret_id)
                    .filled_text("TmpSecretKey", self.tmp_secret_key)
                    .filled_text("Token", self.token)
                    .end();
            })
            .filled_integer("ExpiredTime", self.expired_time)
            .filled_text("Expiration", self.expiration)
            .filled_integer("StartTime", self.start_time)
            .filled_text("RequestId", self.request_id)
            .end();
    }
}

/// Appends the answer of `/third/tencent_cloud_storage_credential`: a credential with where it is good
/// for, or why there is none.
pub fn tencent_cloud_storage_credential_answer(
    out: &mut Vec<u8>,
    credential: Result<&StorageCredential<'_>, &str>,
    region: &str,
    bucket: &str,
) {
    let (code, text, region, bucket) = match credential {
        Ok(_) => (ErrCode::Ok, "", region, bucket),
        Err(text) => (ErrCode::StorageCredential, text, "", ""),
    };
    Object::begin(out)
        .with("data", |out| match credential {
            Ok(credential) => credential.append(out),
            Err(_) => out.extend_from_slice(b"null"),
        })
        .integer("errCode", code.number().into())
        .text("errMsg", text)
        .text("region", region)
        .text("bucket", bucket)
        .end();
}
