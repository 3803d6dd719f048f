//! One setting: a place for a value and the rule that a given value must keep.
//!
//! In: what a file or a variable gives, as text. Out: the typed value in its place, or a description
//! of what would have been right. File and environment meet here, so both obey the same rules.

use crate::section::Section;
use std::any::Any;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// A value as given: a scalar's text or a list of them. Nothing given is the empty scalar.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Given {
    Scalar(String),
    List(Vec<String>),
}

/// Takes a value, or says what it must be.
pub(crate) trait Slot {
    fn set(&mut self, given: &Given) -> Result<(), String>;
    /// The value that is there, to be compared with another of the same key.
    fn value(&self) -> &dyn Any;
    /// Whether this value is there.
    fn holds(&self, value: &dyn Any) -> bool;
    /// The value that is there, as a variable would give it.
    fn written(&self) -> String;
    /// Whether nobody is shown it, whatever its key is called.
    fn is_secret(&self) -> bool;
}

/// A type that values of settings have.
pub(crate) trait Held: PartialEq + 'static {
    /// Nobody is shown such a value.
    const IS_SECRET: bool = false;

    /// The value as a variable would give it.
    fn written(&self) -> String;
}

/// What stands behind a key.
pub(crate) enum Node<'a> {
    Setting(Box<dyn Slot + 'a>),
    Section(Vec<(&'static str, Node<'a>)>),
}

/// Every setting below a section with its dotted key.
pub(crate) fn settings<'a>(root: &'a mut dyn Section) -> Vec<(String, Box<dyn Slot + 'a>)> {
    let mut found = Vec::new();
    flatten("", root.nodes(), &mut found);
    found
}

fn flatten<'a>(
    above: &str,
    nodes: Vec<(&'static str, Node<'a>)>,
    found: &mut Vec<(String, Box<dyn Slot + 'a>)>,
) {
    for (key, node) in nodes {
        let path = if above.is_empty() { key.to_owned() } else { format!("{above}.{key}") };
        match node {
            Node::Setting(slot) => found.push((path, slot)),
            Node::Section(nodes) => flatten(&path, nodes, found),
        }
    }
}

/// A type with a fixed set of names in the file.
pub(crate) trait Choice: Sized + Copy + 'static {
    const NAMES: &'static [(&'static str, Self)];
}

