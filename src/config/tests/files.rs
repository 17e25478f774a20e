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

#[test]
fn mistakes_around_client_certificates_stapling_and_hsts_are_told() {
    let directory = directory();
    let shown = "certificates = [{ chain = \"certs/bot.pem\", key = \"certs/bot.key\" }]";
    let report = |keys: &str| match in_directory(&LEAST.replace("tls = false", keys), directory.path()) {
        Ok(loaded) => loaded.warnings.lines().join("\n"),
        Err(report) => report.lines().join("\n"),
    };
    for (keys, expected) in [
        ("client_ca = \"certs/none.pem\"", "listener[0].client_ca: cannot read "),
        ("client_ca = \"certs/bot.key\"", "listener[0].client_ca: "),
        ("client_ca = \"certs/bot.pem\"\nclient_crl = [\"certs/bot.pem\"]", "holds no certificate revocation list"),
        ("client_auth = \"request\"", "listener[0].client_auth: no client certificate is asked for without a CA"),
        ("client_header = true", "listener[0].client_header: there is no certificate to tell of"),
        ("cipher_order = \"server\"", "cipher_order"),
        ("ocsp = \"fetch\"", "listener[0].certificates[0]: warning"),
        ("hsts = \"1h\"", "warning: listener[0].hsts: 1h protects nobody who comes more rarely"),
        ("hsts = { max_age = \"30d\", preload = true }", "listener[0].hsts.preload: browsers do not build in"),
        ("hsts = \"soon\"", "listener[0].hsts: "),
    ] {
        let told = report(&format!("{shown}\n{keys}"));
        let expected = expected.replace("listener[0].certificates[0]: warning", "nothing can be stapled: ");
        assert!(told.contains(&expected), "{keys}\n{told}");
    }
    let told = report("tls = false\nhsts = \"365d\"\nocsp = \"off\"\ncipher_order = \"fast\"");
    assert!(told.contains("listener[0].hsts: a listener with tls = false has no use for it"), "{told}");
    assert!(told.contains("listener[0].cipher_order: a listener with tls = false has no use for it"), "{told}");
    assert!(told.contains("listener[0].ocsp: a listener with tls = false has no use for it"), "{told}");
    let stapled = shown.replace(" }]", ", ocsp = \"certs/bot.key\" }]");
    let told = report(&stapled);
    assert!(
        told.contains("nothing can be stapled: ") && told.contains("append the certificate of its issuer"),
        "{told}"
    );
}

#[cfg(unix)]
#[test]
fn a_key_that_others_can_read_or_replace_is_warned_of() {
    use std::os::unix::fs::PermissionsExt;
    let directory = directory();
    let shown = "certificates = [{ chain = \"certs/bot.pem\", key = \"certs/bot.key\" }]";
    for (mode, expected) in
        [(0o600, ""), (0o640, "can be read by"), (0o604, "can be read by"), (0o620, "can be replaced by")]
    {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(directory.path().join("certs/bot.key"), permissions).unwrap();
        let warnings = in_directory(&LEAST.replace("tls = false", shown), directory.path()).unwrap().warnings;
        let told = warnings.lines().join("\n");
        assert_eq!(told.is_empty(), expected.is_empty(), "{mode:o}: {told}");
        assert!(told.contains(expected), "{mode:o}: {told}");
    }
    let key = directory.path().join("certs/bot.key");
    std::fs::set_permissions(key, std::fs::Permissions::from_mode(0o640)).unwrap();
    let text = format!("user = \"botgate\"\ngroup = \"ssl-cert\"\n{}", LEAST.replace("tls = false", shown));
    let warnings = in_directory(&text, directory.path()).unwrap().warnings;
    assert!(warnings.is_empty(), "a group that the config names may read: {:?}", warnings.lines());
}
