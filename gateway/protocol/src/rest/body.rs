//! Declaring a body: one line per field gives its Rust name, type, wire key and rules.
//!
//! ```text
//! body! {
//!     "/friend/add_friend" => decode_add_friend, "paramsAddFriend";
//!     /// A request to become friends.
//!     pub struct AddFriend<'a> {
//!         /// Whom it goes to; not empty.
//!         uid: Cow<'a, str> = "uid", required;
//!     }
//! }
//! ```
//! gives the struct and the function that reads it; what stands behind the function is the original's
//! name of the struct, for the lines of a failed validation. A rule is a method of [`Checks`]. A route
//! whose body holds lists is declared `=> decode_it(ids_max)`: its function takes the bound. Several
//! routes may share a body. [`element!`] declares an object inside a body. What is absent is empty, 0 or
//! false.
//!
//! [`Checks`]: super::bind::Checks

use std::borrow::Cow;

use crate::json::{Got, Reader, SyntaxError};

/// What a field of a body may be.
pub(crate) trait Value<'a>: Default {
    /// Reads it; of a list at most `list_max` elements and one.
    fn read(reader: &mut Reader<'a>, list_max: usize) -> Result<Got<Self>, SyntaxError>;

    /// Whether it satisfies `required` when it is there.
    fn is_filled(&self) -> bool {
        true
    }
}

/// What `max` counts.
pub(crate) trait Length {
    fn length(&self) -> usize;
}

impl<'a> Value<'a> for Cow<'a, str> {
    fn read(reader: &mut Reader<'a>, _: usize) -> Result<Got<Self>, SyntaxError> {
        reader.text()
    }

    fn is_filled(&self) -> bool {
        !self.is_empty()
    }
}

impl Value<'_> for i32 {
    fn read(reader: &mut Reader<'_>, _: usize) -> Result<Got<Self>, SyntaxError> {
        reader.integer()
    }

    fn is_filled(&self) -> bool {
        *self != 0
    }
}

impl Value<'_> for i64 {
    fn read(reader: &mut Reader<'_>, _: usize) -> Result<Got<Self>, SyntaxError> {
        reader.integer()
    }

    fn is_filled(&self) -> bool {
        *self != 0
    }
}

impl Value<'_> for bool {
    fn read(reader: &mut Reader<'_>, _: usize) -> Result<Got<Self>, SyntaxError> {
        reader.boolean()
    }
}

impl<'a, T: Value<'a>> Value<'a> for Vec<T> {
    fn read(reader: &mut Reader<'a>, list_max: usize) -> Result<Got<Self>, SyntaxError> {
        reader.array(list_max, |reader| T::read(reader, list_max))
    }
}

impl Length for Cow<'_, str> {
    fn length(&self) -> usize {
        self.chars().count()
    }
}

impl<T> Length for Vec<T> {
    fn length(&self) -> usize {
        self.len()
    }
}

/// The rule of an [`element!`]'s field.
pub(crate) fn required<'a>(value: &impl Value<'a>) -> bool {
    value.is_filled()
}

/// The keys of an object, and its members while they are read: what [`body!`] and [`element!`] share.
macro_rules! members {
    ($a:lifetime $( $field:ident: $type:ty = $key:literal; )*) => {
        const NAMES: &[&str] = &[$($key,)*];
        const _: () = assert!(NAMES.len() <= 32, "one bit per member");
        fn exactly(key: &[u8]) -> Option<usize> {
            NAMES.iter().position(|name| name.as_bytes() == key)
        }
        static KEYS: $crate::json::Keys = $crate::json::Keys { names: NAMES, exactly };

        #[expect(non_camel_case_types, reason = "they are the fields")]
        enum Member { $($field,)* }

        #[derive(Default)]
        struct Draft<$a> { $($field: Option<$type>,)* }

        impl<$a> Draft<$a> {
            fn member(
                &mut self,
                index: usize,
                reader: &mut $crate::json::Reader<$a>,
                fields: &mut $crate::json::Fields,
                list_max: usize,
            ) -> Result<(), $crate::json::SyntaxError> {
                $(
                    if index == Member::$field as usize {
                        let value = $crate::rest::body::Value::read(reader, list_max)?;
                        fields.put(index, value, &mut self.$field);
                        return Ok(());
                    }
                )*
                reader.skip_value()
            }
        }
    };
}

