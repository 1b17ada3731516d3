//! t2f-experiments
