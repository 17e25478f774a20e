//! The identity by which a question-answering service is asked in its region: knowledge base, project, deployment. Pure.
//!
//! Paths and parameter names are matched as the services match them: without regard to case, and whether or not a
//! character is percent-encoded. All that is not replaced stays as it was sent, byte for byte.

use std::borrow::Cow;

use super::escape::{escaped, unescaped};
use crate::config::QuestionConfig;

/// The query parameter in which a client may send its own key.
const SUBSCRIPTION_KEY: &str = "subscription-key";

/// A path and a query, rewritten to name what the backend calls its own; none where nothing is replaced.
///
/// | request | replaced |
/// |---|---|
/// | `/qnamaker/knowledgebases/{kb}/generateAnswer` (or `train`; a version segment may follow `qnamaker`) | `{kb}` |
/// | `/language/:query-knowledgebases` | `projectName`, `deploymentName` |
/// | `/language/query-knowledgebases/projects/{project}/feedback` | `{project}` |
/// | any, of a backend with a key of its own | `subscription-key` is taken out |
pub(super) fn rewritten<'a>(
    identity: &QuestionConfig,
    path: &'a str,
    query: Option<&'a str>,
) -> (Cow<'a, str>, Option<Cow<'a, str>>) {
    let asks = Asks::of(path);
    let segment = match (&asks, &identity.kb, &identity.project) {
        (Some(Asks::KnowledgeBase(at)), Some(kb), _) => Some((*at, kb)),
        (Some(Asks::Feedback(at)), _, Some(project)) => Some((*at, project)),
        _ => None,
    };
    let path = segment.map_or(path.into(), |(at, id)| with_segment(path, at, id).into());
    let mut sets = Vec::new();
    if matches!(asks, Some(Asks::Language)) {
        let own = [("projectName", &identity.project), ("deploymentName", &identity.deployment)];
        sets.extend(own.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))));
    }
    (path, with_parameters(query, &sets, identity.keyed))
}

/// What a path asks for.
enum Asks {
    /// QnA Maker; which segment names the knowledge base.
    KnowledgeBase(usize),
    /// Custom question answering.
    Language,
    /// Custom question answering's active learning; which segment names the project.
    Feedback(usize),
}

impl Asks {
    fn of(path: &str) -> Option<Self> {
        // Empty segments are passed over, as IIS does: a slash too many must not hide a client's knowledge base.
        let given = path.split('/').enumerate().filter(|(_, segment)| !segment.is_empty());
        let segments: Vec<(usize, &str)> = given.take(5).collect();
        let is = |at: usize, word: &str| {
            segments.get(at).is_some_and(|(_, segment)| unescaped(segment).eq_ignore_ascii_case(word.as_bytes()))
        };
        let place = |at: usize| segments.get(at).map(|(place, _)| *place);
        if is(0, "qnamaker") {
            let version = segments.get(1).is_some_and(|(_, segment)| segment.starts_with(['v', 'V']));
            let base = if version { 2 } else { 1 };
            let fits = is(base, "knowledgebases") && (is(base + 2, "generateAnswer") || is(base + 2, "train"));
            return place(base + 1).filter(|_| fits).map(Self::KnowledgeBase);
        }
        if !is(0, "language") {
            return None;
        }
        if is(1, ":query-knowledgebases") {
            return Some(Self::Language);
        }
        let feedback = is(1, "query-knowledgebases") && is(2, "projects") && is(4, "feedback");
        place(3).filter(|_| feedback).map(Self::Feedback)
    }
}

fn with_segment(path: &str, at: usize, id: &str) -> String {
    let mut segments: Vec<&str> = path.split('/').collect();
    let id = escaped(id);
    if let Some(segment) = segments.get_mut(at) {
        *segment = &id;
    }
    segments.join("/")
}

