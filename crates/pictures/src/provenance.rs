//! The provenance of a generated picture.
//!
//! It is written as PNG text (iTXt) and as an XMP packet whose `DigitalSourceType` is IPTC's term for
//! media of a trained model. It is a label and not a watermark: programs that rewrite the file may drop
//! it. A GIF and a video have both as a comment.

use std::fmt::Write;

/// IPTC's term for media created by a trained model.
const MARK: &str = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia";

/// The provenance of one picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// Keyword (1 to 79 Latin-1 characters) and value of every entry, in the order of the file.
    pub fields: Vec<(&'static str, String)>,
}

impl Provenance {
    /// The provenance of a picture that a model generated from captions and seeds.
    pub fn generated(model_hash: &str, prompt: &str, seeds: &str) -> Self {
        let fields = vec![
            ("Software", concat!("t2f ", env!("CARGO_PKG_VERSION")).to_string()),
            ("Model hash", model_hash.to_string()),
            ("Prompt", prompt.to_string()),
            ("Seed", seeds.to_string()),
        ];
        Self { fields }
    }

    /// The same provenance with a truncation and a guidance scale, each unless it is 1, the default.
    #[must_use]
    pub fn sampled(mut self, truncation: f64, guidance_scale: f64) -> Self {
        if truncation != 1.0 {
            self.fields.push(("Truncation", truncation.to_string()));
        }
        if guidance_scale != 1.0 {
            self.fields.push(("Guidance scale", guidance_scale.to_string()));
        }
        self
    }

    /// The entries and the source type as lines of text, for files without fields: a comment of a GIF or a video.
    pub fn comment(&self) -> String {
        let source = [("DigitalSourceType", MARK.to_owned())];
        let lines = self.fields.iter().chain(&source).map(|(keyword, value)| format!("{keyword}: {value}"));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Keyword and text of every iTXt chunk, the XMP packet last.
    pub fn texts(&self) -> Vec<(&'static str, String)> {
        let mut texts = self.fields.clone();
        texts.push(("XML:com.adobe.xmp", self.xmp()));
        texts
    }

    /// The XMP packet.
    fn xmp(&self) -> String {
        let mut description = String::new();
        for (keyword, value) in &self.fields {
            let _ =
                write!(description, "{}{keyword}: {value}", if description.is_empty() { "" } else { "; " });
        }
        format!(
            "<?xpacket begin=\"\u{feff}\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\n\
             <x:xmpmeta xmlns:x=\"adobe:ns:meta/\">\n \
             <rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\n  \
             <rdf:Description rdf:about=\"\"\n    \
             xmlns:Iptc4xmpExt=\"http://iptc.org/std/Iptc4xmpExt/2008-02-29/\"\n    \
             xmlns:dc=\"http://purl.org/dc/elements/1.1/\"\n    \
             Iptc4xmpExt:DigitalSourceType=\"{MARK}\">\n   \
             <dc:description><rdf:Alt><rdf:li xml:lang=\"x-default\">{}</rdf:li></rdf:Alt></dc:description>\n  \
             </rdf:Description>\n </rdf:RDF>\n</x:xmpmeta>\n<?xpacket end=\"r\"?>",
            escaped(&description)
        )
    }
}

/// Text as XML character data; characters that XML 1.0 excludes become U+FFFD.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\t' | '\n' | '\r' => out.push(c),
            c if c < ' ' || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use t2f_data::Image;

    use crate::picture::to_png;

    #[test]
    fn png_carries_hash_prompt_seed_and_the_iptc_mark() {
        let provenance = Provenance::generated("beef01", "a <bald> man & a beard, né", "42");
        let bytes = to_png(&Image::filled(4, 4, [1, 2, 3]), Some(&provenance)).unwrap();
        let reader = png::Decoder::new(Cursor::new(bytes)).read_info().unwrap();
        let texts: Vec<(String, String)> = reader
            .info()
            .utf8_text
            .iter()
            .map(|chunk| (chunk.keyword.clone(), chunk.get_text().unwrap()))
            .collect();
        let text = |keyword: &str| &texts.iter().find(|(key, _)| key == keyword).unwrap().1;
        assert_eq!(text("Model hash"), "beef01");
        assert_eq!(text("Prompt"), "a <bald> man & a beard, né");
        assert_eq!(text("Seed"), "42");
        let xmp = text("XML:com.adobe.xmp");
        assert!(xmp.contains("digitalsourcetype/trainedAlgorithmicMedia\""));
        assert!(xmp.contains("a &lt;bald&gt; man &amp; a beard, né"));
    }
}
