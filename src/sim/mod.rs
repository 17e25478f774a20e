//! Simulated regions with faults on command.
