use super::secrets::visible;
use super::*;
use crate::config::QuestionConfig;

const SECRET: &str = "hunter2-s3cr3t";

/// A pool of question answering; each text is the keys of one backend.
fn pool(backends: &[&str]) -> String {
    let head = LEAST.split("  [[pool.backend]]").next().unwrap_or_default();
    let mut text = format!("{head}kind = \"question-answering\"\n");
    for (name, keys) in ["weu", "neu"].iter().zip(backends) {
        text += &format!("[[pool.backend]]\nname = \"{name}\"\nurl = \"https://{name}.example\"\n{keys}\n");
    }
    text
}

#[test]
fn four_keys_give_a_region_its_identity() {
    let text = pool(&["kb = \"2f8c\"\nproject = \"faq weu\"\ndeployment = \"production\"\nkey = \"${QNA_WEU_KEY}\""]);
    let backend = bare(&text).unwrap().config.pools.remove(0).backends.remove(0);
    let own = |text: &str| Some(text.to_owned());
    let wanted =
        QuestionConfig { kb: own("2f8c"), project: own("faq weu"), deployment: own("production"), keyed: true };
    assert_eq!(backend.question, wanted);
    let headers: Vec<(&str, &[u8])> =
        backend.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    assert_eq!(
        headers,
        [
            ("authorization", &b"EndpointKey value-of-QNA_WEU_KEY"[..]),
            ("ocp-apim-subscription-key", &b"value-of-QNA_WEU_KEY"[..])
        ]
    );
    assert!(backend.headers.iter().all(|(_, value)| value.is_sensitive()));
}

#[test]
fn backends_that_lack_what_the_others_have_are_a_warning() {
    let found = problems(&pool(&["kb = \"a\"\nkey = \"K\"", "kb = \"b\""]));
    let [only] = found.as_slice() else { panic!("{found:?}") };
    assert!(only.contains("warning: pool[0].backend[1].key: \"neu\" has no `key`, and \"weu\" has one: "), "{only}");
    let found = problems(&pool(&["project = \"a\"", "kb = \"b\"\ndeployment = \"d\""]));
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(problems(&pool(&["kb = \"a\"\nkey = \"K\"", "kb = \"b\"\nkey = \"K2\""])).is_empty());
    let bot = pool(&["key = \"K\""]).replace("question-answering", "bot");
    assert!(problems(&bot).iter().any(|line| line.contains("in place of its channel's token")));
    // What could not be read is reported as such, once.
    let found = problems(&pool(&["key = \"K\"", "key = \"${\""]));
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn mistakes_in_an_identity_are_placed_and_hinted() {
    for (keys, message) in [
        ("kb = \"..\"", "pool[0].backend[0].kb: \"..\" names nothing"),
        ("project = \" \"", "pool[0].backend[0].project: \" \" names nothing"),
        ("key = \"a b\"", "pool[0].backend[0].key: the key cannot be sent in a header"),
        ("key = \"K\"\nheaders = { Authorization = \"x\" }", "key: `headers` has authorization already"),
        ("keys = \"K\"", "pool[0].backend[0].keys: unknown key `keys` (did you mean `key`?)"),
        ("key = { file = \"gone\" }", "cannot read the secret file /nonexistent/gone"),
    ] {
        let found = problems(&pool(&[keys]));
        let [only] = found.as_slice() else { panic!("{keys}: {found:?}") };
        assert!(only.contains(message), "{keys}: {only}");
    }
}

#[test]
fn a_key_is_never_shown() {
    for keys in [
        "key = \"hunter2-s3cr3t\"",
        "key = \"hunter2-s3cr3t x\"",
        "key = \"hunter2-s3cr3t\"\nheaders = { Authorization = \"hunter2-s3cr3t\" }",
        "key = { fil = \"hunter2-s3cr3t\" }",
        "key = [\"hunter2-s3cr3t\"]",
        "key = \"hunter2-s3cr3t",
        "key = hunter2-s3cr3t",
        "kee = \"hunter2-s3cr3t\"",
    ] {
        let seen = visible(&bare(&pool(&[keys, "url = 5"])));
        assert!(!seen.contains(SECRET), "{keys}\n---\n{seen}");
        let seen = visible(&bare(&pool(&[keys, ""])));
        assert!(!seen.contains(SECRET), "{keys}\n---\n{seen}");
    }
}
