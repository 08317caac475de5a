pub mod documents;
pub mod monorepo;
pub mod repository;
