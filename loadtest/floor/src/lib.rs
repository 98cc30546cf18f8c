//! What the floors share, the servers that ringest is measured against: each reads a POST completely and
//! answers `200 {"accepted":1}` with ringest's headers. They validate and produce nothing, and have no
//! deadlines: the difference is the cost of ringest's work.

mod answer;
pub mod check;
mod listen;
mod requests;

pub use answer::Answer;
pub use listen::{Arguments, serve_each};
pub use requests::{Head, Requests, head};
