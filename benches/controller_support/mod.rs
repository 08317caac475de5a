pub mod documents;
pub mod ecs;
pub mod figures;
pub mod kubernetes;
pub mod process;
pub mod soak;
pub mod watched;
pub mod world;
