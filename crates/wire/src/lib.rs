//! Other people's JSON, and nothing else: the only place that spells CM.com's and Meta's field names.

#![forbid(unsafe_code)]

pub mod cm;
pub mod graph;
