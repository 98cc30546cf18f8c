//! ringest accepts a record if and only if the reference does, and says the same of where it is
//! faulty: on random models and random bodies, valid and damaged, so on nested combinations that the
//! table of Moose's verdicts lacks.

mod agreement;
mod bodies;
mod choices;
mod json_path;
mod models;
mod scalars;
mod subject;
mod values;
