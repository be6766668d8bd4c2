//! Delays before restarts, deadlines of starts and stops, and what happens when they pass.
