//! Records to librdkafka without a copy, delivery reports to outcomes.
