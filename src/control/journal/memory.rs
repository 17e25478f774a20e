//! A journal that ends with its process, for `dev` and tests: the same tables, in memory, and answers at once.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, Result};

use super::queue::Work;
use super::{retention, rows, schema};
use crate::config::JournalConfig;
use crate::model::Utc;

/// What it may hold.
const SIZE: u64 = 16 << 20;
/// Writes between two looks at its size.
const KEEP: u64 = 256;

/// The tables, and how often they were written.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    connection: Arc<Mutex<Connection>>,
    writes: u64,
}

impl Memory {
    pub(super) fn open() -> Result<Self> {
        let mut connection = Connection::open_in_memory()?;
        schema::set_up(&connection)?;
        schema::create(&mut connection)?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)), writes: 0 })
    }

    pub(super) fn write(&mut self, work: &Work) -> Result<()> {
        self.writes += 1;
        let sweep = self.writes.is_multiple_of(KEEP);
        self.with(|connection| {
            match work {
                Work::Entry(record) => drop(rows::insert(connection, None, record, false)?),
                Work::Drill { id, at, document } => rows::put_drill(connection, id, *at, document)?,
            }
            if sweep {
                retention::step(connection, &JournalConfig { max_size: SIZE, ..JournalConfig::default() }, Utc::now())?;
            }
            Ok(())
        })
    }

    pub(super) fn with<T>(&self, use_it: impl FnOnce(&Connection) -> T) -> T {
        use_it(&self.connection.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
