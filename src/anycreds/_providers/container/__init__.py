"""Credentials of a container, from the HTTP endpoint of ECS or EKS, or from one like it."""
