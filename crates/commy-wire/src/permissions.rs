//! What may be granted, as a set of bits; in messages a list of names.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::ops::{BitOr, BitOrAssign};
use std::str::FromStr;

/// Something that may be granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[repr(u32)]
pub enum Permission {
    /// Making services in a tenant.
    ServiceCreate = 1,
    /// Reading the objects of a service, and watching them.
    ServiceRead = 2,
    /// Making, changing and removing the objects of a service.
    ServiceWrite = 4,
    /// Deleting a service.
    ServiceDelete = 8,
    /// Administering a tenant: its principals, keys, groups and grants. It lets nobody see or change data.
    TenantAdmin = 16,
    /// Administering the server: its tenants, and all that a tenant's administrator may. It lets nobody see or change data.
    Operator = 32,
}

impl Permission {
    /// All of them.
    pub const ALL: [Permission; 6] = [
        Permission::ServiceCreate,
        Permission::ServiceRead,
        Permission::ServiceWrite,
        Permission::ServiceDelete,
        Permission::TenantAdmin,
        Permission::Operator,
    ];
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl FromStr for Permission {
    type Err = String;

    fn from_str(text: &str) -> Result<Permission, String> {
        let found = Permission::ALL.into_iter().find(|permission| permission.to_string() == text);
        found.ok_or_else(|| format!("{text} is no permission; there are {}", Permissions::ALL))
    }
}

/// A set of permissions.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Permissions(u32);

impl Permissions {
    /// None.
    pub const NONE: Permissions = Permissions(0);
    /// All that there are.
    pub const ALL: Permissions = Permissions(63);

    /// Those whose bits are set; other bits are left out.
    pub const fn from_bits(bits: u32) -> Permissions {
        Permissions(bits & Permissions::ALL.0)
    }

    /// Their bits.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether a permission is among them.
    #[inline]
    pub const fn has(self, permission: Permission) -> bool {
        self.0 & permission as u32 != 0
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// One after the other.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.into_iter().filter(move |permission| self.has(*permission))
    }
}

impl From<Permission> for Permissions {
    fn from(permission: Permission) -> Permissions {
        Permissions(permission as u32)
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(all: I) -> Permissions {
        all.into_iter().fold(Permissions::NONE, |set, permission| set | permission.into())
    }
}

impl BitOr for Permissions {
    type Output = Permissions;
    fn bitor(self, other: Permissions) -> Permissions {
        Permissions(self.0 | other.0)
    }
}

impl BitOrAssign for Permissions {
    fn bitor_assign(&mut self, other: Permissions) {
        self.0 |= other.0;
    }
}

impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iter().map(|permission| permission.to_string()).collect::<Vec<_>>().join(", "))
    }
}

impl fmt::Debug for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{self}]")
    }
}

impl Serialize for Permissions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Permissions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Permissions, D::Error> {
        Ok(Vec::<Permission>::deserialize(deserializer)?.into_iter().collect())
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Permissions {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Permissions".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Vec::<Permission>::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_written_by_their_names_and_read_back() {
        let set: Permissions = [Permission::Operator, Permission::ServiceRead].into_iter().collect();
        let text = serde_json::to_string(&set).unwrap();
        assert_eq!(text, r#"["ServiceRead","Operator"]"#);
        assert_eq!(serde_json::from_str::<Permissions>(&text).unwrap(), set);
        assert!(serde_json::from_str::<Permissions>(r#"["Everything"]"#).is_err());
        assert_eq!(Permissions::from_bits(u32::MAX), Permissions::ALL);
        for permission in Permission::ALL {
            assert_eq!(permission.to_string().parse::<Permission>().unwrap(), permission);
        }
    }
}
