//! The one table from what happened to what is answered.
