//! Who is at the other end of a connection, and what they may do.

use std::collections::BTreeSet;
use std::ffi::OsStr;

use crate::config::{Admin, Member, Role};

/// A user of the host, as the kernel and the user database know them.
///
/// Groups are those that the user database gives the user, not those that the process runs with:
/// a program that lends its group to whoever starts it does not lend a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The user's id, from the kernel.
    pub uid: u32,
    /// The id of the group that the process runs with, from the kernel. It decides nothing.
    pub gid: u32,
    /// The user's name; none if the user database has no such user.
    pub user: Option<String>,
    /// The names of the groups that the user is a member of.
    pub groups: Vec<String>,
}

impl Peer {
    /// Looks a user up, in whatever the host has for it (files, LDAP): this may block.
    pub fn look_up(uid: u32, gid: u32) -> Self {
        let user = uzers::get_user_by_uid(uid);
        let groups = user.as_ref().and_then(|user| {
            let groups = uzers::get_user_groups(user.name(), user.primary_group_id())?;
            let names = groups.iter().filter_map(|group| text(group.name()));
            Some(names.collect())
        });
        Self {
            uid,
            gid,
            user: user.and_then(|user| text(user.name())),
            groups: groups.unwrap_or_default(),
        }
    }

    fn is(&self, member: &Member) -> bool {
        match member {
            Member::User(name) => self.user.as_ref() == Some(name),
            Member::Group(name) => self.groups.contains(name),
        }
    }
}

/// A name, where it is text. One that is not cannot stand in the configuration either.
fn text(name: &OsStr) -> Option<String> {
    name.to_str().map(str::to_owned)
}

/// The roles of a caller.
///
/// Root has those that are configured, like everybody. Only where no role names anybody is root an
/// admin, since nobody could do anything otherwise.
pub fn roles(peer: &Peer, admin: &Admin) -> BTreeSet<Role> {
    let named = admin.roles.iter();
    let mut roles: BTreeSet<Role> = named
        .filter(|(_, members)| members.iter().any(|member| peer.is(member)))
        .map(|(role, _)| *role)
        .collect();
    let nobody = admin.roles.iter().all(|(_, members)| members.is_empty());
    if nobody && peer.uid == 0 {
        roles.insert(Role::Admin);
    }
    roles
}

/// Whether a caller may see hidden customers.
pub fn may_see_hidden(peer: &Peer, admin: &Admin) -> bool {
    let roles = roles(peer, admin);
    admin.see_hidden.iter().any(|role| roles.contains(role))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(uid: u32, user: Option<&str>, groups: &[&str]) -> Peer {
        Peer {
            uid,
            gid: uid,
            user: user.map(str::to_owned),
            groups: groups.iter().map(|&group| group.to_owned()).collect(),
        }
    }

    fn admin(roles: &[(Role, &[&str])]) -> Admin {
        let member = |text: &&str| match text.strip_prefix('@') {
            Some(group) => Member::Group(group.to_owned()),
            None => Member::User((*text).to_owned()),
        };
        let roles = roles.iter();
        Admin {
            socket: "/run/tenure/admin.sock".into(),
            roles: roles
                .map(|(role, members)| (*role, members.iter().map(member).collect()))
                .collect(),
            see_hidden: vec![Role::Admin, Role::Dpo],
        }
    }

    #[test]
    fn users_and_groups_give_roles() {
        let admin = admin(&[
            (Role::Admin, &["root"]),
            (Role::Dpo, &["@privacy", "eve"]),
            (Role::Viewer, &["@tenure"]),
        ]);
        for (peer, expected, hidden) in [
            (peer(0, Some("root"), &["root"]), vec![Role::Admin], true),
            (
                peer(7, Some("eve"), &["tenure"]),
                vec![Role::Dpo, Role::Viewer],
                true,
            ),
            (peer(8, Some("kim"), &["privacy"]), vec![Role::Dpo], true),
            (peer(9, Some("lee"), &["tenure"]), vec![Role::Viewer], false),
            // A user of a group's name, a group of a user's name, and a user without a name.
            (peer(10, Some("privacy"), &["eve", "root"]), vec![], false),
            (peer(11, None, &[]), vec![], false),
        ] {
            let found: Vec<_> = roles(&peer, &admin).into_iter().collect();
            assert_eq!(found, expected, "{peer:?}");
            assert_eq!(may_see_hidden(&peer, &admin), hidden, "{peer:?}");
        }
    }

    #[test]
    fn root_is_an_admin_by_itself_only_where_nobody_is_named() {
        let root = peer(0, Some("root"), &["root"]);
        let nobody = admin(&[(Role::Admin, &[]), (Role::Viewer, &[])]);
        assert_eq!(roles(&root, &nobody), BTreeSet::from([Role::Admin]));
        let other = peer(7, Some("eve"), &["root"]);
        assert!(roles(&other, &nobody).is_empty());
        let somebody = admin(&[(Role::Admin, &[]), (Role::Viewer, &["eve"])]);
        assert!(roles(&root, &somebody).is_empty());
    }

    #[test]
    fn the_user_database_is_asked() {
        let root = Peer::look_up(0, 0);
        assert_eq!(root.user.as_deref(), Some("root"));
        assert!(root.groups.contains(&"root".to_owned()), "{root:?}");
        let nobody = Peer::look_up(3_999_999_999, 0);
        assert_eq!(nobody.user, None);
        assert!(
            nobody.groups.is_empty(),
            "group 0 of the process is not a membership"
        );
    }
}
