//! The page's style and script, compiled in, and named by their content so that browsers keep them. Pure.

/// The style, the script and the icon.
pub(super) static ASSETS: [Asset; 3] = [
    Asset::new("page.css", "text/css; charset=utf-8", include_str!("assets/page.css")),
    // One module in four files: what a browser loads in one go may still be read in parts.
    Asset::new(
        "page.js",
        "text/javascript; charset=utf-8",
        concat!(
            include_str!("assets/figures.js"),
            include_str!("assets/graph.js"),
            include_str!("assets/actions.js"),
            include_str!("assets/page.js")
        ),
    ),
    Asset::new("icon.svg", "image/svg+xml", include_str!("assets/icon.svg")),
];

/// A file that the page loads.
#[derive(Debug)]
pub(super) struct Asset {
    /// Its name under `/admin/assets/`.
    pub(super) name: &'static str,
    /// What it is.
    pub(super) content_type: &'static str,
    /// It.
    pub(super) text: &'static str,
    hash: u64,
}

// === impl Asset ===

impl Asset {
    const fn new(name: &'static str, content_type: &'static str, text: &'static str) -> Self {
        Self { name, content_type, text, hash: hash(text.as_bytes()) }
    }

    /// Returns the asset of a name.
    pub(super) fn find(name: &str) -> Option<&'static Self> {
        ASSETS.iter().find(|asset| asset.name == name)
    }

    /// Returns its version: another one with other content.
    pub(super) fn version(&self) -> String {
        format!("{:016x}", self.hash)
    }

    /// Returns where the page finds it.
    pub(super) fn address(&self) -> String {
        format!("/admin/assets/{}?v={}", self.name, self.version())
    }
}

/// FNV-1a; it tells versions apart and guards nothing.
const fn hash(bytes: &[u8]) -> u64 {
    let (mut hash, mut index) = (0xcbf2_9ce4_8422_2325_u64, 0);
    while index < bytes.len() {
        hash = (hash ^ bytes[index] as u64).wrapping_mul(0x0100_0000_01b3);
        index += 1;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_assets_are_small_and_load_nothing_from_elsewhere() {
        let size: usize = ASSETS.iter().map(|asset| asset.text.len()).sum();
        assert!(size <= 60 * 1_024, "{size} bytes leave too little of 100 KiB for the page and its history");
        for asset in &ASSETS {
            let text = asset.text.replace("http://www.w3.org/2000/svg", "");
            for far in ["http:", "https:", "//cdn", "@import", "url("] {
                assert!(!text.contains(far), "{} names {far}", asset.name);
            }
        }
    }

    #[test]
    fn versions_follow_the_content() {
        assert_ne!(hash(b"a"), hash(b"b"));
        let style = Asset::find("page.css").unwrap();
        assert!(style.address().ends_with(&format!("page.css?v={}", style.version())));
        assert!(Asset::find("../page.css").is_none());
    }
}
