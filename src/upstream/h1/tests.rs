//! Exchanges with backends that are played byte by byte.
