//! What a probe of a question-answering service means.

use super::check_path;
use crate::config::findings::Place;
use crate::config::raw_probe::RawProbeTable;
use crate::config::resolve::Outside;
use crate::config::types_backend::BackendConfig;
use crate::config::types_probe::{ProbeConfig, ProbeKind, QuestionProbe};

/// The probe; none when it does not say what is asked, or what is to be answered.
pub(super) fn validate(place: &Place<'_>, raw: &RawProbeTable, outside: &Outside<'_>) -> Option<QuestionProbe> {
    let given = |name: &str, raw: &Option<String>, hint: &str| {
        let text = raw.clone().filter(|text| !text.trim().is_empty());
        // What is wrong was cut out, and reported.
        if text.is_none() && !place.key(name).is_reported() {
            place.key(name).absent(format!("a probe of kind \"question\" needs a `{name}`"), hint);
        }
        text
    };
    let question = given("question", &raw.question, "question = \"…\": one whose answer is known");
    let contains = given("contains", &raw.contains, "contains = \"…\": a text that the right answer holds");
    if let Some(path) = &raw.path {
        check_path(place, path);
    }
    Some(QuestionProbe {
        question: question?,
        contains: contains?,
        min_score: raw.min_score,
        path: raw.path.clone(),
        headers: outside.headers(&place.key("headers"), raw.headers.as_ref()),
    })
}

/// Reports backends that cannot be asked: they do not say what their knowledge base or project is.
pub(in crate::config) fn check_backends(place: &Place<'_>, probe: Option<&ProbeConfig>, backends: &[BackendConfig]) {
    let Some(ProbeConfig { kind: ProbeKind::Question(_), .. }) = probe else { return };
    let nameless = |backend: &&BackendConfig| backend.question.kb.is_none() && backend.question.project.is_none();
    if let Some(backend) = backends.iter().find(nameless)
        && !place.is_broken()
    {
        let message =
            format!("the backend {} has neither `kb` nor `project`: nobody knows how to ask it", backend.name);
        place
            .key("probe")
            .key("kind")
            .error(message, "kb = \"…\" for QnA Maker, project = \"…\" for custom question answering");
    }
}
