//! The text of a script, held against the config that it is for.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::findings::{Fault, Findings, Place, fault};
use super::load::{merge, read_text};
use super::raw_script::{RawEvent, RawScript};
use super::raw_values::RawShare;
use super::report::{Report, Source};
use super::script::{Condition, Deed, Script, ScriptEvent, ScriptOrder};
use super::types::Config;
use super::types_pool::PoolConfig;
use super::{mask, schema, shape, text, values};
use crate::model::Utc;

/// Requests per second of a pool that the script says nothing about.
const RATE: f64 = 10.0;
/// More changes no decision: every verdict is reached within a few requests.
const FASTEST: f64 = 1000.0;
/// Most requests of a pool that may have to be followed one by one: seconds of work.
const MOST: f64 = 20e6;
/// Longest simulation: two weeks hold every weekly window.
const LONGEST: Duration = Duration::from_secs(14 * 86_400);
/// A Saturday, for scripts that do not care.
const START: Utc = Utc::from_millis(1_795_219_200_000);

/// Reads and checks a script for a config.
///
/// # Errors
/// Every problem of the file at once.
pub fn load_script(path: &Path, config: &Config) -> Result<Script, Report> {
    let hint = "give the path of a script by --script; config/simulate-example.toml is one";
    parse_script(&path.display().to_string(), &read_text(path, hint)?, config)
}

/// Checks the text of a script for a config. `name` is what messages call it.
///
/// # Errors
/// Every problem of the text at once.
pub fn parse_script(name: &str, text: &str, config: &Config) -> Result<Script, Report> {
    let (mut root, syntax) = text::read(text);
    let findings = Findings::new(!syntax.is_empty());
    let mut hidden = shape::check(&mut root, &schema::of::<RawScript>(), &findings);
    hidden.clear();
    let script = match RawScript::deserialize(root.to_json()) {
        Ok(raw) => Some(Reader { config, place: Place::root(&findings, &root) }.script(&raw)),
        Err(_) => {
            findings.error("", 0..0, "the script cannot be decoded".to_owned(), Some("report this".to_owned()));
            None
        }
    };
    let problems = merge(text, &syntax, findings.into_problems());
    let problems = problems.into_iter().map(|problem| problem.locate(name, text)).collect();
    let source = Source { name: name.to_owned(), masked: mask::mask(text, &hidden, &syntax), places: BTreeMap::new() };
    let report = Report::new(problems, Vec::new(), Arc::new(source));
    script.filter(|_| report.errors() == 0).ok_or(report)
}

/// What an event says.
enum Does {
    Condition(Condition),
    Parity(bool),
}

struct Reader<'a> {
    config: &'a Config,
    place: Place<'a>,
}

