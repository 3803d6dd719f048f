//! Declaring a section: one line per key gives its Rust name, type, default, wire key and rule.
//!
//! ```text
//! section! {
//!     /// What the section is about.
//!     pub struct Admin {
//!         /// Where the operator endpoints listen.
//!         pub listen: SocketAddr = at("127.0.0.1:10002"), "listen" => text("an address and a port");
//!     }
//! }
//! ```
//! gives the struct, its `Default`, and the list of its settings that the loader fills. A rule is one
//! of the functions of [`crate::setting`]. The documentation of a key for operators stands in
//! `config.yaml`; what stands here is for the readers of the field.

use crate::setting::Node;

/// A group of settings that can be filled by key.
pub(crate) trait Section {
    /// The keys of this section with the places to put their values.
    fn nodes(&mut self) -> Vec<(&'static str, Node<'_>)>;
}

macro_rules! section {
    (
        $(#[$section_meta:meta])*
        pub struct $section:ident {
            $(
                $(#[$meta:meta])*
                pub $field:ident: $type:ty = $default:expr, $key:literal => $rule:expr;
            )*
        }
    ) => {
        $(#[$section_meta])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $section {
            $( $(#[$meta])* pub $field: $type, )*
        }

        impl Default for $section {
            fn default() -> Self {
                Self { $( $field: $default, )* }
            }
        }

        impl $crate::section::Section for $section {
            fn nodes(&mut self) -> Vec<(&'static str, $crate::setting::Node<'_>)> {
                vec![ $( ($key, ($rule)(&mut self.$field)), )* ]
            }
        }
    };
}
pub(crate) use section;

/// The rule of a field that is itself a section.
pub(crate) fn nested<S: Section>(section: &mut S) -> Node<'_> {
    Node::Section(section.nodes())
}
