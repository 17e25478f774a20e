//! The admin API and `/metrics`; talks to control by messages only.
