//! Which regions to simulate, and where.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use super::Distribution;

/// Which regions to simulate, and where. Port 0 lets the system pick one.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SimConfig {
    /// Where faults are set.
    #[serde(default = "default_control")]
    pub control: SocketAddr,
    /// At least one, by distinct names.
    #[serde(rename = "region")]
    pub regions: Vec<RegionConfig>,
}

/// One simulated region.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegionConfig {
    /// Letters, digits, `-`, `_` and `.`: it is part of the control URLs.
    pub name: String,
    /// Where its bot listens; none: no bot.
    pub bot: Option<SocketAddr>,
    /// Where its question answering listens; none: no question answering.
    pub qna: Option<SocketAddr>,
    /// What its question answering wants to be asked by; left out: any key, and whatever is asked for.
    #[serde(default)]
    pub identity: QnaIdentity,
    /// How long every answer takes even without a fault, probes too; none: no time.
    pub latency: Option<Distribution>,
    /// A file to which the id of each activity is appended as it arrives, one a line: it outlives the process; none: no
    /// file.
    pub record: Option<PathBuf>,
}

/// What a simulated question-answering service wants to be asked by: whoever asks by something else gets the error that
/// the real service gives. What is left out may be anything.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QnaIdentity {
    /// Its key, in `Authorization: EndpointKey …` for QnA Maker and in `Ocp-Apim-Subscription-Key` for custom question
    /// answering; another is answered 401.
    pub key: Option<String>,
    /// Its knowledge base; another is answered 404.
    pub kb: Option<String>,
    /// Its project; another is answered 404.
    pub project: Option<String>,
    /// Its deployment; another is answered 404.
    pub deployment: Option<String>,
}

fn default_control() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 9444))
}

impl SimConfig {
    /// Reads a config from TOML.
    ///
    /// # Errors
    /// What is wrong, with line and column where TOML knows them.
    pub fn parse(text: &str) -> Result<Self, String> {
        let config: Self = toml::from_str(text).map_err(|e| e.to_string())?;
        config.check()?;
        Ok(config)
    }

    /// Checks what the types cannot say.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.regions.is_empty() {
            return Err("no region: write at least one [[region]]".to_owned());
        }
        for (index, region) in self.regions.iter().enumerate() {
            let name = &region.name;
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            if name.is_empty() || !name.chars().all(plain) {
                return Err(format!("region `{name}`: a name is made of letters, digits, `-`, `_` and `.`"));
            }
            if self.regions[..index].iter().any(|other| other.name == *name) {
                return Err(format!("region `{name}` is written twice: names must differ"));
            }
            if region.bot.is_none() && region.qna.is_none() {
                return Err(format!("region `{name}` has no service: give `bot`, `qna` or both an address"));
            }
            if let Some(latency) = &region.latency {
                latency.check().map_err(|e| format!("region `{name}`: latency: {e}"))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_config_is_valid() {
        let config = SimConfig::parse(include_str!("../../config/sim.toml")).unwrap();
        assert_eq!(config.regions.len(), 2);
    }

    #[test]
    fn mistakes_are_named() {
        for (text, wanted) in [
            ("region = []", "no region"),
            ("[[region]]\nname = 'a b'\nbot = '127.0.0.1:0'", "a name is made of"),
            ("[[region]]\nname = 'a'", "has no service"),
            ("[[region]]\nname = 'a'\nbot = '127.0.0.1:0'\n[[region]]\nname = 'a'\nbot = '127.0.0.1:0'", "twice"),
            ("[[region]]\nname = 'a'\nbott = '127.0.0.1:0'", "unknown field `bott`"),
            ("[[region]]\nname='a'\nbot='127.0.0.1:0'\nlatency={uniform_ms=[9,1]}", "latency"),
        ] {
            let error = SimConfig::parse(text).unwrap_err();
            assert!(error.contains(wanted), "{text}: {error}");
        }
    }
}
