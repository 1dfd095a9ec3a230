//! How many connections and files the system lets this process have.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Takes as many as the system grants. Most start a process with 1,024, which would be the end of a gateway's connections
/// long before its own limit, and leave it to the process to ask for more.
pub(crate) fn take_all() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        // Without more, it works with what it has: connections beyond wait their turn.
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap_or_default();
    }
}
