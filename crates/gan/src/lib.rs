//! t2f-gan
