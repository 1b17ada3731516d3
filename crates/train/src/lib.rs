//! t2f-train
