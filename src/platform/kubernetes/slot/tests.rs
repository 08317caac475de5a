//! Tables over the slots' objects.
