pub mod applying;
pub mod bare;
pub mod kubectl;
pub mod objects;
pub mod standing;
