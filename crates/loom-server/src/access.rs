//! Who may do what: roles, the namespaces they are granted in, and what a route asks of its caller.

use std::{collections::BTreeMap, fmt, str::FromStr};

use loom_types::{InvalidAddress, Namespace};
use serde::{Deserialize, Serialize};

/// Stands for every namespace in a token's grants.
pub(crate) const EVERY: &str = "*";

/// What somebody may do in a namespace. Each role includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Look at actors, journals, deployments and blobs, but not at the tokens of promises.
    Read,
    /// Send messages and follow them, store blobs, list promises.
    Invoke,
    /// Activate deployments.
    Deploy,
    /// Make and revoke tokens.
    Admin,
}

impl Role {
    const ALL: [Role; 4] = [Role::Read, Role::Invoke, Role::Deploy, Role::Admin];

    fn as_str(self) -> &'static str {
        match self {
            Role::Read => "read",
            Role::Invoke => "invoke",
            Role::Deploy => "deploy",
            Role::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = InvalidGrants;

    fn from_str(text: &str) -> Result<Self, InvalidGrants> {
        let unknown = || InvalidGrants::Role { text: text.chars().take(80).collect() };
        Role::ALL.into_iter().find(|role| role.as_str() == text).ok_or_else(unknown)
    }
}

/// What a route asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing: it tells or does nothing for strangers, or the path itself holds the proof of a right.
    Public,
    /// This role in the namespace that the request names.
    Namespace(Role),
    /// This role in every namespace, because what it shows is the node's.
    Node(Role),
}

/// Why grants make no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidGrants {
    /// There are none.
    #[error("a token needs at least one grant")]
    Empty,
    /// There are more than any token needs.
    #[error("a token has at most {limit} grants")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// No role is called that.
    #[error("'{text}' is no role; roles are read, invoke, deploy and admin")]
    Role {
        /// What was given, shortened.
        text: String,
    },
    /// A namespace breaks its rules.
    #[error("{0}; '*' stands for every namespace")]
    Namespace(#[from] InvalidAddress),
}

/// Roles by namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, Role>")]
pub struct Grants(BTreeMap<String, Role>);

/// Most namespaces that one token names.
const GRANTS_MAX: usize = 100;

impl Grants {
    /// One role everywhere.
    pub fn everywhere(role: Role) -> Self {
        Self([(EVERY.to_owned(), role)].into())
    }

    /// Grants as they travel.
    pub fn parse(sent: &loom_client::Grants) -> Result<Self, InvalidGrants> {
        let parsed = sent.iter().map(|(namespace, role)| Ok((namespace.clone(), role.parse()?)));
        Self::try_from(parsed.collect::<Result<BTreeMap<_, _>, InvalidGrants>>()?)
    }

    /// The same, to travel.
    pub fn to_wire(&self) -> loom_client::Grants {
        self.0.iter().map(|(namespace, role)| (namespace.clone(), role.to_string())).collect()
    }

    /// The role in a namespace, if there is one.
    pub fn role_in(&self, namespace: &Namespace) -> Option<Role> {
        self.0.get(namespace.as_str()).copied().max(self.role_everywhere())
    }

    fn role_everywhere(&self) -> Option<Role> {
        self.0.get(EVERY).copied()
    }

    /// Whether whoever has these may do what a route asks, in a namespace.
    pub fn allow(&self, access: Access, namespace: &Namespace) -> bool {
        match access {
            Access::Public => true,
            Access::Namespace(role) => self.role_in(namespace) >= Some(role),
            Access::Node(role) => self.role_everywhere() >= Some(role),
        }
    }

    /// Whether whoever has these administers every namespace that `others` reach.
    pub fn administer(&self, others: &Grants) -> bool {
        let is_admin = |role: Option<Role>| role >= Some(Role::Admin);
        is_admin(self.role_everywhere()) || others.0.keys().all(|namespace| is_admin(self.0.get(namespace).copied()))
    }

    /// The namespaces that are named; none for [`EVERY`].
    pub(crate) fn namespaces(&self) -> impl Iterator<Item = Option<Namespace>> + '_ {
        self.0.keys().map(|namespace| namespace.parse().ok())
    }
}

impl TryFrom<BTreeMap<String, Role>> for Grants {
    type Error = InvalidGrants;

    fn try_from(grants: BTreeMap<String, Role>) -> Result<Self, InvalidGrants> {
        if grants.is_empty() {
            return Err(InvalidGrants::Empty);
        }
        if grants.len() > GRANTS_MAX {
            return Err(InvalidGrants::TooMany { limit: GRANTS_MAX });
        }
        for namespace in grants.keys().filter(|namespace| *namespace != EVERY) {
            namespace.parse::<Namespace>()?;
        }
        Ok(Self(grants))
    }
}

impl fmt::Display for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let grants: Vec<_> = self.0.iter().map(|(namespace, role)| format!("{namespace}={role}")).collect();
        f.write_str(&grants.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(text: &str) -> Grants {
        let pairs = text.split(' ').map(|grant| grant.split_once('=').unwrap());
        Grants::parse(&pairs.map(|(namespace, role)| (namespace.to_owned(), role.to_owned())).collect()).unwrap()
    }

    #[test]
    fn a_role_includes_those_before_it_and_holds_in_its_namespace_only() {
        let (acme, other): (Namespace, Namespace) = ("acme".parse().unwrap(), "other".parse().unwrap());
        for (text, in_acme, in_other, on_node) in [
            ("acme=invoke", Some(Role::Invoke), None, None),
            ("*=read", Some(Role::Read), Some(Role::Read), Some(Role::Read)),
            ("*=read acme=admin", Some(Role::Admin), Some(Role::Read), Some(Role::Read)),
            ("*=deploy acme=read", Some(Role::Deploy), Some(Role::Deploy), Some(Role::Deploy)),
        ] {
            let grants = grants(text);
            for role in Role::ALL {
                assert_eq!(grants.allow(Access::Namespace(role), &acme), in_acme >= Some(role), "{text} {role}");
                assert_eq!(grants.allow(Access::Namespace(role), &other), in_other >= Some(role), "{text} {role}");
                assert_eq!(grants.allow(Access::Node(role), &acme), on_node >= Some(role), "{text} {role}");
            }
            assert!(grants.allow(Access::Public, &acme));
        }
    }

    #[test]
    fn only_admins_of_every_namespace_named_administer_a_token() {
        for (mine, others, may) in [
            ("acme=admin", "acme=admin", true),
            ("acme=admin", "acme=read other=read", false),
            ("acme=admin", "*=read", false),
            ("acme=deploy", "acme=read", false),
            ("*=admin", "*=admin acme=read", true),
            ("*=deploy acme=admin", "acme=admin", true),
        ] {
            assert_eq!(grants(mine).administer(&grants(others)), may, "{mine} over {others}");
        }
    }

    #[test]
    fn grants_that_make_no_sense_are_refused() {
        for (namespace, role) in [("acme", "owner"), ("Acme", "read"), ("", "read"), ("acme", "")] {
            assert!(Grants::parse(&[(namespace.to_owned(), role.to_owned())].into()).is_err(), "{namespace}={role}");
        }
        assert_eq!(Grants::parse(&[].into()), Err(InvalidGrants::Empty));
    }
}
