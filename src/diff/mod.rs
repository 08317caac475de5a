//! Compares what is declared with what is live. Pure.
