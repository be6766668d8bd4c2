//! The system's limits against what the configuration may use. Read once, at start.

use crate::config::Config;

/// Files the process opens besides connections: listeners, timers, wake-ups, certificates.
const SPARE: u64 = 64;
/// Connections that admin takes.
const ADMIN: u64 = 256;

/// Warns if senders and providers together may use more files than the process may open: accepting would then fail, for operators too.
pub fn warn_if_short(config: &Config) {
    let Some(limit) = std::fs::read_to_string("/proc/self/limits").ok().and_then(|text| open_files(&text))
    else {
        return;
    };
    let providers: u64 = config.routes.iter().map(|route| u64::from(route.connections.max)).sum();
    let needed = config.ingest.max_connections as u64 + providers + ADMIN + SPARE;
    if limit < needed {
        log::warn!(
            "the limit of open files is low limit={limit} may_need={needed} \
             (hint: raise it with ulimit -n or LimitNOFILE, or lower [ingest] max_connections)"
        );
    }
}

/// Returns the soft limit of open files from the text of `/proc/self/limits`; `None` if there is none.
fn open_files(limits: &str) -> Option<u64> {
    limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_read_and_no_limit_is_none() {
        let limits = |soft: &str| {
            format!("Max processes  1  2  processes\nMax open files   {soft}   20000    files\n")
        };
        assert_eq!(open_files(&limits("1024")), Some(1024));
        assert_eq!(open_files(&limits("unlimited")), None);
        assert_eq!(open_files(""), None);
    }
}
