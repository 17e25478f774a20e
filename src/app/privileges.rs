//! Who the process is: started as root to take ports below 1024, it goes on as a user that may do nothing else.

use std::fs::File;
use std::io;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Group, Uid, User, getegid, geteuid, getgid, getuid, initgroups, setgid, setuid};

use crate::config::AccountConfig;

/// Why the process cannot be who it should be.
#[derive(Debug, thiserror::Error)]
pub enum PrivilegeError {
    /// No such user.
    #[error("user = {0:?}: there is no such user on this machine; make one: `useradd --system --no-create-home {0}`")]
    UnknownUser(String),
    /// No such group.
    #[error("group = {0:?}: there is no such group on this machine; make one: `groupadd --system {0}`")]
    UnknownGroup(String),
    /// Only root may become somebody else.
    #[error("user = {0:?}: only root can become another user; start botgate as root or as {0:?}, or leave `user` out")]
    NotRoot(String),
    /// The system refused a step, or did not do what it said.
    #[error("cannot become the user {user:?}: {step}: {why}")]
    Refused {
        /// Who.
        user: String,
        /// What was tried.
        step: &'static str,
        /// What the system said.
        why: String,
    },
    /// Files that a reload will read again.
    #[error(
        "as the user {user:?}, botgate could not read these files again at a reload: {}; give them to it \
         (`chown {user} FILE`), or to a group of keys that `group` names, and let it enter the folders above them",
        list(files)
    )]
    Unreadable {
        /// Who.
        user: String,
        /// Which.
        files: Vec<PathBuf>,
    },
}

/// Who to be.
#[derive(Debug)]
pub(super) struct Account {
    user: User,
    group: Group,
}

impl Account {
    /// Looks it up; before anything is bound, so that a wrong name is found at once.
    pub(super) fn find(config: &AccountConfig) -> Result<Self, PrivilegeError> {
        let name = &config.user;
        let found = match name.parse() {
            Ok(id) => User::from_uid(Uid::from_raw(id)),
            Err(_) => User::from_name(name),
        };
        let user = found.ok().flatten().ok_or_else(|| PrivilegeError::UnknownUser(name.clone()))?;
        let unknown = |group: &str| PrivilegeError::UnknownGroup(group.to_owned());
        let group = match &config.group {
            None => Group::from_gid(user.gid).ok().flatten().ok_or_else(|| unknown(&user.gid.to_string()))?,
            Some(name) => {
                let found = match name.parse() {
                    Ok(id) => Group::from_gid(Gid::from_raw(id)),
                    Err(_) => Group::from_name(name),
                };
                found.ok().flatten().ok_or_else(|| unknown(name))?
            }
        };
        if !geteuid().is_root() && (user.uid != geteuid() || group.gid != getegid()) {
            return Err(PrivilegeError::NotRoot(user.name));
        }
        Ok(Self { user, group })
    }

    /// Becomes it, for good, with all threads; its groups are those of the user and no others. `files` are what a reload
    /// reads again; `state_dir` is made for it if it is not there.
    pub(super) fn become_it(&self, state_dir: Option<&Path>, files: &[PathBuf]) -> Result<(), PrivilegeError> {
        let refused =
            |step: &'static str, why: String| PrivilegeError::Refused { user: self.user.name.clone(), step, why };
        if let Some(dir) = state_dir {
            self.own(dir).map_err(|error| refused("making state_dir", error.to_string()))?;
        }
        if geteuid().is_root() {
            let name = std::ffi::CString::new(self.user.name.clone());
            let name = name.map_err(|error| refused("its name", error.to_string()))?;
            initgroups(&name, self.group.gid).map_err(|error| refused("initgroups", error.to_string()))?;
            setgid(self.group.gid).map_err(|error| refused("setgid", error.to_string()))?;
            setuid(self.user.uid).map_err(|error| refused("setuid", error.to_string()))?;
            // What the calls said is not enough: a way back would be a hole.
            let ids = (getuid(), geteuid()) == (self.user.uid, self.user.uid);
            let groups = (getgid(), getegid()) == (self.group.gid, self.group.gid);
            let back = !self.user.uid.is_root() && setuid(Uid::from_raw(0)).is_ok();
            if !ids || !groups || back {
                return Err(refused("checking it", "the process still has other rights".to_owned()));
            }
        }
        let closed =
            |file: &&PathBuf| File::open(file).is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied);
        let files: Vec<PathBuf> = files.iter().filter(closed).cloned().collect();
        if !files.is_empty() {
            return Err(PrivilegeError::Unreadable { user: self.user.name.clone(), files });
        }
        tracing::info!(user = self.user.name, group = self.group.name, "privileges dropped");
        Ok(())
    }

    /// Makes a folder that is not there, and gives it away; one that is there is somebody's already.
    fn own(&self, dir: &Path) -> io::Result<()> {
        if dir.exists() || !geteuid().is_root() {
            return Ok(());
        }
        std::fs::create_dir_all(dir)?;
        chown(dir, Some(self.user.uid.as_raw()), Some(self.group.gid.as_raw()))
    }
}

/// Says it to who runs botgate as root for good.
pub(super) fn warn_of_root() {
    if geteuid().is_root() {
        tracing::warn!(
            "botgate runs as root, and stays so: whoever finds a hole in it owns the machine; set `user`, or start it as a \
             user of its own with CAP_NET_BIND_SERVICE"
        );
    }
}

fn list(files: &[PathBuf]) -> String {
    files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(user: &str, group: Option<&str>) -> Result<Account, PrivilegeError> {
        Account::find(&AccountConfig { user: user.to_owned(), group: group.map(str::to_owned) })
    }

    #[test]
    fn who_is_not_known_is_named_with_what_to_do() {
        let text = account("no-such-user", None).unwrap_err().to_string();
        assert!(text.contains("no-such-user") && text.contains("useradd"), "{text}");
        let text = account(&geteuid().to_string(), Some("no-such-group")).unwrap_err().to_string();
        assert!(text.contains("no-such-group") && text.contains("groupadd"), "{text}");
    }

    #[test]
    fn a_user_is_found_by_name_and_by_number() {
        let by_number = account("0", None);
        if geteuid().is_root() {
            assert_eq!(by_number.unwrap().user.name, account("root", Some("0")).unwrap().user.name);
        } else {
            assert!(matches!(by_number, Err(PrivilegeError::NotRoot(_))));
        }
    }
}
