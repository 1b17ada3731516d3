//! t2f-data
