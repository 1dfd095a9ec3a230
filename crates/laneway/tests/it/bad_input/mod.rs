//! Whatever a client writes, it gets a clear answer, nothing is half accepted, and nothing breaks.

mod bodies;
mod conversions;
mod crowd;
mod desk;
mod requests;
mod startup;
mod values;

use desk::Desk;
