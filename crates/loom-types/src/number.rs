//! Counters that must not be mixed up.

use std::fmt;

macro_rules! counter {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl $name {
            /// The next one. Panics on overflow, which a 64-bit counter does not reach.
            #[must_use]
            pub fn next(self) -> Self {
                Self(self.0.checked_add(1).expect("a 64-bit counter does not overflow"))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

counter! {
    /// Position of an entry in its actor's journal. The first entry (`opened`) is 0.
    SequenceNumber
}
counter! {
    /// Number of a turn of one actor. The first turn is 1; entries outside a turn carry 0.
    TurnNumber
}
counter! {
    /// Grows with every grant of the right to append to one actor's journal.
    FencingToken
}
