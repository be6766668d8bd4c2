//! End-to-end tests.