/// Declares an enum of settings whose values have names in the file; the first is the default.
macro_rules! choice {
    (
        $(#[$choice_meta:meta])*
        pub enum $choice:ident {
            $(#[$first_meta:meta])* $first:ident = $first_name:literal,
            $( $(#[$meta:meta])* $variant:ident = $name:literal, )*
        }
    ) => {
        $(#[$choice_meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub enum $choice {
            #[default]
            $(#[$first_meta])* $first,
            $( $(#[$meta])* $variant, )*
        }

        impl $crate::setting::Choice for $choice {
            const NAMES: &'static [(&'static str, Self)] =
                &[($first_name, Self::$first), $( ($name, Self::$variant), )*];
        }

        impl $crate::setting::Held for $choice {
            fn written(&self) -> String {
                let names = <Self as $crate::setting::Choice>::NAMES.iter();
                let mut names = names.filter(|(_, value)| value == self);
                names.next().map_or_else(String::new, |(name, _)| (*name).to_owned())
            }
        }
    };
}
pub(crate) use choice;

/// Rule: any value that parses as `T`; `expected` names such values.
pub(crate) fn text<T: FromStr + Held>(expected: &'static str) -> impl FnOnce(&mut T) -> Node<'_> {
    move |slot| {
        Node::Setting(Box::new(OfText {
            slot,
            read: move |text: &str| text.parse().map_err(|_| expected.to_owned()),
            expected,
        }))
    }
}

/// Rule: `true` or `false` (in a variable also `1` or `0`).
pub(crate) fn switch(slot: &mut bool) -> Node<'_> {
    const EXPECTED: &str = "true or false";
    Node::Setting(Box::new(OfText {
        slot,
        read: |text: &str| match text {
            "true" | "True" | "TRUE" | "1" => Ok(true),
            "false" | "False" | "FALSE" | "0" => Ok(false),
            _ => Err(EXPECTED.to_owned()),
        },
        expected: EXPECTED,
    }))
}

/// Rule: a whole number within `range`.
pub(crate) fn number<T>(range: RangeInclusive<T>) -> impl FnOnce(&mut T) -> Node<'_>
where
    T: FromStr + PartialOrd + Display + Copy + Held,
{
    move |slot| {
        Node::Setting(Box::new(OfText {
            slot,
            read: move |text: &str| match text.parse() {
                Ok(value) if range.contains(&value) => Ok(value),
                _ => Err(format!("a whole number from {} to {}", range.start(), range.end())),
            },
            expected: "a whole number",
        }))
    }
}

/// Rule: 0 for none, or a whole number within `range`: less than its start could not work.
pub(crate) fn none_or<T>(range: RangeInclusive<T>) -> impl FnOnce(&mut T) -> Node<'_>
where
    T: FromStr + PartialOrd + Display + Copy + Default + Held,
{
    move |slot| {
        Node::Setting(Box::new(OfText {
            slot,
            read: move |text: &str| match text.parse() {
                Ok(value) if value == T::default() || range.contains(&value) => Ok(value),
                _ => Err(format!("0, or a whole number from {} to {}", range.start(), range.end())),
            },
            expected: "a whole number",
        }))
    }
}

/// Rule: one of the names of a [`Choice`].
pub(crate) fn one_of<T: Choice + Held>(slot: &mut T) -> Node<'_> {
    Node::Setting(Box::new(OfText {
        slot,
        read: |text: &str| match T::NAMES.iter().find(|(name, _)| *name == text) {
            Some((_, value)) => Ok(*value),
            None => {
                let names: Vec<_> = T::NAMES.iter().map(|(name, _)| *name).collect();
                Err(format!("one of: {}", names.join(", ")))
            }
        },
        expected: "one name",
    }))
}

/// Rule: a list of at least `len_min` values that each parse as `T`. A single value and values with
/// commas between them are lists too.
pub(crate) fn list<T: FromStr + Held>(
    len_min: usize,
    expected: &'static str,
) -> impl FnOnce(&mut Vec<T>) -> Node<'_> {
    move |slot| Node::Setting(Box::new(OfList { slot, len_min, expected }))
}

struct OfText<'a, T, F> {
    slot: &'a mut T,
    read: F,
    expected: &'static str,
}

impl<T: Held, F: Fn(&str) -> Result<T, String>> Slot for OfText<'_, T, F> {
    fn set(&mut self, given: &Given) -> Result<(), String> {
        match given {
            Given::Scalar(text) => {
                *self.slot = (self.read)(text)?;
                Ok(())
            }
            Given::List(_) => Err(format!("{}, not a list", self.expected)),
        }
    }

    fn value(&self) -> &dyn Any {
        self.slot
    }

    fn holds(&self, value: &dyn Any) -> bool {
        value.downcast_ref::<T>() == Some(&*self.slot)
    }

    fn written(&self) -> String {
        self.slot.written()
    }

    fn is_secret(&self) -> bool {
        T::IS_SECRET
    }
}

struct OfList<'a, T> {
    slot: &'a mut Vec<T>,
    len_min: usize,
    expected: &'static str,
}

impl<T: FromStr + Held> Slot for OfList<'_, T> {
    fn set(&mut self, given: &Given) -> Result<(), String> {
        let texts: Vec<&str> = match given {
            Given::Scalar(text) if text.trim().is_empty() => Vec::new(),
            Given::Scalar(text) => text.split(',').collect(),
            Given::List(texts) => texts.iter().map(String::as_str).collect(),
        };
        let values: Result<Vec<T>, _> = texts.iter().map(|text| text.trim().parse()).collect();
        match values {
            Ok(values) if values.len() >= self.len_min => {
                *self.slot = values;
                Ok(())
            }
            _ if self.len_min > 0 => Err(format!("a list of at least one: {}", self.expected)),
            _ => Err(format!("a list of: {}", self.expected)),
        }
    }

    fn value(&self) -> &dyn Any {
        self.slot
    }

    fn holds(&self, value: &dyn Any) -> bool {
        value.downcast_ref::<Vec<T>>() == Some(&*self.slot)
    }

    fn written(&self) -> String {
        self.slot.iter().map(Held::written).collect::<Vec<_>>().join(",")
    }

    fn is_secret(&self) -> bool {
        T::IS_SECRET
    }
}
