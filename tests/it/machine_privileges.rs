//! Privileges: taken to bind, dropped for good. Only root can show it; who is not root has none to drop.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

use crate::support::backend::Backend;
use crate::support::client::Protocol;
use crate::support::process::run;
use crate::support::site::{PROBE, Site};
use crate::support::wait::together;
use crate::support::{Gateway, Outcome};

/// The user and group that every system has for those who may do nothing.
const NOBODY: &str = "65534";

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn config(site: &Site, backend: &Backend) -> String {
    format!("user = \"{NOBODY}\"\n{}", site.config(PROBE, &[backend]))
}

/// The values of a line of `/proc/…/status` of every thread.
fn of_all_threads(gateway: &Gateway, line: &str) -> Vec<Vec<String>> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", gateway.process.pid())).unwrap();
    let status = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("status")).unwrap_or_default();
    let texts: Vec<String> = tasks.map(|task| status(task.unwrap())).collect();
    let values = |text: &String| {
        let found = text.lines().find_map(|it| it.strip_prefix(line)).unwrap_or_default();
        found.split_whitespace().map(str::to_owned).collect()
    };
    texts.iter().filter(|text| !text.is_empty()).map(values).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn started_by_root_every_thread_goes_on_as_the_user_and_a_reload_still_works() -> Outcome<()> {
    let _machine = together().await;
    if !is_root() {
        println!("not root: there is nothing to drop");
        return Ok(());
    }
    let site = Site::new();
    std::fs::set_permissions(site.dir(), Permissions::from_mode(0o755))?;
    for key in ["bot.key", "other.key"] {
        chown(site.path(key), None, Some(65534))?;
        std::fs::set_permissions(site.path(key), Permissions::from_mode(0o640))?;
    }
    let one = Backend::start("one").await;
    let mut gateway = Gateway::start(&site, &config(&site, &one)).await;
    let threads = of_all_threads(&gateway, "Uid:");
    assert!(threads.len() >= 6, "{threads:?}");
    for line in ["Uid:", "Gid:"] {
        for ids in of_all_threads(&gateway, line) {
            assert_eq!(ids, [NOBODY; 4], "{line} real, effective, saved, file system");
        }
    }
    for groups in of_all_threads(&gateway, "Groups:") {
        assert_eq!(groups, [NOBODY], "root's other groups are gone");
    }
    for capabilities in of_all_threads(&gateway, "CapEff:") {
        assert_eq!(capabilities, ["0000000000000000"]);
    }
    assert_eq!(gateway.client(&site, Protocol::H2).await.get("/").await?.status, 200);
    let journal = site.path("state/journal.db").metadata()?;
    assert_eq!((journal.uid(), journal.gid()), (65534, 65534));
    assert_eq!(gateway.reload().await["result"], "applied");
    assert!(gateway.metric("process_open_fds", &[]).await > 10.0, "what a process may not ask of itself is not told");
    assert_eq!(gateway.stop().await.code(), Some(0));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_only_root_can_read_would_fail_at_the_next_reload_so_it_fails_at_once() -> Outcome<()> {
    let _machine = together().await;
    if !is_root() {
        return Ok(());
    }
    let site = Site::new();
    std::fs::set_permissions(site.dir(), Permissions::from_mode(0o755))?;
    std::fs::set_permissions(site.path("bot.key"), Permissions::from_mode(0o600))?;
    let one = Backend::start("one").await;
    let path = site.write("botgate.toml", &config(&site, &one));
    let (code, _, said) = run(&["run", "--config", path.to_str().unwrap()]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("bot.key") && said.contains("chown") && !said.contains("other.key, "), "{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_that_is_not_there_is_said_before_anything_is_bound() -> Outcome<()> {
    let _machine = together().await;
    let site = Site::new();
    let one = Backend::start("one").await;
    let path = site.write("botgate.toml", &format!("user = \"no-such-user\"\n{}", site.config(PROBE, &[&one])));
    let (code, out, said) = run(&["run", "--config", path.to_str().unwrap()]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(said.contains("no-such-user") && said.contains("useradd"), "{said}");
    Ok(())
}
