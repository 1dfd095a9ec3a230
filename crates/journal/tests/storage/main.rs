//! Power cuts, full and failing disks, damaged files: what the journal on SQLite promises when the machine does not
//! keep its own promises.
//!
//! [`disk`] is a disk that can do all that, [`vfs`] puts it under SQLite, [`workload`] says what is done to the store,
//! and [`twin`] is the same store on a disk to which nothing happens: what it holds is what must be there.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "what goes wrong here is a failed test")]

mod damage;
mod disk;
mod full;
mod power;
mod twin;
mod vfs;
mod workload;
