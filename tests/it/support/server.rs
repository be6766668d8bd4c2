//! What servers need that nobody here wrote: an address of their own, and a certificate.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};

/// An address in 127.0.0.0/8 that no other test has, so that fixed ports do not meet.
pub fn own_address() -> String {
    static NEXT: AtomicU16 = AtomicU16::new(1);
    let [high, low] = (std::process::id() as u16).to_be_bytes();
    format!("127.{}.{low}.{}", 64 + high % 128, NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Writes `cert.pem` for these names, such as `DNS:localhost`, and `key.pem`.
#[track_caller]
pub fn certify(directory: &Path, names: &[&str]) {
    let subject = format!("subjectAltName={}", names.join(","));
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
    openssl.args(["-days", "2", "-subj", "/CN=server of a test", "-addext", &subject]);
    openssl.args(["-keyout", "key.pem", "-out", "cert.pem"]);
    run(openssl.current_dir(directory));
}

/// Writes a fresh key for ES256, as Apple hands them out.
#[track_caller]
pub fn make_es256_key(path: &Path) {
    let mut openssl = Command::new("openssl");
    openssl.args(["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out"]);
    run(openssl.arg(path));
}

#[track_caller]
fn run(openssl: &mut Command) {
    let made = openssl.output().unwrap_or_else(|error| panic!("openssl: {error} (hint: scripts/setup test)"));
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}
