use super::*;

const SECRET: &str = "hunter2-s3cr3t";

/// Everything that anybody can see of a result.
pub(super) fn visible(result: &Result<Loaded, Report>) -> String {
    match result {
        Ok(loaded) => {
            let warnings = &loaded.warnings;
            format!("{loaded:?}\n{:#?}\n{warnings}\n{}", loaded.config, serde_json::to_string(warnings).unwrap())
        }
        Err(report) => {
            format!("{report}\n{report:?}\n{}\n{}", report.render(true), serde_json::to_string(report).unwrap())
        }
    }
}

#[test]
fn a_secret_is_never_shown() {
    let admin = |text: &str| format!("{LEAST}[admin]\n{text}\n");
    let backend = |text: &str| format!("{LEAST}{text}\n");
    let texts = [
        admin("token = \"hunter2-s3cr3t\""),
        admin("token = \"hunter2-s3cr3t\"\nbind = 5"),
        admin("token = \"hunter2-s3cr3t with space\""),
        admin("token = \"hunter2-s3cr3t ${NOT_SET}\""),
        admin("token = \"${SECRET\""),
        admin("token = \"${hunter2-s3cr3t}\""),
        admin("token = [\"hunter2-s3cr3t\"]"),
        admin(
            "tokens = [{ name = \"a\", role = \"viewer\", token = \"hunter2-s3cr3t\" }, { token = \"hunter2-s3cr3t\" }]",
        ),
        admin("tokens = [{ name = \"a\", role = \"viewer\", token = \"hunter2-s3cr3t\" }"),
        admin("tokens = [{ name = \"a\", rle = \"hunter2-s3cr3t\", token = \"hunter2-s3cr3t x\" }]"),
        admin("tokens.a.token = \"hunter2-s3cr3t\""),
        admin("tokens = { a = \"hunter2-s3cr3t\" }"),
        admin("tokens = \"hunter2-s3cr3t\""),
        admin("tokens = [\"hunter2-s3cr3t\"]"),
        admin("tokens = [[{ token = \"hunter2-s3cr3t\" }]]"),
        admin("role = [\"hunter2-s3cr3t\"]\nbind = [\"hunter2-s3cr3t\"]"),
        admin("tokn = \"hunter2-s3cr3t\""),
        admin("token = { fil = \"hunter2-s3cr3t\" }"),
        admin("token = \"hunter2-s3cr3t"),
        admin("token = hunter2-s3cr3t"),
        admin("token = \"\"\"\nhunter2-s3cr3t\n\"\"\"\nbind = 1"),
        admin("token = \"${SECRET}\"\ntoken = \"hunter2-s3cr3t\""),
        admin("token = \"hunter2-s3cr3t\" trailing"),
        backend("headers = { Authorization = \"Key hunter2-s3cr3t\", \"bad name\" = \"hunter2-s3cr3t\" }"),
        backend("headers = { Authorization = \"${SECRET}\\n\" }"),
        backend("headers = { Authorization = \"hunter2-s3cr3t\", x = 1 "),
        backend("headers = \"hunter2-s3cr3t\""),
        LEAST.replace("https://a", "https://user:hunter2-s3cr3t@a"),
        LEAST.replace("https://a.example", "https://a.example/?key=hunter2-s3cr3t"),
        LEAST.replace("url =", "ur ="),
    ];
    let env = |name: &str| (name == "SECRET").then(|| SECRET.to_owned());
    for text in texts {
        let seen = visible(&parse("botgate.toml", &text, Path::new(""), &env));
        assert!(!seen.contains(SECRET), "{text}\n---\n{seen}");
    }
}

#[test]
fn a_missing_variable_is_named_and_an_escaped_one_is_not_looked_up() {
    let text = format!("{LEAST}  headers = {{ A = \"${{GONE}}\", B = \"$${{GONE}}\", C = \"${{EMPTY}}\" }}\n");
    let env = |name: &str| (name == "EMPTY").then(String::new);
    let report = parse("botgate.toml", &text, Path::new(""), &env).unwrap_err();
    let lines = report.lines();
    assert_eq!(lines.len(), 2, "{report}");
    assert!(lines[0].contains("pool[0].backend[0].headers.A: the environment variable GONE is not set (set GONE,"));
    assert!(lines[1].contains("the environment variable EMPTY is empty"));
}

#[test]
fn a_secret_can_come_from_a_file_which_is_then_watched() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("token"), "from-file\n").unwrap();
    let text = format!("{LEAST}[admin]\ntoken = {{ file = \"token\" }}\n");
    let loaded = in_directory(&text, directory.path()).unwrap();
    assert_eq!(loaded.config.admin.token.as_deref(), Some("from-file"));
    assert_eq!(loaded.warnings.files, [directory.path().join("token")]);
    std::fs::write(directory.path().join("token"), "\n").unwrap();
    assert!(in_directory(&text, directory.path()).unwrap_err().to_string().contains("is empty"));
}
