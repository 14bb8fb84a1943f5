//! One account: its name, its role, and what that lets it do.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use minicbor::{Decode, Encode};

use crate::network::Source;

/// Longest name of an account in characters.
pub const NAME_LENGTH_MAX: usize = 48;

/// Names that stand for something else in the audit log.
const RESERVED: &[&str] = &["operator", "unknown"];

/// The name of an account: 1 to 48 of `a`-`z`, `0`-`9`, `.`, `_`, `-`, `@`; capitals are read as small letters,
/// so that no two accounts differ by them alone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(transparent)]
pub struct AccountName(#[n(0)] String);

/// Text that names no account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadName;

impl AccountName {
    /// Reads what a person typed.
    ///
    /// # Errors
    /// [`BadName`].
    pub fn from_typed(text: &str) -> Result<Self, BadName> {
        let name = text.trim().to_ascii_lowercase();
        let of_names = |byte: u8| byte.is_ascii_alphanumeric() || b"._-@".contains(&byte);
        let length_fits = (1..=NAME_LENGTH_MAX).contains(&name.len());
        if length_fits && name.bytes().all(of_names) && !RESERVED.contains(&name.as_str()) {
            Ok(Self(name))
        } else {
            Err(BadName)
        }
    }

    /// The name as it is stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The Argon2id hash of a password as a PHC string, computed at the edge.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct PasswordHash(#[n(0)] String);

impl PasswordHash {
    /// The hash in `phc`.
    #[must_use]
    pub const fn new(phc: String) -> Self {
        Self(phc)
    }

    /// The PHC string.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

/// The two roles of `004` 6.2.4 b.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Role {
    /// May do everything.
    #[n(0)]
    Administrator,
    /// May do what its duties name.
    #[n(1)]
    User,
}

/// A named set of permissions that an administrator gives to a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Duty {
    /// Owns devices: all that is done with them.
    Owner,
    /// Claims devices and sees those it claimed.
    Installer,
    /// Reads the audit log and risks, and sees devices.
    Auditor,
}

impl Duty {
    /// Every duty with its name.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::Owner, "owner"), (Self::Installer, "installer"), (Self::Auditor, "auditor")];

    const fn bit(self) -> u8 {
        1 << self as u8
    }

    const fn permissions(self) -> &'static [Permission] {
        match self {
            Self::Owner => &[
                Permission::SeeDevices,
                Permission::SeeAllDevices,
                Permission::SeeOwnership,
                Permission::Claim,
                Permission::Operate,
            ],
            Self::Installer => &[Permission::SeeDevices, Permission::Claim],
            Self::Auditor => &[Permission::SeeDevices, Permission::SeeAllDevices, Permission::ReadAudit],
        }
    }
}

/// What one may do; every operation asks for exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// Look after oneself: who am I, sign out, change the own password.
    SignedIn,
    /// See devices: all, or with [`Permission::SeeAllDevices`] missing those claimed by oneself.
    SeeDevices,
    /// See every device, whoever claimed it.
    SeeAllDevices,
    /// See keys, channels, time line and offers.
    SeeOwnership,
    /// Claim devices.
    Claim,
    /// Give devices away, take them over, bootstrap and command them.
    Operate,
    /// Read the audit log, risks and listeners.
    ReadAudit,
    /// Manage accounts and settings, accept risks.
    Administer,
}

/// A set of duties.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Duties(#[n(0)] u8);

impl Duties {
    /// Exactly these.
    #[must_use]
    pub fn of(duties: &[Duty]) -> Self {
        Self(duties.iter().fold(0, |bits, duty| bits | duty.bit()))
    }

    /// The duties of these names; `None` when one is no duty.
    #[must_use]
    pub fn from_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let duty = |name: &str| Duty::ALL.iter().find(|(_, known)| *known == name).map(|(duty, _)| *duty);
        names.into_iter().map(duty).collect::<Option<Vec<_>>>().map(|duties| Self::of(&duties))
    }

    /// The names of the duties in the set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Duty::ALL.into_iter().filter(move |(duty, _)| self.0 & duty.bit() != 0).map(|(_, name)| name)
    }
}

