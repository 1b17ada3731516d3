//! The home folder in paths: `~` and `~/…`, which a shell expands at the beginning of a word alone.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The path with a leading `~` or `~/` replaced by the home folder of the user. Other paths are returned as
/// they are.
///
/// # Errors
/// If the home folder is not known; or if the path begins with `~user` and no file has that name, since the
/// home folders of other users are not looked up.
pub fn expanded(path: &str) -> Result<String> {
    expanded_in(path, std::env::home_dir())
}

fn expanded_in(path: &str, home: Option<PathBuf>) -> Result<String> {
    let Some(rest) = path.strip_prefix('~') else { return Ok(path.to_owned()) };
    if !rest.is_empty() && !rest.starts_with('/') {
        if Path::new(path).exists() {
            return Ok(path.to_owned());
        }
        let message = "the home folder of another user is not looked up, expected `~/` or a whole path";
        return Err(Error::new(path, message));
    }
    let home = home.filter(|home| !home.as_os_str().is_empty());
    let home = home.ok_or_else(|| Error::new(path, "the home folder is not known: HOME is not set"))?;
    let home = home.to_str().ok_or_else(|| Error::new(path, "the name of the home folder is not UTF-8"))?;
    Ok(format!("{}{rest}", home.trim_end_matches('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leading_tilde_is_the_home_folder() {
        let at = |path: &str| expanded_in(path, Some("/home/anna/".into())).unwrap();
        assert_eq!(at("~/faces"), "/home/anna/faces");
        assert_eq!(at("~"), "/home/anna");
        for path in ["faces", "/data/~/faces", "a~", "", "./~/faces"] {
            assert_eq!(at(path), path);
        }
    }

    #[test]
    fn a_home_folder_that_is_not_known_is_an_error_with_the_path() {
        let message = |path: &str, home: Option<&str>| {
            expanded_in(path, home.map(PathBuf::from)).unwrap_err().to_string()
        };
        assert!(message("~/faces", None).contains("~/faces: the home folder is not known"));
        assert!(message("~/faces", Some("")).contains("HOME is not set"));
        let other = message("~no-such-user/faces", Some("/home/anna"));
        assert!(other.contains("~no-such-user/faces") && other.contains("a whole path"), "{other}");
    }
}
