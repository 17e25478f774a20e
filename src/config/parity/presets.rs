//! The services that botgate knows: where the telling value stands, and how it compares unless the check says otherwise.

use std::time::Duration;

use super::raw::RawPreset;
use super::types::{Against, Difference, ParityRule, Take};

/// What a preset fills in.
pub(super) struct Preset {
    /// Path and query; `{of}` stands for what the check is about.
    pub(super) path: &'static str,
    pub(super) take: Take,
    pub(super) rule: ParityRule,
    pub(super) unit: &'static str,
    /// What `of` names; none where the path has no place for it.
    pub(super) of: Option<&'static str>,
    /// Whether the service may be the backend itself, which is asked where no companion is named.
    pub(super) of_backend: bool,
}

/// What a preset stands for.
pub(super) fn preset(preset: RawPreset) -> Preset {
    const HOUR: Duration = Duration::from_secs(3600);
    let json = |pointer: &str| Take::Json(pointer.to_owned());
    let published = ParityRule::MaxLag { lag: HOUR, against: Against::Active };
    let about_as_many = ParityRule::MaxDifference(Difference::Share(0.01));
    match preset {
        // A plain integer, behind a byte order mark.
        RawPreset::AiSearchCount => Preset {
            path: "/indexes/{of}/docs/$count?api-version=2023-11-01",
            take: Take::Body,
            rule: about_as_many,
            unit: "documents",
            of: Some("index"),
            of_backend: false,
        },
        RawPreset::AiSearchStats => Preset {
            path: "/indexes/{of}/stats?api-version=2023-11-01",
            take: json("/documentCount"),
            rule: about_as_many,
            unit: "documents",
            of: Some("index"),
            of_backend: false,
        },
        RawPreset::CustomQuestionAnswering => Preset {
            path: "/language/query-knowledgebases/projects/{of}/deployments?api-version=2021-10-01",
            take: json("/value/*/lastDeployedDateTime"),
            rule: published,
            unit: "",
            of: Some("project"),
            of_backend: true,
        },
        RawPreset::QnaMaker => Preset {
            path: "/qnamaker/v4.0/knowledgebases/{of}",
            take: json("/lastPublishedTimestamp"),
            rule: published,
            unit: "",
            of: Some("knowledge base"),
            of_backend: false,
        },
        // Replication promises nothing, but is usually within 15 minutes.
        RawPreset::BlobGeoReplication => Preset {
            path: "/?restype=service&comp=stats",
            take: Take::Xml("GeoReplication/LastSyncTime".to_owned()),
            rule: ParityRule::MaxLag { lag: HOUR / 4, against: Against::Now },
            unit: "",
            of: None,
            of_backend: false,
        },
        RawPreset::CosmosRegions => Preset {
            path: "/",
            take: json("/readableLocations/*/name"),
            rule: ParityRule::Equal,
            unit: "",
            of: None,
            of_backend: false,
        },
    }
}
