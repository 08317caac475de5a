//! Bytes from a repository to validated documents. Pure: no file, clock or network.
