//! The plan against OTP's rules.
