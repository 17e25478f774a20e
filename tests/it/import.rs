//! `botgate import`: what Azure says of itself becomes a config that `botgate check` takes.

use crate::support::process::run;
use crate::support::site::Site;
use crate::support::wait::together;

fn sample(name: &str) -> String {
    format!("{}/tests/support/arm/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[tokio::test]
async fn what_is_imported_passes_check_once_its_certificates_are_there() {
    let _machine = together().await;
    let site = Site::new();
    std::fs::create_dir(site.path("certs")).unwrap();
    for name in ["bot.pem", "bot.key"] {
        std::fs::copy(site.path(name), site.path("certs").join(name)).unwrap();
    }
    for (from, document, note) in [
        (
            "traffic-manager",
            "traffic-manager-template.json",
            "note: rest: the endpoints of the nested profile contoso-eu",
        ),
        ("traffic-manager", "traffic-manager-show.json", "note: contoso-qna: its routing method is Performance"),
        ("front-door", "front-door-template.json", "note: waf: the web application firewall does not carry over"),
    ] {
        let (code, config, said) = run(&["import", from, &sample(document)]);
        assert_eq!(code, Some(0), "{document}: {said}");
        assert!(said.contains(note), "{document}: {said}");
        let path = site.write("imported.toml", &config).to_str().unwrap().to_owned();
        let (code, out, err) = run(&["check", "--config", &path]);
        assert_eq!(code, Some(0), "{document}: {out}{err}\n{config}");
    }
}

#[test]
fn what_cannot_be_imported_says_why_and_ends_with_2() {
    let (code, out, said) = run(&["import", "front-door", &sample("traffic-manager-show.json")]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(said.contains("cannot be imported: there is no origin group"), "{said}");
    let (code, _, said) = run(&["import", "traffic-manager", "/nonexistent.json"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("cannot read /nonexistent.json"), "{said}");
    // Standard input is empty here.
    let (code, _, said) = run(&["import", "traffic-manager", "-"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("it is no JSON: line 1"), "{said}");
}
