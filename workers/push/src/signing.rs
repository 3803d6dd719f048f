//! Tokens and signatures that services want: JWT by RS256 and ES256, HMAC-SHA256.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::Value;

/// Why a key is none.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It is not in a form that is read here.
    #[error("has no private key in the form PKCS#8 (-----BEGIN PRIVATE KEY-----)")]
    Form,
    /// It is a key of another kind.
    #[error("has a private key that is none for {0}: {1}")]
    Kind(&'static str, ring::error::KeyRejected),
    /// Something else is missing.
    #[error("{0}")]
    Missing(&'static str),
}

/// What signs tokens.
pub(crate) enum Key {
    Rsa(Box<RsaKeyPair>),
    Ec(Box<EcdsaKeyPair>),
}

fn of_pem(pem: &str) -> Result<PrivatePkcs8KeyDer<'static>, KeyError> {
    PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| KeyError::Form)
}

impl Key {
    pub(crate) fn rsa(pem: &str) -> Result<Self, KeyError> {
        let key = RsaKeyPair::from_pkcs8(of_pem(pem)?.secret_pkcs8_der());
        key.map(|key| Self::Rsa(Box::new(key))).map_err(|why| KeyError::Kind("RS256", why))
    }

    pub(crate) fn ec(pem: &str) -> Result<Self, KeyError> {
        let pem = of_pem(pem)?;
        let (algorithm, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let key = EcdsaKeyPair::from_pkcs8(algorithm, pem.secret_pkcs8_der(), &random);
        key.map(|key| Self::Ec(Box::new(key))).map_err(|why| KeyError::Kind("ES256", why))
    }

    /// A signed token with this head and these claims.
    pub(crate) fn token(&self, head: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(head), part(claims));
        let random = SystemRandom::new();
        let signature = match self {
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                let signed = key.sign(&RSA_PKCS1_SHA256, &random, text.as_bytes(), &mut signature);
                signed.map(|()| signature).unwrap_or_default()
            }
            Self::Ec(key) => key
                .sign(&random, text.as_bytes())
                .map(|signature| signature.as_ref().to_vec())
                .unwrap_or_default(),
        };
        // Where the system has no chance to give the signature is empty, and the service refuses it.
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// HMAC-SHA256 of all parts, in small hexadecimal digits.
pub(crate) fn hmac_hex(key: &str, parts: &[&[u8]]) -> String {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()));
    parts.iter().for_each(|part| context.update(part));
    let digits = b"0123456789abcdef";
    let hex = |byte: &u8| [digits[usize::from(byte >> 4)], digits[usize::from(byte & 15)]];
    context.sign().as_ref().iter().flat_map(hex).map(char::from).collect()
}
