//! Tokens for the brokers: from token endpoints over real sockets, and from files.

mod endpoint;
mod files;
mod rig;
