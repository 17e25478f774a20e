//! Keys and tokens of a made-up issuer: any header, any claims, good and bad. Also included by the unit tests of the token
//! check, so it names nothing of botgate.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk};
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use serde_json::{Value, json};

/// An RSA key with a name.
pub struct Signer {
    pub kid: String,
    key: EncodingKey,
    modulus: String,
    exponent: String,
}

impl Signer {
    /// A new key of 2048 bits.
    pub fn new(kid: &str) -> Self {
        let pair = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
        // PKCS#8 wraps PKCS#1: version, algorithm and the head of an octet string take 26 bytes for keys of this size.
        let key = EncodingKey::from_rsa_der(&pair.serialize_der()[26..]);
        let jwk = Jwk::from_encoding_key(&key, Algorithm::RS256).unwrap();
        let AlgorithmParameters::RSA(rsa) = jwk.algorithm else { panic!("no RSA key") };
        Self { kid: kid.to_owned(), key, modulus: rsa.n, exponent: rsa.e }
    }

    /// What is published of it.
    pub fn jwk(&self, endorsements: &[&str]) -> Value {
        let mut jwk = json!({"kty": "RSA", "use": "sig", "kid": self.kid, "n": self.modulus, "e": self.exponent});
        if !endorsements.is_empty() {
            jwk["endorsements"] = json!(endorsements);
        }
        jwk
    }

    /// The public modulus, as text: what a verifier that confuses algorithms would take for a secret.
    pub fn modulus(&self) -> &str {
        &self.modulus
    }

    /// The usual header.
    pub fn header(&self) -> Value {
        json!({"alg": "RS256", "kid": self.kid, "typ": "JWT"})
    }

    /// A token of these JSON texts, signed with RS256 whatever they say.
    pub fn raw(&self, header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> String {
        self.by(Algorithm::RS256, header, claims)
    }

    /// The same by another algorithm of RSA.
    pub fn by(&self, algorithm: Algorithm, header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> String {
        let signed = format!("{}.{}", encode(header), encode(claims));
        let signature = crypto::sign(signed.as_bytes(), &self.key, algorithm).unwrap();
        format!("{signed}.{signature}")
    }

    /// A token of these claims.
    pub fn token(&self, claims: &Value) -> String {
        self.raw(self.header().to_string(), claims.to_string())
    }
}

/// Signed with HMAC by this secret, whatever the header says.
pub fn hmac(secret: &[u8], header: &Value, claims: &Value) -> String {
    let signed = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
    let signature = crypto::sign(signed.as_bytes(), &EncodingKey::from_secret(secret), Algorithm::HS256).unwrap();
    format!("{signed}.{signature}")
}

/// Base64url without padding.
pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// `base` with the members of `more`; a member of null is taken away (`Null` itself is written by hand).
pub fn with(mut base: Value, more: &Value) -> Value {
    for (name, value) in more.as_object().unwrap() {
        match value {
            Value::Null => {
                base.as_object_mut().unwrap().remove(name);
            }
            value => base[name] = value.clone(),
        }
    }
    base
}
