use super::*;

#[test]
fn bad_certificates_say_which_file_and_what_to_do() {
    let directory = directory();
    write_certificate(directory.path(), "other", |_| {});
    let certs = directory.path().join("certs");
    let key = std::fs::read_to_string(certs.join("bot.key")).unwrap();
    std::fs::write(certs.join("empty"), "").unwrap();
    std::fs::write(certs.join("broken"), &key[..key.len() / 2]).unwrap();
    let rubbish = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    std::fs::write(certs.join("rubbish"), rubbish).unwrap();
    let cases = [
        ("bot.pem", "other.key", "other.key does not belong to the first certificate in "),
        ("bot.pem", "missing", "cannot read "),
        ("empty", "bot.key", "empty holds no certificate"),
        ("bot.pem", "empty", "empty holds no private key"),
        ("bot.pem", "bot.pem", "bot.pem holds no private key"),
        ("bot.pem", "broken", "broken is malformed: a block has no end"),
        ("rubbish", "bot.key", "rubbish is malformed: no X.509 certificate"),
    ];
    for (chain, file, expected) in cases {
        let line = format!("certificates = [{{ chain = \"certs/{chain}\", key = \"certs/{file}\" }}]");
        let report = in_directory(&LEAST.replace("tls = false", &line), directory.path()).unwrap_err();
        let [problem] = report.problems.as_slice() else { panic!("{report}") };
        let secret = key.lines().nth(1).unwrap();
        let message = problem.message.replace(" the private key in ", "");
        assert!(message.contains(expected) && problem.hint.is_some(), "{report}");
        assert!(!report.to_string().contains(secret));
        assert_eq!(problem.position.as_ref().map(|at| (at.line, at.column)), Some((4, 17)));
        for name in [chain, file] {
            assert!(report.files.contains(&certs.join(name)), "{name} is not watched: {:?}", report.files);
        }
    }
}

#[test]
fn a_file_that_is_not_there_or_not_text_is_an_error_without_a_place() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("botgate.toml");
    let report = super::super::load(&path).unwrap_err();
    assert!(report.to_string().starts_with("error: cannot read "), "{report}");
    assert_eq!(report.files, std::slice::from_ref(&path));
    std::fs::write(&path, b"a = 1\nb = \"\xff\"\n").unwrap();
    let report = super::super::load(&path).unwrap_err();
    assert!(report.to_string().contains("is not UTF-8, from line 2 on"), "{report}");
    std::fs::write(&path, LEAST).unwrap();
    assert_eq!(super::super::load(&path).unwrap().warnings.files, [path]);
}