impl Reader<'_> {
    fn script(&self, raw: &RawScript) -> Script {
        let at = self.place.key("for");
        let lasts = raw.lasts.as_ref().and_then(|raw| at.take(values::duration(&raw.0))).unwrap_or(LONGEST);
        if lasts.is_zero() || lasts > LONGEST {
            at.error(format!("{} is out of range", values::brief(lasts)), "from \"1ms\" to \"14d\"");
        }
        let start = raw.start.as_ref().and_then(|raw| self.place.key("start").take(time(&raw.0)));
        let all = raw.at.iter().flatten().enumerate();
        let mut events: Vec<ScriptEvent> =
            all.flat_map(|(index, raw)| self.event(&self.place.key("at").index(index), raw, lasts)).collect();
        // Events of one moment happen in order of writing; what heals by itself does so before what is written for then.
        events.sort_by_key(|event| event.at);
        Script {
            lasts,
            start: start.unwrap_or(START),
            seed: raw.seed.unwrap_or(42),
            traffic: self.traffic(raw.traffic.as_ref(), lasts),
            events,
        }
    }

    fn traffic(&self, raw: Option<&BTreeMap<String, f64>>, lasts: Duration) -> Vec<f64> {
        let place = self.place.key("traffic");
        let mut rates = vec![RATE; self.config.pools.len()];
        for (name, rate) in raw.into_iter().flatten() {
            let place = place.key(name);
            let Some(pool) = self.pool(&place, name) else { continue };
            if !(0.0..=FASTEST).contains(rate) {
                place.error(format!("{rate} requests per second is out of range"), "from 0 to 1000");
            } else if rate * lasts.as_secs_f64() > MOST {
                let requests = rate * lasts.as_secs_f64() / 1e6;
                let message =
                    format!("{rate} requests per second are {requests:.0} million in {}", values::brief(lasts));
                place.error(message, "at most 20 million: fewer decide the same, or make `for` shorter");
            }
            rates[pool] = *rate;
        }
        rates
    }

    fn event(&self, place: &Place<'_>, raw: &RawEvent, end: Duration) -> Vec<ScriptEvent> {
        let time = place.key("time");
        let at = raw.time.as_ref().and_then(|raw| time.take(values::duration(&raw.0)));
        if at.is_some_and(|at| at > end) {
            time.error("it happens after the end", "make `for` longer, or leave it out");
        }
        let lasts = raw.lasts.as_ref().and_then(|raw| place.key("for").take(values::duration(&raw.0)));
        let events = match (&raw.does, &raw.order) {
            (Some(text), None) => self.happens(place, raw, text, lasts),
            (None, Some(text)) => self.ordered(place, raw, text, lasts),
            (Some(_), Some(_)) => {
                place.key("order").error("an event is either a fault or an order", "write two events");
                Vec::new()
            }
            (None, None) if place.is_reported_below() => Vec::new(),
            (None, None) => {
                place.absent("nothing happens here", "does = \"hang\", or order = \"drain\"");
                Vec::new()
            }
        };
        let at = at.unwrap_or_default();
        events.into_iter().map(|(later, pool, deed)| ScriptEvent { at: at + later, pool, deed }).collect()
    }

    fn happens(
        &self,
        place: &Place<'_>,
        raw: &RawEvent,
        text: &str,
        lasts: Option<Duration>,
    ) -> Vec<(Duration, usize, Deed)> {
        for (name, written) in [("reason", raw.reason.is_some()), ("force", raw.force.is_some())] {
            if written {
                place.key(name).error("a fault has none", "leave it out: it belongs to an order");
            }
        }
        let Some(does) = place.key("does").take(does(text)) else { return Vec::new() };
        let mut events = Vec::new();
        for (pool, backend) in self.meant(place, raw) {
            let spare_probes = raw.spare_probes.unwrap_or(false);
            let deed = |condition| Deed::Fault { backend, condition, spare_probes };
            let (deed, healed) = match does {
                Does::Condition(condition) => (deed(condition), deed(Condition::Well)),
                Does::Parity(in_step) => (Deed::Parity { backend, in_step }, Deed::Parity { backend, in_step: true }),
            };
            events.push((Duration::ZERO, pool, deed));
            events.extend(lasts.map(|lasts| (lasts, pool, healed)));
        }
        if spares_a_closed_socket(raw, &does) {
            let hint = "a closed socket answers nobody: leave it out";
            place.key("spare_probes").error("`spare_probes` cannot go with \"down\"", hint);
        }
        events
    }

    fn ordered(
        &self,
        place: &Place<'_>,
        raw: &RawEvent,
        text: &str,
        lasts: Option<Duration>,
    ) -> Vec<(Duration, usize, Deed)> {
        let words = ScriptOrder::ALL.map(|(word, _)| word);
        let Some(order) = place.key("order").take(chosen(text, &words, "order")) else { return Vec::new() };
        let order = ScriptOrder::ALL[order].1;
        if lasts.is_some() && !matches!(order, ScriptOrder::Pin | ScriptOrder::Drill) {
            place.key("for").error(format!("\"{text}\" has no end"), "only a pin and a drill last for a time");
        }
        if raw.spare_probes.is_some() {
            place.key("spare_probes").error("an order has none", "it belongs to a fault");
        }
        let needs = matches!(order, ScriptOrder::Pin | ScriptOrder::Drain | ScriptOrder::Resume);
        if needs && raw.backend.is_none() {
            place.absent(format!("\"{text}\" needs a backend"), "backend = \"westeurope\"");
            return Vec::new();
        }
        let order = |pool, backend| {
            let (reason, force) = (raw.reason.clone(), raw.force.unwrap_or(false));
            (Duration::ZERO, pool, Deed::Order { order, backend, lasts, reason, force })
        };
        if raw.backend.is_some() {
            return self.meant(place, raw).into_iter().map(|(pool, backend)| order(pool, Some(backend))).collect();
        }
        match (&raw.pool, self.config.pools.len()) {
            (Some(name), _) => self.pool(&place.key("pool"), name).map(|pool| order(pool, None)).into_iter().collect(),
            (None, 1) => vec![order(0, None)],
            (None, _) => {
                place.absent("which pool is meant?", format!("pool = {:?}", self.config.pools[0].name.as_str()));
                Vec::new()
            }
        }
    }

    /// The backends that an event is about: one, or, where no pool is named, those of that name in all pools.
    fn meant(&self, place: &Place<'_>, raw: &RawEvent) -> Vec<(usize, usize)> {
        let Some(name) = raw.backend.as_deref() else {
            place.absent("which backend is meant?", "backend = \"westeurope\"");
            return Vec::new();
        };
        let at = |pool: &PoolConfig| pool.backends.iter().position(|backend| backend.name.as_str() == name);
        let pools = match &raw.pool {
            Some(pool) => self.pool(&place.key("pool"), pool).map(|pool| vec![pool]),
            None => Some((0..self.config.pools.len()).collect()),
        };
        let Some(pools) = pools else { return Vec::new() };
        let pools = || pools.iter().copied();
        let found: Vec<_> = pools().filter_map(|pool| Some((pool, at(&self.config.pools[pool])?))).collect();
        if found.is_empty() {
            let known = pools().flat_map(|pool| &self.config.pools[pool].backends).map(|backend| backend.name.as_str());
            place.key("backend").error(format!("there is no backend {name:?}"), suggestion(name, known.collect()));
        }
        found
    }

    fn pool(&self, place: &Place<'_>, name: &str) -> Option<usize> {
        let found = self.config.pools.iter().position(|pool| pool.name.as_str() == name);
        if found.is_none() {
            let known = self.config.pools.iter().map(|pool| pool.name.as_str()).collect();
            place.error(format!("the config has no pool {name:?}"), suggestion(name, known));
        }
        found
    }
}

