//! `/third`: the bodies.

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

/// Bounds of a device that is named.
const VENDOR_CHARS_MAX: usize = 32;
const TOKEN_CHARS_MAX: usize = 1024;

body! {
    "/third/set_push_token" => decode_set_push_token, "paramsSetPushToken";
    /// A device that is told of messages while its user is away.
    pub struct SetPushToken<'a> {
        /// The client's trace id; not empty.
        operation_id: Cow<'a, str> = "operationID", required, id_max;
        /// The device's platform, 1 to 7.
        platform: i32 = "platform", given, one_of(1..=7);
        /// Whose token it is: `fcm`, `apns`, or what the operator's service knows.
        vendor: Cow<'a, str> = "vendor", required, max(VENDOR_CHARS_MAX);
        /// What that calls the device.
        token: Cow<'a, str> = "token", required, max(TOKEN_CHARS_MAX);
    }
}

body! {
    "/third/delete_push_token" => decode_delete_push_token, "paramsDeletePushToken";
    /// A device that is told no more.
    pub struct DeletePushToken<'a> {
        /// The client's trace id; not empty.
        operation_id: Cow<'a, str> = "operationID", required, id_max;
        /// As it was named.
        vendor: Cow<'a, str> = "vendor", required, max(VENDOR_CHARS_MAX);
        /// As it was named.
        token: Cow<'a, str> = "token", required, max(TOKEN_CHARS_MAX);
    }
}
