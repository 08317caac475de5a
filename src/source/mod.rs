//! Git repositories, read from a bare mirror's object database.
