//! A fault on command: what it is, how it is written, what it draws. No I/O.

use std::time::Duration;

use fastrand::Rng;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A fault of one service.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fault {
    /// What goes wrong.
    #[serde(flatten)]
    pub kind: FaultKind,
    /// It heals by itself after this long, as `"10s"`; none: when it is healed.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none", serialize_with = "write_span")]
    pub lasts: Option<Duration>,
    /// Whether `/healthz` stays good meanwhile.
    pub spare_probes: bool,
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum FaultKind {
    /// Connections are reset, new ones refused.
    Down {},
    /// Connections are accepted, requests are read, nothing is answered until the fault is healed.
    Hang {},
    /// Every answer is late.
    Slow {
        /// By how much.
        distribution: Distribution,
        /// Makes the delays repeatable.
        #[serde(default = "default_seed")]
        seed: u64,
    },
    /// Every answer has this status.
    Status {
        /// 200 to 599.
        status: u16,
    },
    /// The connection is reset (TCP RST) once this much of the response, head included, was written.
    Reset {
        /// Bytes, at most 16 MiB; 0 resets before the head.
        after_bytes: u64,
    },
    /// A share of the answers has this status.
    Flaky {
        /// The share, 0 to 1.
        rate: f64,
        /// Makes the order of good and bad answers repeatable.
        #[serde(default = "default_seed")]
        seed: u64,
        /// 200 to 599.
        #[serde(default = "default_status")]
        status: u16,
    },
}

/// How late an answer is, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Distribution {
    /// Always this late.
    FixedMs(f64),
    /// Between these two, each as likely.
    UniformMs(f64, f64),
    /// By chance, this late on average: many short delays, a few long ones. Never beyond ten times the mean.
    ExponentialMs(f64),
}

const MAX_DELAY_MS: f64 = 3_600_000.0;
const MAX_RESET_AFTER: u64 = 16 * 1024 * 1024;

fn default_seed() -> u64 {
    42
}

fn default_status() -> u16 {
    503
}

impl Distribution {
    /// Draws a delay.
    pub fn draw(&self, random: &mut Rng) -> Duration {
        let ms = match *self {
            Self::FixedMs(ms) => ms,
            Self::UniformMs(low, high) => low + random.f64() * (high - low),
            Self::ExponentialMs(mean) => (-mean * (1.0 - random.f64()).ln()).min(10.0 * mean),
        };
        Duration::try_from_secs_f64(ms / 1000.0).unwrap_or_default()
    }

    pub(super) fn check(&self) -> Result<(), String> {
        let (low, high) = match *self {
            Self::FixedMs(ms) | Self::ExponentialMs(ms) => (ms, ms),
            Self::UniformMs(low, high) => (low, high),
        };
        if (0.0..=MAX_DELAY_MS).contains(&low) && (low..=MAX_DELAY_MS).contains(&high) {
            return Ok(());
        }
        Err("a delay is 0 to 3600000 ms, and `uniform_ms` is [least, most]".to_owned())
    }
}

