//! What a sync would do, as data and as text. Pure.