impl Role {
    /// Whether an account of this role with `duties` has `permission`.
    #[must_use]
    pub fn allows(self, duties: Duties, permission: Permission) -> bool {
        match self {
            Self::Administrator => true,
            Self::User => {
                let of_duties = Duty::ALL.iter().filter(|(duty, _)| duties.0 & duty.bit() != 0);
                permission == Permission::SignedIn
                    || of_duties.flat_map(|(duty, _)| duty.permissions()).any(|held| *held == permission)
            }
        }
    }

    /// The name of the role.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::User => "user",
        }
    }
}

/// The stored record.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Account {
    #[n(0)]
    pub(crate) role: Role,
    #[n(1)]
    pub(crate) duties: Duties,
    #[n(2)]
    pub(crate) hash: PasswordHash,
    /// Also tells this account from an earlier one of its name: sessions carry it.
    #[n(3)]
    pub(crate) made_unix_millis: u64,
    /// Locked by an administrator.
    #[n(4)]
    pub(crate) is_locked: bool,
    /// From where it signed in lately, the latest last.
    #[n(5)]
    pub(crate) known: Vec<Source>,
}

/// Sources that an account remembers.
const KNOWN_COUNT_MAX: usize = 8;

impl Account {
    /// Remembers a source, forgetting the one that was used longest ago.
    pub(crate) fn knows(&mut self, source: Source) {
        self.known.retain(|known| *known != source);
        if self.known.len() == KNOWN_COUNT_MAX {
            self.known.remove(0);
        }
        self.known.push(source);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // verifies: SECDEV-6.2.4-a
    #[test]
    fn names_that_differ_by_capitals_alone_are_one() {
        let ann = AccountName::from_typed("ann@plant-2.example").unwrap();
        assert_eq!(AccountName::from_typed(" Ann@Plant-2.example "), Ok(ann));
        for bad in ["", " ", "a b", "a:b", "a/b", "änn", "operator", "Unknown", "a\0", &"a".repeat(49)] {
            assert_eq!(AccountName::from_typed(bad), Err(BadName), "{bad:?}");
        }
        assert!(AccountName::from_typed(&"a".repeat(48)).is_ok());
    }

    // verifies: SECDEV-6.2.4-b, SECDEV-6.2.4-d
    #[test]
    fn users_may_do_what_their_duties_name() {
        use Permission as P;
        let every = [
            P::SignedIn,
            P::SeeDevices,
            P::SeeAllDevices,
            P::SeeOwnership,
            P::Claim,
            P::Operate,
            P::ReadAudit,
            P::Administer,
        ];
        let of = |role: Role, duties: &[Duty]| {
            every.into_iter().filter(|one| role.allows(Duties::of(duties), *one)).collect::<Vec<_>>()
        };
        assert_eq!(of(Role::Administrator, &[]), every);
        assert_eq!(of(Role::User, &[]), [P::SignedIn]);
        assert_eq!(of(Role::User, &[Duty::Owner]), every[..6]);
        assert_eq!(of(Role::User, &[Duty::Installer]), [P::SignedIn, P::SeeDevices, P::Claim]);
        let auditor = [P::SignedIn, P::SeeDevices, P::SeeAllDevices, P::ReadAudit];
        assert_eq!(of(Role::User, &[Duty::Auditor]), auditor);
        let all: Vec<Duty> = Duty::ALL.into_iter().map(|(duty, _)| duty).collect();
        assert_eq!(of(Role::User, &all), every[..7], "no duty makes an administrator");
    }

    #[test]
    fn duties_have_names() {
        let duties = Duties::from_names(["auditor", "owner"]).unwrap();
        assert_eq!(duties.names().collect::<Vec<_>>(), ["owner", "auditor"]);
        assert_eq!(Duties::from_names(["owner", "king"]), None);
    }

    #[test]
    fn an_account_knows_the_last_eight_sources() {
        let hash = PasswordHash::new("x".into());
        let (role, duties) = (Role::User, Duties::default());
        let mut account =
            Account { role, duties, hash, made_unix_millis: 0, is_locked: false, known: Vec::new() };
        let source = |last: u8| Source::of([192, 0, 2, last].into());
        (0..9).for_each(|last| account.knows(source(last)));
        account.knows(source(1));
        assert_eq!(account.known.len(), 8);
        assert!(!account.known.contains(&source(0)));
        assert_eq!(account.known.last(), Some(&source(1)));
    }
}
