//! A pool, or a backend, of the snapshot that a request read.

use crate::model::PoolName;
use crate::snapshot::{Backend, Pool, Snapshot, View};

/// Points at a backend of the snapshot that a request read, and keeps that snapshot.
#[derive(Clone, Debug)]
pub(super) struct Target {
    view: View,
    pool: usize,
    backend: usize,
}

/// Points at a pool of the snapshot that a request read.
#[derive(Clone, Debug)]
pub(super) struct PoolRef {
    view: View,
    pool: usize,
}

impl PoolRef {
    /// The pool that a route of this snapshot numbers so.
    pub(super) fn new(view: View, pool: usize) -> Self {
        Self { view, pool }
    }

    /// The snapshot.
    pub(super) fn view(&self) -> &Snapshot {
        &self.view
    }

    /// The pool.
    pub(super) fn get(&self) -> &Pool {
        &self.view.pools[self.pool]
    }

    /// The pool of the same name in a later snapshot; this one when it is gone.
    pub(super) fn in_view(self, view: View) -> Self {
        if std::rc::Rc::ptr_eq(&self.view, &view) {
            return self;
        }
        let name: &PoolName = &self.get().config.name;
        let same_place = view.pools.get(self.pool).filter(|pool| pool.config.name == *name).map(|_| self.pool);
        match same_place.or_else(|| view.pools.iter().position(|pool| pool.config.name == *name)) {
            Some(pool) => Self { view, pool },
            None => self,
        }
    }

    /// The first backend of the pool's order that `skip` lets through.
    pub(super) fn choose(&self, skip: impl Fn(&Backend) -> bool) -> Option<Target> {
        let pool = self.get();
        let backend = pool.order.iter().copied().find(|at| !skip(&pool.backends[*at]))?;
        Some(Target { view: self.view.clone(), pool: self.pool, backend })
    }
}

impl Target {
    /// The backend that its pool numbers so, in the pool that this snapshot numbers so.
    pub(super) fn new(view: View, pool: usize, backend: usize) -> Self {
        Self { view, pool, backend }
    }

    /// Whether this snapshot is the one that was read.
    pub(super) fn is_of(&self, view: &View) -> bool {
        std::rc::Rc::ptr_eq(&self.view, view)
    }

    /// The snapshot that was read.
    pub(super) fn snapshot(&self) -> &Snapshot {
        &self.view
    }

    /// The pool.
    pub(super) fn pool(&self) -> &Pool {
        &self.view.pools[self.pool]
    }

    /// The backend.
    pub(super) fn backend(&self) -> &Backend {
        &self.pool().backends[self.backend]
    }
}
