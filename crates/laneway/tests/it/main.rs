//! Tests through the real binary: what a person at a shell, a client, an operator and a crash see of it. Every test
//! starts its own processes on free ports, in its own directory.

#![expect(clippy::unwrap_used, reason = "a test stops at its first surprise")]
#![expect(clippy::print_stderr, reason = "a test that fails shows what its processes said")]

mod bad_input;
mod click_wait;
mod clients;
mod command_line;
mod completions;
mod config;
mod crashes;
mod damage;
mod dead_letters;
mod delivery;
mod dev;
mod discovery;
mod doctor;
mod durability;
mod exec;
mod forwards;
mod full_disk;
mod grouping;
mod harness;
mod help;
mod import;
mod in_doubt;
mod manual;
mod once_only;
mod operation;
mod outbox;
mod pace;
mod pauses;
mod people;
mod relay;
mod restart;
mod seed_page;
mod tokens;
