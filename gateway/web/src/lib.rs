//! The files of the pages that the server gives to browsers: plain modules, styles and HTML, no build step and no other host.
//!
//! Owns the files in `page`, and the client of `clients/js` that they use. In: a path. Out: the file, as it is and
//! compressed. Never: headers, a socket, anything that differs from one request to the next.

/// One file as browsers get it.
#[derive(Debug)]
pub struct File {
    /// Where it is found.
    pub path: &'static str,
    /// Its content type.
    pub kind: &'static str,
    /// Its entity tag, quotes included; another one when the content is.
    pub tag: &'static str,
    /// As it is.
    pub plain: &'static [u8],
    /// Compressed with gzip.
    pub gzip: &'static [u8],
}

/// All files.
pub const FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// The file at `path`.
#[must_use]
pub fn find(path: &str) -> Option<&'static File> {
    FILES.iter().find(|file| file.path == path)
}

/// How a browser gets a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Not at all: it has it.
    Known,
    /// Compressed.
    Gzip,
    /// As it is.
    Plain,
}

impl File {
    /// What to send to who has the files with these tags and takes these encodings: the values of both headers.
    #[must_use]
    pub fn form(&self, if_none_match: &[&str], accept_encoding: &[&str]) -> Form {
        let has = |values: &[&str], wanted: &str| {
            values.iter().flat_map(|value| value.split(',')).any(|part| part.trim() == wanted)
        };
        // `gzip;q=0` and the like are no plain wish, and get the file as it is.
        match (has(if_none_match, self.tag), has(accept_encoding, "gzip")) {
            (true, _) => Form::Known,
            (false, true) => Form::Gzip,
            (false, false) => Form::Plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: &str) -> &'static str {
        std::str::from_utf8(find(path).expect(path).plain).expect("UTF-8")
    }

    /// What a page loads is among the files, and nothing comes from another host or stands inside of the page, which
    /// its content-security policy would refuse.
    #[test]
    fn pages_load_files_that_are_there_and_nothing_else() {
        for name in ["chat", "console"] {
            let page = text(&format!("/{name}"));
            let below = format!("{name}/");
            for part in page.split(['"', '\'']).filter(|part| part.starts_with(&below)) {
                assert!(find(&format!("/{part}")).is_some(), "{part}");
            }
            for forbidden in ["http://", "https://", "<style", " style=", "onclick", "<script>"] {
                assert!(!page.contains(forbidden), "{forbidden} in the page");
            }
        }
        for file in FILES.iter().filter(|file| file.path.ends_with(".js")) {
            let folder = &file.path[..=file.path.rfind('/').expect("a folder")];
            let imports = text(file.path).split(" from \"./").skip(1);
            for import in imports.filter_map(|rest| rest.split('"').next()) {
                assert!(find(&format!("{folder}{import}")).is_some(), "{}: {import}", file.path);
            }
        }
    }

    #[test]
    fn compressed_files_are_smaller_and_say_what_they_are() {
        for file in FILES {
            assert_eq!(file.gzip[..2], [0x1f, 0x8b], "{}", file.path);
            assert!(file.gzip.len() < file.plain.len(), "{}", file.path);
            assert!(file.tag.starts_with('"') && file.tag.ends_with('"'), "{}", file.tag);
        }
    }
}
