//! What a bot speaks: activities and question answering.
