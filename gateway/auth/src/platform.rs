//! The terminals of the wire: their numbers, the names written in tokens, and their classes.

use crate::Class;

/// A kind of terminal, by its number on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Platform {
    /// `IOS`
    Ios = 1,
    /// `Android`
    Android = 2,
    /// `Windows`
    Windows = 3,
    /// `OSX`
    Osx = 4,
    /// `Web`
    Web = 5,
    /// `MiniWeb`
    MiniWeb = 6,
    /// `Linux`
    Linux = 7,
}

impl Platform {
    /// Every platform, in the order of the numbers.
    pub const ALL: [Platform; 7] = [
        Platform::Ios,
        Platform::Android,
        Platform::Windows,
        Platform::Osx,
        Platform::Web,
        Platform::MiniWeb,
        Platform::Linux,
    ];

    /// The platform of a wire number; `None` for a number the wire does not name.
    pub fn from_id(id: i64) -> Option<Platform> {
        Platform::ALL.into_iter().find(|platform| i64::from(platform.id()) == id)
    }

    /// The platform of a name, compared exactly as tokens do (the case counts).
    pub fn from_name(name: &str) -> Option<Platform> {
        Platform::ALL.into_iter().find(|platform| platform.name() == name)
    }

    /// The number on the wire, 1 to 7.
    pub const fn id(self) -> u8 {
        self as u8
    }

    /// The name written in tokens.
    pub const fn name(self) -> &'static str {
        match self {
            Platform::Ios => "IOS",
            Platform::Android => "Android",
            Platform::Windows => "Windows",
            Platform::Osx => "OSX",
            Platform::Web => "Web",
            Platform::MiniWeb => "MiniWeb",
            Platform::Linux => "Linux",
        }
    }

    /// The class the login policies put it in.
    pub const fn class(self) -> Class {
        match self {
            Platform::Ios | Platform::Android | Platform::MiniWeb => Class::Mobile,
            Platform::Windows | Platform::Osx | Platform::Web | Platform::Linux => Class::Pc,
        }
    }

    /// The class of the name found in a token.
    pub fn class_of_name(name: &str) -> Class {
        Platform::from_name(name).map_or(Class::Other, Platform::class)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_names_and_classes_are_those_of_the_wire() {
        let table = [
            (1, "IOS", Class::Mobile),
            (2, "Android", Class::Mobile),
            (3, "Windows", Class::Pc),
            (4, "OSX", Class::Pc),
            (5, "Web", Class::Pc),
            (6, "MiniWeb", Class::Mobile),
            (7, "Linux", Class::Pc),
        ];
        for (id, name, class) in table {
            let platform = Platform::from_id(id).unwrap();
            assert_eq!((platform.name(), platform.class()), (name, class));
            assert_eq!(Platform::from_name(name), Some(platform));
            assert_eq!(i64::from(platform.id()), id);
        }
        for id in [0, 8, 99, -1, 257, i64::MAX, i64::MIN] {
            assert_eq!(Platform::from_id(id), None);
        }
    }

    #[test]
    fn a_name_in_another_case_is_another_terminal() {
        assert_eq!(Platform::class_of_name("ios"), Class::Other);
        assert_eq!(Platform::class_of_name(""), Class::Other);
    }
}