impl Fault {
    /// Reads a fault as the control API takes it: `{"kind":"hang","for":"10s","spare_probes":true}`.
    ///
    /// # Errors
    /// What is wrong with it, in words for the person who wrote it.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        let mut value: Value = serde_json::from_slice(body).map_err(|e| format!("the fault is not JSON: {e}"))?;
        let Some(fields) = value.as_object_mut() else {
            return Err(r#"a fault is a JSON object, such as {"kind":"down"}"#.to_owned());
        };
        let lasts = match fields.remove("for") {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(parse_span(&text)?),
            Some(_) => return Err(r#"`for` is a duration in quotes, such as "10s" or "250ms""#.to_owned()),
        };
        let spare_probes = match fields.remove("spare_probes") {
            None | Some(Value::Null) => false,
            Some(Value::Bool(spare)) => spare,
            Some(_) => return Err("`spare_probes` is true or false".to_owned()),
        };
        if !fields.contains_key("kind") {
            return Err("`kind` is missing: down, hang, slow, status, reset or flaky".to_owned());
        }
        let kind = serde_json::from_value(value).map_err(|e| e.to_string())?;
        let fault = Self { kind, lasts, spare_probes };
        fault.check()?;
        Ok(fault)
    }

    fn check(&self) -> Result<(), String> {
        match &self.kind {
            FaultKind::Down {} if self.spare_probes => {
                Err("`spare_probes` cannot go with `down`: a closed socket answers nobody".to_owned())
            }
            FaultKind::Slow { distribution, .. } => distribution.check(),
            FaultKind::Status { status } | FaultKind::Flaky { status, .. } if !(200..=599).contains(status) => {
                Err(format!("`status` is 200 to 599, not {status}"))
            }
            FaultKind::Flaky { rate, .. } if !(0.0..=1.0).contains(rate) => {
                Err(format!("`rate` is a share from 0 to 1, not {rate}"))
            }
            FaultKind::Reset { after_bytes } if *after_bytes > MAX_RESET_AFTER => {
                Err(format!("`after_bytes` is at most {MAX_RESET_AFTER}, not {after_bytes}"))
            }
            _ => Ok(()),
        }
    }
}

/// A span as the config writes it: `250ms`, `10s`, `2m`, `1h`.
fn parse_span(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a duration: write 250ms, 10s, 2m or 1h, up to 24h");
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let number: u64 = text[..digits].parse().map_err(|_| wrong())?;
    let unit = match &text[digits..] {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(wrong()),
    };
    let ms = number.checked_mul(unit).filter(|ms| (1..=86_400_000).contains(ms)).ok_or_else(wrong)?;
    Ok(Duration::from_millis(ms))
}

fn write_span<S: serde::Serializer>(span: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    match span {
        Some(span) => serializer.collect_str(&format_args!("{}ms", span.as_millis())),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_reads_and_writes_back() {
        for text in [
            r#"{"kind":"down"}"#,
            r#"{"kind":"hang","for":"10s"}"#,
            r#"{"kind":"slow","distribution":{"fixed_ms":20}}"#,
            r#"{"kind":"slow","distribution":{"uniform_ms":[1,2.5]},"seed":1}"#,
            r#"{"kind":"slow","distribution":{"exponential_ms":20},"spare_probes":true}"#,
            r#"{"kind":"status","status":503}"#,
            r#"{"kind":"reset","after_bytes":10}"#,
            r#"{"kind":"flaky","rate":0.1,"seed":42,"status":500}"#,
        ] {
            let fault = Fault::parse(text.as_bytes()).unwrap();
            let again = Fault::parse(&serde_json::to_vec(&fault).unwrap()).unwrap();
            assert_eq!(fault, again, "{text}");
        }
    }

    #[test]
    fn bad_faults_say_what_is_wrong() {
        for (text, wanted) in [
            ("nonsense", "not JSON"),
            ("[]", "JSON object"),
            ("{}", "`kind` is missing"),
            (r#"{"kind":"explode"}"#, "unknown variant `explode`"),
            (r#"{"kind":"down","when":1}"#, "unknown field `when`"),
            (r#"{"kind":"down","spare_probes":true}"#, "cannot go with `down`"),
            (r#"{"kind":"hang","for":"soon"}"#, "`soon` is not a duration"),
            (r#"{"kind":"hang","for":"25h"}"#, "up to 24h"),
            (r#"{"kind":"hang","for":5}"#, "in quotes"),
            (r#"{"kind":"status","status":99}"#, "200 to 599"),
            (r#"{"kind":"status"}"#, "missing field `status`"),
            (r#"{"kind":"flaky","rate":1.5}"#, "from 0 to 1"),
            (r#"{"kind":"slow","distribution":{"uniform_ms":[9,1]}}"#, "[least, most]"),
            (r#"{"kind":"slow","distribution":{"fixed_ms":-1}}"#, "0 to 3600000"),
            (r#"{"kind":"reset","after_bytes":999999999}"#, "at most"),
        ] {
            let error = Fault::parse(text.as_bytes()).unwrap_err();
            assert!(error.contains(wanted), "{text}: {error}");
        }
    }

    #[test]
    fn delays_stay_in_range_and_repeat_with_their_seed() {
        let draw = |distribution: Distribution| {
            let mut random = Rng::with_seed(7);
            (0..1000).map(|_| distribution.draw(&mut random)).collect::<Vec<_>>()
        };
        let uniform = draw(Distribution::UniformMs(2.0, 6.0));
        assert!(uniform.iter().all(|d| (Duration::from_millis(2)..=Duration::from_millis(6)).contains(d)));
        assert_eq!(uniform, draw(Distribution::UniformMs(2.0, 6.0)));
        let exponential = draw(Distribution::ExponentialMs(10.0));
        let mean = exponential.iter().sum::<Duration>() / 1000;
        assert!((Duration::from_millis(9)..Duration::from_millis(11)).contains(&mean), "{mean:?}");
    }
}
