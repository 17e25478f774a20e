//! The backends that a request was tried at.

use crate::model::BackendId;

/// The backends tried in this round. One is nearly always all: it takes no allocation.
#[derive(Debug, Default)]
pub(super) struct Tried {
    first: Option<BackendId>,
    more: Vec<BackendId>,
}

impl Tried {
    /// This one is tried.
    pub(super) fn push(&mut self, backend: BackendId) {
        match self.first {
            None => self.first = Some(backend),
            Some(_) => self.more.push(backend),
        }
    }

    /// The last one is tried again.
    pub(super) fn pop(&mut self) {
        if self.more.pop().is_none() {
            self.first = None;
        }
    }

    /// Another round begins.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Whether this one was tried.
    pub(super) fn contains(&self, backend: BackendId) -> bool {
        self.first == Some(backend) || self.more.contains(&backend)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_backend_is_remembered_until_it_is_taken_back() {
        let (one, two) = (BackendId(1), BackendId(2));
        let mut tried = Tried::default();
        tried.push(one);
        tried.push(two);
        assert!(tried.contains(one) && tried.contains(two) && !tried.contains(BackendId(3)));
        tried.pop();
        assert!(tried.contains(one) && !tried.contains(two));
        tried.pop();
        assert!(!tried.contains(one));
        tried.push(two);
        tried.clear();
        assert!(!tried.contains(two));
    }
}
