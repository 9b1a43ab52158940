//! Reading objects as tolerantly as Go's decoder does.
//!
//! Functions of the older formats spell a member as they like: `body`, `Body`, `BODY`. Members
//! nobody knows are passed over, and `null` is as good as absent. What is not tolerated is another
//! type than the one a member has.

use std::borrow::Cow;

use serde::Deserialize;

/// Declares a struct of members that may be absent, as visible as it is itself, and how it is read. A
/// member may have several names.
macro_rules! object {
    (
        $(#[$doc:meta])*
        $vis:vis struct $name:ident<'de> {
            $( $(#[$field_doc:meta])* $field:ident: $ty:ty = $first:literal $(| $other:literal)*, )*
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        $vis struct $name<'de> {
            $( $(#[$field_doc])* $vis $field: $ty, )*
            borrowed: std::marker::PhantomData<&'de ()>,
        }

        impl<'de> serde::Deserialize<'de> for $name<'de> {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Members;

                impl<'de> serde::de::Visitor<'de> for Members {
                    type Value = $name<'de>;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object")
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<$name<'de>, A::Error> {
                        let mut object = $name::default();
                        while let Some(key) = map.next_key::<$crate::json::object::Key<'de>>()? {
                            match () {
                                $( () if key.is($first) $(|| key.is($other))* => object.$field = map.next_value()?, )*
                                () => { map.next_value::<serde::de::IgnoredAny>()?; }
                            }
                        }
                        Ok(object)
                    }
                }

                deserializer.deserialize_map(Members)
            }
        }
    };
}
pub(crate) use object;

/// A member's name, borrowed where it can be.
#[derive(Deserialize)]
pub(crate) struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl Key<'_> {
    pub(crate) fn is(&self, name: &str) -> bool {
        self.0.eq_ignore_ascii_case(name)
    }
}
