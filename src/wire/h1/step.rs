//! The steps in which a reader passes messages on.

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A whole head, of so many bytes.
    Head(usize),
    /// So many bytes of a body.
    Data(usize),
    /// So many bytes between those of a body.
    Framing(usize),
    /// A whole trailer section, of so many bytes: the end of a body in chunks.
    Trailers(usize),
    /// More bytes are needed.
    More,
}

/// What is to come of a message whose head has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Nothing: it is over.
    Nothing,
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunks,
    /// Everything up to the end of the connection.
    All,
}
