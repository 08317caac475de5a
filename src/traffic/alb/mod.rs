//! Listener rules, weights and target health of Elastic Load Balancing.
