//! Wires the parts, starts and stops them; nothing else knows all of them.
