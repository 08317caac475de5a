//! Blue/green without a load balancer of AWS.