/// The query with each of `sets` in the place where it stood first, and nowhere else; what was not there comes last.
fn with_parameters<'a>(query: Option<&'a str>, sets: &[(&str, &str)], keyed: bool) -> Option<Cow<'a, str>> {
    let named = |pair: &str, name: &str| {
        unescaped(pair.split('=').next().unwrap_or_default()).eq_ignore_ascii_case(name.as_bytes())
    };
    let foreign = |pair: &str| keyed && named(pair, SUBSCRIPTION_KEY);
    let untouched = sets.is_empty() && !query.is_some_and(|query| query.split('&').any(foreign));
    if untouched {
        return query.map(Cow::Borrowed);
    }
    let mut done = vec![false; sets.len()];
    let mut pairs: Vec<Cow<'_, str>> = Vec::new();
    let given = query.filter(|query| !query.is_empty());
    for pair in given.into_iter().flat_map(|query| query.split('&')).filter(|pair| !foreign(pair)) {
        match sets.iter().position(|(name, _)| named(pair, name)) {
            None => pairs.push(pair.into()),
            Some(at) if done[at] => {}
            Some(at) => {
                done[at] = true;
                let name = pair.split('=').next().unwrap_or_default();
                pairs.push(format!("{name}={}", escaped(sets[at].1)).into());
            }
        }
    }
    let missing = sets.iter().zip(&done).filter(|(_, done)| !**done);
    pairs.extend(missing.map(|((name, value), _)| format!("{name}={}", escaped(value)).into()));
    (!pairs.is_empty()).then(|| pairs.join("&").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(kb: Option<&str>, project: Option<&str>, deployment: Option<&str>, keyed: bool) -> QuestionConfig {
        let own = |text: Option<&str>| text.map(str::to_owned);
        QuestionConfig { kb: own(kb), project: own(project), deployment: own(deployment), keyed }
    }

    fn target(identity: &QuestionConfig, target: &str) -> String {
        let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let (path, query) = rewritten(identity, path, query);
        query.map_or_else(|| path.to_string(), |query| format!("{path}?{query}"))
    }

    #[test]
    fn the_knowledge_base_is_replaced_and_the_rest_of_the_path_stays_as_sent() {
        let weu = identity(Some("2f8c/ä"), None, None, false);
        for (sent, wanted) in [
            ("/qnamaker/knowledgebases/main/generateAnswer", "/qnamaker/knowledgebases/2f8c%2F%C3%A4/generateAnswer"),
            (
                "/QnAMaker/knowledgeBases/x%20y/generateanswer?a=%2f",
                "/QnAMaker/knowledgeBases/2f8c%2F%C3%A4/generateanswer?a=%2f",
            ),
            (
                "/qnamaker/v5.0-preview.1/knowledgebases/x/generateAnswer/",
                "/qnamaker/v5.0-preview.1/knowledgebases/2f8c%2F%C3%A4/generateAnswer/",
            ),
            ("/qnamaker/knowledgebases/x/train", "/qnamaker/knowledgebases/2f8c%2F%C3%A4/train"),
            // An escape in the path is no way around it.
            (
                "/%71namaker/knowledgebases/x/generate%41nswer",
                "/%71namaker/knowledgebases/2f8c%2F%C3%A4/generate%41nswer",
            ),
        ] {
            assert_eq!(target(&weu, sent), wanted);
        }
    }

    #[test]
    fn what_is_no_question_passes_byte_for_byte() {
        let weu = identity(Some("kb"), Some("p"), Some("d"), true);
        for sent in [
            "/",
            "/qnamaker/knowledgebases/x",
            "/qnamaker/knowledgebases//generateAnswer",
            "/qnamaker/knowledgebasesx/x/generateAnswer",
            "/x/qnamaker/knowledgebases/x/generateAnswer",
            "/language/:query-text?projectName=x",
            "/language/query-knowledgebases/projects/x/deployments?projectName=x",
            "/languages/:query-knowledgebases?&&projectName",
            "/a%2?b=%&&c",
        ] {
            assert_eq!(target(&weu, sent), sent);
        }
        let nobody = QuestionConfig::default();
        let sent = "/language/:query-knowledgebases?projectName=x&subscription-key=K";
        assert_eq!(target(&nobody, sent), sent, "no identity, no key: nothing to replace");
    }

    #[test]
    fn project_and_deployment_are_replaced_in_place() {
        let weu = identity(None, Some("faq weu"), Some("prod&1"), false);
        for (sent, wanted) in [
            (
                "/language/:query-knowledgebases?projectName=faq&deploymentName=production&api-version=2021-10-01",
                "projectName=faq%20weu&deploymentName=prod%261&api-version=2021-10-01",
            ),
            (
                "/Language/%3aQuery-KnowledgeBases?api-version=2021-10-01&DEPLOYMENTNAME=x&&z=%2F&projectname=",
                "api-version=2021-10-01&DEPLOYMENTNAME=prod%261&&z=%2F&projectname=faq%20weu",
            ),
            ("/language/:query-knowledgebases", "projectName=faq%20weu&deploymentName=prod%261"),
            ("/language/:query-knowledgebases?", "projectName=faq%20weu&deploymentName=prod%261"),
            (
                "/language/:query-knowledgebases?projectName=a&x=1&project%4eame=b&deploymentName=c&projectName",
                "projectName=faq%20weu&x=1&deploymentName=prod%261",
            ),
        ] {
            let path = sent.split('?').next().unwrap_or_default();
            assert_eq!(target(&weu, sent), format!("{path}?{wanted}"));
        }
        let feedback = "/language/query-knowledgebases/projects/faq/feedback?api-version=1";
        assert_eq!(target(&weu, feedback), feedback.replace("/faq/", "/faq%20weu/"));
    }

    #[test]
    fn slashes_that_a_service_passes_over_hide_nothing_from_the_rewrite() {
        let weu = identity(Some("2f8c"), Some("faq"), None, true);
        for (sent, wanted) in [
            ("/qnamaker//knowledgebases/other/generateAnswer", "/qnamaker//knowledgebases/2f8c/generateAnswer"),
            ("//qnamaker/knowledgebases//other//generateAnswer/", "//qnamaker/knowledgebases//2f8c//generateAnswer/"),
            ("//////////qnamaker/knowledgebases/other/train", "//////////qnamaker/knowledgebases/2f8c/train"),
            ("/language//:query-knowledgebases?projectName=x", "/language//:query-knowledgebases?projectName=faq"),
        ] {
            assert_eq!(target(&weu, sent), wanted);
        }
    }

    #[test]
    fn what_the_backend_has_no_value_for_stays_the_clients() {
        let weu = identity(None, Some("faq"), None, false);
        let sent = "/language/:query-knowledgebases?projectName=x&deploymentName=test";
        assert_eq!(target(&weu, sent), sent.replace("=x", "=faq"));
    }

    #[test]
    fn a_clients_key_in_the_query_does_not_reach_a_backend_that_has_its_own() {
        let keyed = identity(None, None, None, true);
        for (sent, wanted) in [
            ("/x?subscription-key=K", "/x"),
            ("/x?a=1&Subscription-Key=K&b=2", "/x?a=1&b=2"),
            ("/x?a=1&subscription%2Dkey=K&subscription-key", "/x?a=1"),
            ("/x?a=subscription-key", "/x?a=subscription-key"),
        ] {
            assert_eq!(target(&keyed, sent), wanted);
        }
        assert_eq!(target(&identity(Some("k"), None, None, false), "/x?subscription-key=K"), "/x?subscription-key=K");
    }
}
