//! Text in HTML.

use std::fmt::{self, Write};

/// Text as HTML may hold it, between tags and in quoted attributes.
pub(super) struct Escaped<T>(pub(super) T);

struct Escaping<'a, 'f>(&'a mut fmt::Formatter<'f>);

// === impl Escaped ===

impl<T: fmt::Display> fmt::Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

// === impl Escaping ===

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            match character {
                '<' => self.0.write_str("&lt;")?,
                '>' => self.0.write_str("&gt;")?,
                '&' => self.0.write_str("&amp;")?,
                '"' => self.0.write_str("&quot;")?,
                '\'' => self.0.write_str("&#39;")?,
                other => self.0.write_char(other)?,
            }
        }
        Ok(())
    }
}
