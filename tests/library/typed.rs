//! ringest accepts a record if and only if the reference does, and reports the same invalid
//! values: on random models and random bodies, valid and damaged, including nested combinations that the
//! table of Moose's results lacks.

mod agreement;
mod bodies;
mod choices;
mod json_path;
mod models;
mod scalars;
mod subject;
mod values;
