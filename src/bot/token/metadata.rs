//! OpenID metadata: where an issuer's keys are.

use serde::Deserialize;

#[derive(Deserialize)]
struct Metadata {
    jwks_uri: String,
}

/// The URL of the keys in OpenID metadata (OpenID Connect Discovery 1.0, section 3).
///
/// # Errors
/// What is wrong with the metadata, without repeating any of it.
pub fn jwks_uri(json: &str) -> Result<String, String> {
    match serde_json::from_str::<Metadata>(json) {
        Ok(metadata) if !metadata.jwks_uri.is_empty() && metadata.jwks_uri.len() <= 2048 => Ok(metadata.jwks_uri),
        Ok(_) => Err("the metadata names no place of its keys (jwks_uri)".to_owned()),
        // Its own words would repeat a value of the wrong type.
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            Err(format!("this is no OpenID metadata with a jwks_uri: line {line}, column {column}"))
        }
    }
}
