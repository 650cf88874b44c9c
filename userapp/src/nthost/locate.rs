//! Where a running nthost listens.

use std::{
    env, fs,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
};

use crate::error::Error;

/// Where machines have their sockets, from the project's directory on.
const DIRECTORY: &str = "target/nthost";

/// Where the machines of a release have their sockets: with what is the user's while he is there.
#[must_use]
pub fn runtime_directory() -> PathBuf {
    let of_user = || {
        let user = env::var("USER").unwrap_or_else(|_| "nobody".to_owned());
        env::temp_dir().join(format!("nthost-{user}"))
    };
    let session = env::var_os("XDG_RUNTIME_DIR");
    session.map_or_else(of_user, |directory| PathBuf::from(directory).join("nthost"))
}

/// The socket of a running machine: the one with this name, or the only one there is. It is
/// looked for in `target/nthost/` here and in the directories above; then in that of the project
/// that this program was built in; and where the machines of a release are.
///
/// # Errors
///
/// [`Error::Disconnected`] if none is running, [`Error::Usage`] if several are.
pub fn locate(machine: Option<&str>) -> Result<PathBuf, Error> {
    let current = env::current_dir().unwrap_or_default();
    // target/out/eductl
    let program = env::current_exe().ok();
    let out = program.as_deref().and_then(Path::parent);
    let built = out
        .filter(|folder| folder.ends_with("target/out"))
        .map(|folder| folder.with_file_name("nthost"));
    let directories = current
        .ancestors()
        .map(|above| above.join(DIRECTORY))
        .find(|directory| directory.is_dir())
        .into_iter()
        .chain(built)
        .chain([runtime_directory()]);
    let running = directories
        .map(|directory| running(&directory))
        .find(|running| !running.is_empty())
        .unwrap_or_default();
    match (machine, running.as_slice()) {
        (Some(machine), _) => {
            let is = |(name, _): &&(String, PathBuf)| name == machine;
            let found = running.iter().find(is);
            found.map(|(_, path)| path.clone()).ok_or_else(|| {
                let names: Vec<_> = running.iter().map(|(name, _)| name.as_str()).collect();
                Error::Disconnected(format!(
                    "the machine “{machine}” is not running; {}\n  \
                     cargo xtask run --machine {machine} starts it.",
                    if names.is_empty() {
                        "nor is any other".to_owned()
                    } else {
                        format!("these are: {}", names.join(", "))
                    }
                ))
            })
        }
        (None, [(_, path)]) => Ok(path.clone()),
        (None, []) => Err(Error::Disconnected(
            "no nthost is running\n  cargo xtask run starts one.".to_owned(),
        )),
        (None, several) => {
            let names: Vec<_> = several.iter().map(|(name, _)| name.as_str()).collect();
            Err(Error::Usage(format!(
                "several machines are running ({}): say which with --machine",
                names.join(", ")
            )))
        }
    }
}

/// The machines whose sockets have somebody listening.
fn running(directory: &Path) -> Vec<(String, PathBuf)> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut running: Vec<_> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "sock")
        })
        .filter(|path| UnixStream::connect(path).is_ok())
        .filter_map(|path| Some((path.file_stem()?.to_string_lossy().into_owned(), path)))
        .collect();
    running.sort();
    running
}
