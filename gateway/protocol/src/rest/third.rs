//! `/third/tencent_cloud_storage_credential`: the body.

use std::borrow::Cow;

use super::BindError;
use super::body::body;

/// What every failed binding of the route says, with the original's full-width comma.
const UNREADABLE: &str =
    "Parameter parsing error，please check the parameters and request service again";

body! {
    /// A request for a temporary credential. Nothing is required.
    pub struct StorageCredentialRequest<'a> {
        /// Of no effect.
        token: Cow<'a, str> = "token";
        /// The client's trace id.
        operation_id: Cow<'a, str> = "operationID", id_max;
    }
}

/// Reads the body of `/third/tencent_cloud_storage_credential`.
///
/// # Errors
/// If it is no object, or with a wrong type.
pub fn decode_tencent_cloud_storage_credential(
    body: &[u8],
) -> Result<StorageCredentialRequest<'_>, BindError> {
    // Here `null` is not as good as an empty object.
    let is_null = body.trim_ascii_start().starts_with(b"null");
    let read = StorageCredentialRequest::read(body, "paramsTencentCloudStorageCredential", 0);
    let read = read.flatten().ok().filter(|_| !is_null);
    read.ok_or_else(|| BindError { text: UNREADABLE.to_owned() })
}
