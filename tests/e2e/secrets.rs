//! A search of everything that a gateway writes or tells, for what it must never write or tell.

use std::path::Path;

use super::support::client::get;
use super::support::{Gateway, Site};

/// A gateway to be searched, and where it keeps its files.
pub struct Search<'a> {
    gateway: &'a Gateway,
    site: &'a Site,
    more: Vec<(String, String)>,
}

impl<'a> Search<'a> {
    /// Starts a gateway that logs all it can.
    pub async fn gateway(site: &Site, config: &str) -> Gateway {
        Gateway::start_in(site, config, &[("BOTGATE_LOG", "debug")]).await
    }

    /// A search of this gateway; its files are those below the site, but for its config.
    pub fn new(gateway: &'a Gateway, site: &'a Site) -> Self {
        Self { gateway, site, more: Vec::new() }
    }

    /// Searches this text too, of which there must be some.
    #[must_use]
    pub fn and(mut self, name: &str, text: String) -> Self {
        assert!(!text.is_empty(), "there is nothing to search in {name}");
        self.more.push((name.to_owned(), text));
        self
    }

    /// Looks for these texts and their halves in standard output and error, the access log, the journal, the
    /// metrics, and every GET of the admin API.
    ///
    /// # Panics
    /// With all the places where one was found, and when there was little to search.
    pub async fn finds_none_of(&self, secrets: &[String]) {
        let mut places = self.files();
        places.extend(self.more.iter().cloned());
        places.push(("standard output".to_owned(), self.gateway.process.stdout().join("\n")));
        for path in self.paths().await {
            let reply = get(self.gateway.admin(), &path).await.unwrap();
            places.push((format!("GET {path}"), reply.text()));
        }
        let searched: usize = places.iter().map(|(_, text)| text.len()).sum();
        println!("searched {} places, {searched} bytes, for {} secrets", places.len(), secrets.len());
        for (name, least) in [("stderr", 1000), ("access.log", 1000), ("journal.db", 1000), ("GET /metrics", 1000)] {
            let size: usize = places.iter().filter(|(place, _)| place.contains(name)).map(|(_, text)| text.len()).sum();
            assert!(size >= least, "there is little to search in {name}: {size} bytes");
        }
        let mut found = Vec::new();
        for (place, text) in &places {
            for secret in secrets {
                // Half of a key is a key half guessed; and a value may be cut where it is shown.
                let (first, second) = secret.split_at(secret.len() / 2);
                for part in [secret.as_str(), first, second] {
                    if let Some(at) = text.find(part) {
                        let line = text[..at].lines().count();
                        found.push(format!("{place}, line {line}: {part}"));
                    }
                }
            }
        }
        assert!(found.is_empty(), "secrets were found:\n{}", found.join("\n"));
    }

    /// Every file that the gateway wrote.
    fn files(&self) -> Vec<(String, String)> {
        let mut files = Vec::new();
        let mut folders = vec![self.site.dir().join("state")];
        let written = |path: &Path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name.starts_with("gateway-") && name.ends_with(".stderr")) || name.starts_with("access.log")
        };
        let mut paths: Vec<_> = entries(self.site.dir()).into_iter().filter(|path| written(path)).collect();
        while let Some(folder) = folders.pop() {
            for path in entries(&folder) {
                if path.is_dir() { folders.push(path) } else { paths.push(path) }
            }
        }
        for path in paths {
            let bytes = std::fs::read(&path).unwrap_or_default();
            files.push((path.display().to_string(), String::from_utf8_lossy(&bytes).into_owned()));
        }
        files
    }

    /// Every GET that the admin API describes, for every pool, and what stands beside it.
    async fn paths(&self) -> Vec<String> {
        let described = self.gateway.api("/api/v1/openapi.json").await;
        let pools = self.gateway.pools().await;
        let pools: Vec<&str> = pools.as_array().unwrap().iter().filter_map(|pool| pool["name"].as_str()).collect();
        let mut paths: Vec<String> =
            ["/", "/metrics", "/healthz", "/readyz", "/api/v1/openapi.json"].map(str::to_owned).into();
        for (path, methods) in described["paths"].as_object().unwrap() {
            // A stream has no end.
            let is_stream = methods["get"]["responses"]["200"]["content"].get("text/event-stream").is_some();
            if methods.get("get").is_none() || is_stream {
                continue;
            }
            paths.extend(pools.iter().map(|pool| path.replace("{pool}", pool)));
        }
        paths.sort();
        paths.dedup();
        paths
    }
}

fn entries(folder: &Path) -> Vec<std::path::PathBuf> {
    std::fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect()
}
