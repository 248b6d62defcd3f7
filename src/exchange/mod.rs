//! One request and its answer, as a state machine that does no I/O.
