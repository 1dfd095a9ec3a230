//! Starts the real binary and talks to it as a shell and an HTTP client would. Nothing here sleeps: whatever has to
//! be waited for is a line on stderr or an answer that the server holds back, and every wait has an end.

mod http;
mod process;
mod receiver;
mod running;
mod shop;
mod small_disk;

pub(crate) use http::{Answer, Connection, Host};
pub(crate) use process::{Finished, Process, run, run_with};
pub(crate) use receiver::{Posted, receive};
pub(crate) use running::{CUSTOMER, Dev, Gateway, World, Written, envelope, id_of};
pub(crate) use shop::{ADMIN_TOKEN, Serve, Shop, TOKENS, shown};
pub(crate) use small_disk::SmallDisk;
