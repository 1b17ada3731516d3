//! t2f-text
