//! Services, tasks and task definitions on Amazon ECS, through AWS's own JSON.
