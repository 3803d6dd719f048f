//! Packs the files of the pages: each is compiled in as it is and compressed, with a tag of its content.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use flate2::write::GzEncoder;
use flate2::{Compression, Crc};

/// Where a browser finds each, where it lies, and what it is. A browser finds a module by the path in another's `import`.
const FILES: [(&str, &str, &str); 25] = [
    ("/chat", "page/chat.html", "text/html; charset=utf-8"),
    ("/chat/chat.css", "page/chat.css", "text/css; charset=utf-8"),
    ("/chat/chat.js", "page/chat.js", "text/javascript; charset=utf-8"),
    ("/chat/accounts.js", "page/accounts.js", "text/javascript; charset=utf-8"),
    ("/chat/room.js", "page/room.js", "text/javascript; charset=utf-8"),
    ("/chat/language.js", "page/language.js", "text/javascript; charset=utf-8"),
    ("/chat/words.js", "page/words.js", "text/javascript; charset=utf-8"),
    ("/chat/openim.js", "../../clients/js/openim.js", "text/javascript; charset=utf-8"),
    ("/chat/icon.svg", "page/icon.svg", "image/svg+xml"),
    ("/console", "console/console.html", "text/html; charset=utf-8"),
    ("/console/console.css", "console/console.css", "text/css; charset=utf-8"),
    ("/console/console.js", "console/console.js", "text/javascript; charset=utf-8"),
    ("/console/newest.js", "console/newest.js", "text/javascript; charset=utf-8"),
    ("/console/groups.js", "console/groups.js", "text/javascript; charset=utf-8"),
    ("/console/users.js", "console/users.js", "text/javascript; charset=utf-8"),
    ("/console/books.js", "console/books.js", "text/javascript; charset=utf-8"),
    ("/console/bounds.js", "console/bounds.js", "text/javascript; charset=utf-8"),
    ("/console/config.js", "console/config.js", "text/javascript; charset=utf-8"),
    ("/console/language.js", "page/language.js", "text/javascript; charset=utf-8"),
    ("/console/lines.js", "console/lines.js", "text/javascript; charset=utf-8"),
    ("/console/live.js", "console/live.js", "text/javascript; charset=utf-8"),
    ("/console/message.js", "console/message.js", "text/javascript; charset=utf-8"),
    ("/console/parts.js", "console/parts.js", "text/javascript; charset=utf-8"),
    ("/console/words.js", "console/words.js", "text/javascript; charset=utf-8"),
    ("/console/icon.svg", "page/icon.svg", "image/svg+xml"),
];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    let mut table = String::from("&[");
    for (path, source, kind) in FILES {
        let source = here.join(source).canonicalize().expect(source);
        println!("cargo:rerun-if-changed={}", source.display());
        let plain = fs::read(&source).expect("a readable file");
        let packed = out.join(format!("{}.gz", path.replace('/', "_")));
        fs::write(&packed, gzip(&plain)).expect("a writable folder");
        write!(table, "{},", entry(path, kind, &plain, &source, &packed)).expect("memory");
    }
    table.push(']');
    fs::write(out.join("files.rs"), table).expect("a writable folder");
}

fn entry(path: &str, kind: &str, plain: &[u8], source: &Path, packed: &Path) -> String {
    let mut crc = Crc::new();
    crc.update(plain);
    let tag = format!("\"{:08x}-{:x}\"", crc.sum(), plain.len());
    format!(
        "File {{ path: {path:?}, kind: {kind:?}, tag: {tag:?}, plain: include_bytes!({source:?}), \
         gzip: include_bytes!({packed:?}) }}"
    )
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    packer.write_all(plain).expect("memory");
    packer.finish().expect("memory")
}
