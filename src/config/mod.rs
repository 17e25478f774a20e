//! Text → raw → validated [`Config`]; every error at once, with line, column, key and hint.
//!
//! One pass: `text` reads TOML into a tree that knows its positions; `shape` holds it against the schema made of the
//! `raw` types, reports what does not fit and cuts it out; what is left is decoded, and `validate` (with `pool`,
//! `policy`, `follow`, `backend`, `probe`) checks what it means. `mask` keeps secrets out of what a report shows.

mod address;
mod backend;
mod certificate;
mod defaulted;
mod findings;
mod follow;
mod guard;
mod guard_tokens;
mod limits;
mod load;
mod mask;
mod parity;
mod policy;
mod pool;
mod pool_names;
mod presets;
mod probe;
mod question;
mod raw;
mod raw_guard;
mod raw_limits;
mod raw_policy;
mod raw_pool;
mod raw_probe;
mod raw_script;
mod raw_tls;
mod raw_tunnel;
mod raw_unavailable;
mod raw_values;
mod report;
mod resolve;
mod rules;
mod schema;
mod script;
mod script_text;
mod shape;
#[cfg(test)]
mod tests;
mod text;
mod tls;
mod tunnel;
mod types;
mod types_backend;
mod types_guard;
mod types_limits;
mod types_policy;
mod types_pool;
mod types_probe;
mod types_tls;
mod types_tokens;
mod types_tunnel;
mod types_unavailable;
mod unavailable;
mod validate;
mod values;
mod watch;

pub use certificate::{CertificateConfig, CertificateError, load_certified_key, load_crls, load_roots};
pub use load::{Loaded, load, load_without_secrets, parse};
pub use parity::{Against, Difference, ParityConfig, ParityRequest, ParityRule, Take};
pub use report::{Position, Problem, Report, Severity};
pub use rules::{
    is_backend_url, is_deadline, is_header, is_host_header, is_path, is_plain_name, is_probe_path, is_route_host,
};
pub use schema::json_schema;
pub use script::{Condition, Deed, Script, ScriptEvent, ScriptOrder};
pub use script_text::{load_script, parse_script};
pub use types::*;
pub use types_backend::*;
pub use types_guard::*;
pub use types_limits::*;
pub use types_policy::*;
pub use types_pool::*;
pub use types_probe::*;
pub use types_tls::*;
pub use types_tokens::*;
pub use types_tunnel::*;
pub use types_unavailable::{UnavailableBody, UnavailableConfig};
pub use values::parse_duration;
pub use watch::{FileWatcher, WatchError};