/// See the module.
macro_rules! body {
    (
        $( $route:literal => $decode:ident $(($ids_max:ident))?, $owner:literal; )*
        $(#[$meta:meta])*
        $vis:vis struct $name:ident<$a:lifetime> {
            $(
                $(#[$field_meta:meta])*
                $field:ident: $type:ty = $key:literal $(, $rule:ident $(($limit:expr))? )*;
            )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        $vis struct $name<$a> { $( $(#[$field_meta])* $vis $field: $type, )* }

        impl<$a> $name<$a> {
            /// Reads a body. The outer error is one of syntax or type, the inner one of a rule.
            fn read(
                body: &$a [u8],
                owner: &'static str,
                list_max: usize,
            ) -> Result<Result<Self, $crate::rest::BindError>, $crate::rest::BindError> {
                $crate::rest::body::members! { $a $( $field: $type = $key; )* }
                let mut draft = Draft::default();
                $crate::rest::bind::bind(body, &KEYS, |index, reader, fields| {
                    draft.member(index, reader, fields, list_max)
                })?;
                #[allow(unused_mut, reason = "a body may have no rules")]
                let mut checks = $crate::rest::bind::Checks::with_lists(owner, list_max);
                $( $( checks.$rule(&draft.$field, $key $(, $limit)?); )* )*
                Ok(checks.finish().map(|()| Self {
                    $( $field: draft.$field.unwrap_or_default(), )*
                }))
            }
        }

        $(
            $crate::rest::body::decode! { $route => $decode $(($ids_max))?, $owner, $name }
        )*
    };
}

/// The function of one route.
macro_rules! decode {
    ($route:literal => $decode:ident, $owner:literal, $name:ident) => {
        #[doc = concat!("Reads the body of `", $route, "`.")]
        ///
        /// # Errors
        /// Without a required field, or with a wrong type.
        pub fn $decode(body: &[u8]) -> Result<$name<'_>, $crate::rest::BindError> {
            $name::read(body, $owner, 0).flatten()
        }
    };
    ($route:literal => $decode:ident($ids_max:ident), $owner:literal, $name:ident) => {
        #[doc = concat!("Reads the body of `", $route, "`, with at most `ids_max` elements in a list.")]
        ///
        /// # Errors
        /// Without a required field, with a wrong type or too long a list.
        pub fn $decode(body: &[u8], $ids_max: usize) -> Result<$name<'_>, $crate::rest::BindError> {
            $name::read(body, $owner, $ids_max).flatten()
        }
    };
}

/// Declares an object that is a field of a body, or an element of a list in one. It satisfies `required`
/// when each of its fields that are marked `required` does.
macro_rules! element {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident<$a:lifetime> {
            $(
                $(#[$field_meta:meta])*
                $field:ident: $type:ty = $key:literal $(, $required:ident)?;
            )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        $vis struct $name<$a> { $( $(#[$field_meta])* $vis $field: $type, )* }

        impl<$a> $crate::rest::body::Value<$a> for $name<$a> {
            fn read(
                reader: &mut $crate::json::Reader<$a>,
                list_max: usize,
            ) -> Result<$crate::json::Got<Self>, $crate::json::SyntaxError> {
                $crate::rest::body::members! { $a $( $field: $type = $key; )* }
                let mut draft = Draft::default();
                let nulls = $crate::json::Nulls::Keep;
                let mut fields = $crate::json::Fields::new(&KEYS, nulls);
                let got = $crate::rest::bind::bind_object(
                    reader,
                    &mut fields,
                    |index, reader, fields| draft.member(index, reader, fields, list_max),
                )?;
                Ok(match $crate::rest::bind::sound(got, &fields) {
                    $crate::json::Got::Value(()) => $crate::json::Got::Value(Self {
                        $( $field: draft.$field.unwrap_or_default(), )*
                    }),
                    $crate::json::Got::Null => $crate::json::Got::Null,
                    $crate::json::Got::Wrong => $crate::json::Got::Wrong,
                })
            }

            fn is_filled(&self) -> bool {
                [$( $( $crate::rest::body::$required(&self.$field), )? )*]
                    .into_iter()
                    .all(|filled: bool| filled)
            }
        }
    };
}

pub(crate) use {body, decode, element, members};