fn spares_a_closed_socket(raw: &RawEvent, does: &Does) -> bool {
    raw.spare_probes == Some(true) && matches!(does, Does::Condition(Condition::Down))
}

fn suggestion(name: &str, known: Vec<&str>) -> String {
    // Pools have backends of the same names.
    let first = |(at, word): (usize, &&str)| !known[..at].contains(word);
    let known: Vec<&str> = known.iter().enumerate().filter(|it| first(*it)).map(|(_, word)| *word).collect();
    match shape::closest(name, known.iter().copied()) {
        Some(close) => format!("did you mean {close:?}?"),
        None => format!("there are: {}", known.join(", ")),
    }
}

fn chosen(word: &str, words: &[&str], what: &str) -> Result<usize, Fault> {
    let unknown = || fault(format!("{word:?} is no {what}"), suggestion(word, words.to_vec()));
    words.iter().position(|one| *one == word).ok_or_else(unknown)
}

fn time(text: &str) -> Result<Utc, Fault> {
    let wrong = |_| fault(format!("{text:?} is no time"), "in UTC: \"2026-11-21T01:59:00Z\"");
    text.parse::<jiff::Timestamp>().map(Utc::from).map_err(wrong)
}

/// `hang`, `slow 800ms`, `status 503`, `flaky 30%`, …
fn does(text: &str) -> Result<Does, Fault> {
    const WORDS: [&str; 9] = ["heal", "down", "hang", "slow", "status", "reset", "flaky", "drift", "in-step"];
    let (word, rest) = text.trim().split_once(' ').map_or((text.trim(), ""), |(word, rest)| (word, rest.trim()));
    let which = chosen(word, &WORDS, "fault")?;
    let takes = matches!(WORDS[which], "slow" | "status" | "flaky");
    if !takes && !rest.is_empty() {
        return Err(fault(format!("\"{word}\" stands alone"), format!("does = \"{word}\"")));
    }
    let condition = match WORDS[which] {
        "down" => Condition::Down,
        "hang" => Condition::Hang,
        "reset" => Condition::Reset,
        "slow" => match values::duration(rest) {
            Ok(by) => Condition::Slow(by),
            Err(_) => return Err(fault(format!("{text:?} does not say by how much"), "does = \"slow 800ms\"")),
        },
        "status" => match rest.parse() {
            Ok(status @ 200..=599) => Condition::Status(status),
            _ => return Err(fault(format!("{text:?} names no status"), "from 200 to 599: does = \"status 503\"")),
        },
        "flaky" => match values::share(&RawShare::Text(rest.to_owned())) {
            Ok(share) => Condition::Flaky(share),
            Err(_) => return Err(fault(format!("{text:?} names no share"), "does = \"flaky 30%\"")),
        },
        "drift" => return Ok(Does::Parity(false)),
        "in-step" => return Ok(Does::Parity(true)),
        _ => Condition::Well,
    };
    Ok(Does::Condition(condition))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "[[listener]]\nbind = \"127.0.0.1:80\"\ntls = false\n[[route]]\npool = \"bot\"\n[[route]]\npath = \"/q\"\n\
        pool = \"qna\"\n[[pool]]\nname = \"bot\"\n[[pool.backend]]\nname = \"weu\"\nurl = \"http://a\"\n[[pool]]\nname = \"qna\"\n\
        [[pool.backend]]\nname = \"weu\"\nurl = \"http://b\"\n[[pool.backend]]\nname = \"neu\"\nurl = \"http://c\"\n";

    fn parsed(text: &str) -> Result<Script, Report> {
        let config = super::super::parse("botgate.toml", CONFIG, Path::new(""), &|_| None).unwrap().config;
        parse_script("script.toml", text, &config)
    }

    fn problems(text: &str) -> Vec<String> {
        parsed(text).map_or_else(|report| report.lines(), |_| Vec::new())
    }

    fn event(keys: &str) -> String {
        format!("for = \"1m\"\n[[at]]\n{keys}\n")
    }

    #[test]
    fn every_fault_and_order_is_read() {
        for (text, condition) in [
            ("heal", Condition::Well),
            ("down", Condition::Down),
            ("hang", Condition::Hang),
            ("slow 800ms", Condition::Slow(Duration::from_millis(800))),
            ("status 503", Condition::Status(503)),
            ("reset", Condition::Reset),
            ("flaky 30%", Condition::Flaky(0.3)),
        ] {
            let script = parsed(&event(&format!("time = \"1s\"\nbackend = \"neu\"\ndoes = \"{text}\""))).unwrap();
            let deed = Deed::Fault { backend: 1, condition, spare_probes: false };
            assert_eq!(script.events, [ScriptEvent { at: Duration::from_secs(1), pool: 1, deed }]);
            assert_eq!(condition.to_string(), text, "told as it is written");
        }
        for (word, order) in ScriptOrder::ALL {
            let text = event(&format!("time = \"1s\"\npool = \"qna\"\nbackend = \"neu\"\norder = \"{word}\""));
            let script = parsed(&text).unwrap();
            assert!(matches!(script.events[0].deed, Deed::Order { order: read, .. } if read == order), "{word}");
        }
    }

    #[test]
    fn what_lasts_heals_by_itself_and_events_come_in_order_of_time() {
        let text = event("time = \"5s\"\nbackend = \"weu\"\npool = \"bot\"\ndoes = \"hang\"\nfor = \"10s\"")
            + "[[at]]\ntime = \"1s\"\nbackend = \"neu\"\ndoes = \"drift\"\n";
        let script = parsed(&text).unwrap();
        assert_eq!(script.events.iter().map(|event| event.at.as_secs()).collect::<Vec<_>>(), [1, 5, 15]);
        assert_eq!((script.start, script.traffic), (START, vec![RATE; 2]));
    }

    #[test]
    fn mistakes_are_told_with_line_and_hint() {
        for (text, wanted) in [
            ("[[at]]\ntime = \"1s\"\nbackend = \"weu\"\ndoes = \"hang\"\n".to_owned(), "for: the key `for` is missing"),
            (
                event("time = \"1s\"\nbackend = \"weu\"\ndose = \"hang\""),
                "script.toml:5:1: at[0].dose: unknown key `dose` (did you mean `does`?)",
            ),
            (
                event("time = \"1s\"\nbackend = \"weu\"\ndoes = \"hagn\""),
                "\"hagn\" is no fault (did you mean \"hang\"?)",
            ),
            (
                event("time = \"1s\"\nbackend = \"weuu\"\ndoes = \"hang\""),
                "there is no backend \"weuu\" (did you mean \"weu\"?)",
            ),
            (
                event("time = \"1s\"\nbackend = \"mars\"\ndoes = \"hang\""),
                "there is no backend \"mars\" (there are: weu, neu)",
            ),
            (
                event("time = \"1s\"\npool = \"qnaa\"\nbackend = \"weu\"\ndoes = \"hang\""),
                "no pool \"qnaa\" (did you mean \"qna\"?)",
            ),
            (event("time = \"1s\"\nbackend = \"weu\"\ndoes = \"slow\""), "does not say by how much"),
            (event("time = \"1s\"\nbackend = \"weu\"\ndoes = \"status 99\""), "names no status"),
            (event("time = \"1s\"\nbackend = \"weu\"\ndoes = \"hang 5s\""), "\"hang\" stands alone"),
            (
                event("time = \"1s\"\nbackend = \"weu\"\ndoes = \"down\"\nspare_probes = true"),
                "cannot go with \"down\"",
            ),
            (event("time = \"1s\"\nbackend = \"weu\""), "nothing happens here"),
            (event("time = \"1s\"\nbackend = \"weu\"\ndoes = \"hang\"\norder = \"pin\""), "either a fault or an order"),
            (event("time = \"1s\"\ndoes = \"hang\""), "which backend is meant?"),
            (event("time = \"1s\"\norder = \"failback\""), "which pool is meant?"),
            (event("time = \"1s\"\npool = \"qna\"\norder = \"drain\""), "\"drain\" needs a backend"),
            (event("time = \"1s\"\npool = \"qna\"\norder = \"failback\"\nfor = \"1s\""), "\"failback\" has no end"),
            (event("time = \"2m\"\nbackend = \"weu\"\ndoes = \"hang\""), "it happens after the end"),
            ("for = \"15d\"\n".to_owned(), "out of range"),
            ("for = \"1m\"\nstart = \"noon\"\n".to_owned(), "\"noon\" is no time"),
            (
                "for = \"1m\"\ntraffic = { bot = 5000 }\n".to_owned(),
                "script.toml:2:19: traffic.bot: 5000 requests per second",
            ),
            ("for = \"7d\"\ntraffic = { bot = 50 }\n".to_owned(), "50 requests per second are 30 million in 7d"),
            ("for = \"1m\"\ntraffic = { bott = 5 }\n".to_owned(), "no pool \"bott\" (did you mean \"bot\"?)"),
        ] {
            let found = problems(&text);
            assert!(found.len() == 1 && found[0].contains(wanted), "{wanted:?} in {found:?}\n{text}");
        }
    }
}
